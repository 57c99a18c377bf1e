"""Variables of older versions of TensorFlow under the names of today, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.rules import Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.naming.slots import slot_of
from tf_ckpt_migrate.recipes.scopes import start_of

__all__ = ["PACKS", "Pack", "layer_names", "name_of_today", "scope_of_today"]


_TODAY = {
    "weights": "kernel",
    "biases": "bias",
    "recurrent_weights": "recurrent_kernel",
    "depthwise_weights": "depthwise_kernel",
    "pointwise_weights": "pointwise_kernel",
}
_THEN = {today: then for then, today in _TODAY.items()}
_OF_CELLS = {"Matrix": "kernel", "Bias": "bias"}
_OF_LSTM = {"W_0": "kernel", "B": "bias"}
_SCOPES_THEN = {
    "basic_lstm_cell": "BasicLSTMCell",
    "basic_rnn_cell": "BasicRNNCell",
    "gru_cell": "GRUCell",
    "lstm_cell": "LSTMCell",
    "gates": "Gates",
    "candidate": "Candidate",
}
# Default scopes of the network around a cell; a scope of another name stays.
_NETWORKS = {
    ("RNN",): ("rnn",),
    ("BiRNN", "FW"): ("bidirectional_rnn", "fw"),
    ("BiRNN", "BW"): ("bidirectional_rnn", "bw"),
    ("BiRNN_FW",): ("bidirectional_rnn", "fw"),
    ("BiRNN_BW",): ("bidirectional_rnn", "bw"),
}
# Of two names of then, the one of networks that are unrolled at run time.
_NETWORKS_THEN = {new: old for old, new in reversed(_NETWORKS.items())}
_NUMBERED = re.compile(r"Cell(\d+)")
_NUMBER = re.compile(r"cell_(\d+)")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SLIM = {
    "BatchNorm": "batch_normalization",
    "Conv": "conv2d",
    "Conv2d_transpose": "conv2d_transpose",
    "EmbedSequence": "embedding",
    "LayerNorm": "layer_normalization",
    "SeparableConv2d": "separable_conv2d",
    "fully_connected": "dense",
}
_NOT_SLIM = {today: then for then, today in _SLIM.items()}
_COUNTED = re.compile(r"(.*?)(_\d+)?")


def _weights_today(name: str) -> str:
    scope, slash, last = name.rpartition("/")
    return scope + slash + _TODAY.get(last, last)


def _weights_then(name: str) -> str:
    scope, slash, last = name.rpartition("/")
    return scope + slash + _THEN.get(last, last)


def _linear_today(name: str) -> str:
    *scopes, last = name.split("/")
    if last in _OF_CELLS and scopes[-1:] == ["Linear"]:
        return "/".join([*map(scope_of_today, scopes[:-1]), _OF_CELLS[last]])
    if last in _OF_LSTM and scopes[-1:] == ["LSTMCell"]:
        return "/".join([*map(scope_of_today, scopes), _OF_LSTM[last]])
    return name


def _networks_today(name: str) -> str:
    """Return a name of a cell as it is today, with the network around the cell."""
    today = _linear_today(name)
    return name if today == name else _with_networks(today, _NETWORKS)


def _with_networks(name: str, table: Mapping[tuple[str, ...], tuple[str, ...]]) -> str:
    """Return a name in which the default scopes of networks are exchanged."""
    scopes = name.split("/")
    found: list[str] = []
    while scopes:
        sizes = (2, 1)
        size = next((n for n in sizes if tuple(scopes[:n]) in table), None)
        found += table[tuple(scopes[:size])] if size else scopes[:1]
        scopes = scopes[size or 1 :]
    return "/".join(found)


def _linear_then(name: str) -> str:
    *scopes, last = name.split("/")
    of_gru = scopes[-1:] in (["gates"], ["candidate"])
    cell = next(iter(scopes[-2:-1] if of_gru else scopes[-1:]), "")
    if cell not in _SCOPES_THEN or last not in ("kernel", "bias"):
        return name
    table = _OF_LSTM if cell == "lstm_cell" else _OF_CELLS
    old = next(then for then, today in table.items() if today == last)
    linear = [] if cell == "lstm_cell" else ["Linear"]
    then = "/".join([*map(_scope_then, scopes), *linear, old])
    return _with_networks(then, _NETWORKS_THEN)


def _slim_today(name: str) -> str:
    return _by_scopes(name, _SLIM)


def _slim_then(name: str) -> str:
    return _by_scopes(name, _NOT_SLIM)


def _by_scopes(name: str, table: Mapping[str, str]) -> str:
    *scopes, last = name.split("/")
    found: list[str] = []
    for scope in scopes:
        match = _COUNTED.fullmatch(scope)
        stem, number = (match[1], match[2] or "") if match else (scope, "")
        found.append(table[stem] + number if stem in table else scope)
    return "/".join([*found, last])


class Pack(NamedTuple):
    """What one change of names did, and how it is undone.

    Attributes:
      today: Gives a name of then its name of today; others stay.
      then: The reverse.
    """

    today: Callable[[str], str]
    then: Callable[[str], str]


PACKS: Mapping[str, Pack] = {
    "linear": Pack(_networks_today, _linear_then),
    "weights": Pack(_weights_today, _weights_then),
    "slim": Pack(_slim_today, _slim_then),
}


def name_of_today(name: str) -> str:
    """Return what a variable of a layer or cell is called today.

    Example:
      >>> name_of_today("conv1/weights")
      'conv1/kernel'
      >>> name_of_today("RNN/MultiRNNCell/Cell0/BasicLSTMCell/Linear/Matrix")
      'RNN/multi_rnn_cell/cell_0/basic_lstm_cell/kernel'
    """
    return _weights_today(_linear_today(name))


def scope_of_today(scope: str) -> str:
    """Return what TF1 calls the scope of a cell today.

    Example:
      >>> scope_of_today("BasicLSTMCell"), scope_of_today("conv1")
      ('basic_lstm_cell', 'conv1')
    """
    if found := _NUMBERED.fullmatch(scope):
        return f"cell_{found[1]}"
    if scope.endswith("Cell") or scope in ("Gates", "Candidate"):
        return _WORDS.sub("_", scope).lower()
    return scope


def _scope_then(scope: str) -> str:
    if found := _NUMBER.fullmatch(scope):
        return f"Cell{found[1]}"
    if scope == "multi_rnn_cell":
        return "MultiRNNCell"
    return _SCOPES_THEN.get(scope, scope)


_USUAL = "linear,weights"


@recipe("layer_names")
def layer_names(  # noqa: PLR0913 what every recipe gets, and two options
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
    *,
    packs: str = _USUAL,
    to: Literal["today", "then"] = "today",
) -> list[Rule]:
    """Return rules from names of older versions to those of today, and back.

    Slots and averages come along. What has no other name is left to the rules that
    follow, or to its name.

    Args:
      source: The scope in the checkpoint; ``"/"`` is everything.
      target: The scope to fill.
      specs: The tensors of the checkpoint.
      targets: The places to fill; of no account here.
      packs: Which changes, of `PACKS`, with commas between.
      to: ``"then"`` for the way back, to the names of one pack; of ``"slim"`` and
        another.

    Raises:
      PlanError: If the scope has no such name, or two names become one.
      RuleError: If there is no such pack, if several could be meant on the way back, or
        if a scope does not end in ``/``.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> specs = dict.fromkeys(["net/fc/weights", "net/fc/weights/Adam"], spec)
      >>> for rule in layer_names("net/", "/", specs, None):
      ...     print(rule)
      Rename('net/fc/weights', 'fc/kernel')
      Rename('net/fc/weights/Adam', 'fc/kernel/Adam')
    """
    del targets
    changes = _changes(packs, to)
    start, goal = (start_of(scope) for scope in (source, target))
    rules: list[Rule] = []
    for key in specs:
        if not key.startswith(start):
            continue
        name = _renamed(key, specs, changes)
        if name == key:
            continue
        if name in specs:
            raise PlanError(f"{key!r} would be called {name!r}, which is there already")
        # Counted, as the scope itself may have another name today.
        rest = name.split("/")[start.count("/") :]
        rules.append(Rename(key, goal + "/".join(rest)))
    if not rules:
        example = "weights" if to == "today" else "kernel"
        raise PlanError(
            f"below {source!r} is no name that {packs!r} knows another one of, such as "
            f"{example!r}; rename the scope by RenameScope alone"
        )
    return rules


def _changes(packs: str, to: str) -> Sequence[Callable[[str], str]]:
    names = [name.strip() for name in packs.split(",")]
    unknown = [name for name in names if name not in PACKS]
    if unknown or to not in ("today", "then"):
        raise RuleError(
            f"packs={packs!r}, to={to!r}: the packs are {', '.join(PACKS)}, and to is "
            "'today' or 'then'"
        )
    if to == "then" and {"linear", "weights"} <= {*names}:
        raise RuleError(
            f"packs={packs!r}: on the way back a kernel is called 'Linear/Matrix' by "
            "the pack 'linear' and 'weights' by the other; say which"
        )
    chosen = [pack for name, pack in PACKS.items() if name in names]
    if to == "then":
        return [pack.then for pack in reversed(chosen)]
    return [pack.today for pack in chosen]


def _renamed(
    key: str,
    specs: Mapping[str, TensorSpec],
    changes: Sequence[Callable[[str], str]],
) -> str:
    """Return the new name of a variable, or of its slot by that of its variable."""
    slot = slot_of(key, specs)
    variable = key if slot is None or slot.variable is None else slot.variable
    name = variable
    for change in changes:
        name = change(name)
    before, _, after = key.rpartition(variable)
    return before + name + after
