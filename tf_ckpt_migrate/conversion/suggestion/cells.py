"""Several tensors taken as one: RNN cells, and heads of attention in one kernel.

A cell of TF1 and a layer of Keras share no shape: ``[in + h, 4h]`` is ``[in, 4h]`` and
``[h, 4h]``. Each is one item here, of the form ``lstm[in, h]``, where the other side
has the like. So is the kernel in which GPT-2 keeps query, key and value together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.conversion.suggestion.items import Form, Item, Side
from tf_ckpt_migrate.conversion.suggestion.words import words_of
from tf_ckpt_migrate.recipes.legacy_names import name_of_today

__all__ = ["HEADS", "folded"]

HEADS = ("query", "key", "value")

_Shapes = Mapping[str, tuple[int, ...]]
_RNN_WORDS = frozenset(["lstm", "gru", "rnn", "cell"])
_TF1_NAMES = (
    ("kernel", "bias"),
    ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"),
    (
        *("gates/kernel", "gates/bias"),
        *("candidate/input_projection/kernel", "candidate/input_projection/bias"),
        *("candidate/hidden_projection/kernel", "candidate/hidden_projection/bias"),
    ),
)
_KERAS_NAMES = ("kernel", "recurrent_kernel", "bias")


class _Group(NamedTuple):
    """Tensors below one scope: their names there, and which items they are."""

    scope: str
    members: Mapping[str, int]
    form: Form


def folded(source: Side, target: Side) -> tuple[list[Item], list[Item]]:
    """Return the weights of both sides, those that are parts of a whole as one."""
    ours = [*_groups(source, _tf1_cell), *_groups(source, _keras_cell)]
    theirs = [*_groups(target, _tf1_cell), *_groups(target, _keras_cell)]
    heads = _joined_heads(source), _parted_heads(target)
    return (
        _with(source, [*_like(ours, theirs), *_like(heads[0], heads[1])]),
        _with(target, [*_like(theirs, ours), *_like(heads[1], heads[0])]),
    )


def _like(mine: Sequence[_Group], others: Sequence[_Group]) -> Iterator[_Group]:
    """Yield the groups of which the other side has the counterpart."""
    wanted = {form._replace(native=not form.native) for _, _, form in others}
    return (group for group in mine if group.form in wanted)


def _with(side: Side, groups: Iterable[_Group]) -> list[Item]:
    """Return the items, those of each group as one."""
    gone: set[int] = set()
    made: list[Item] = []
    for scope, members, form in groups:
        if gone.isdisjoint(members.values()):
            gone |= set(members.values())
            first = side.weights[next(iter(members.values()))]
            keys = tuple(side.weights[at].key for at in members.values())
            names = tuple(dict.fromkeys((*first.names, f"{scope}kernel")))
            made.append(Item(scope, form, names, keys))
    return [*(i for at, i in enumerate(side.weights) if at not in gone), *made]


def _groups(side: Side, form_of: Callable[[str, _Shapes], Form | None]) -> list[_Group]:
    """Return the groups that have a form, each by one of its readings."""
    found: dict[frozenset[int], _Group] = {}
    for scope, members in _scopes(side):
        shapes = {name: side.weights[at].form.shape for name, at in members.items()}
        form = form_of(scope, shapes)
        if form is not None:
            found.setdefault(frozenset(members.values()), _Group(scope, members, form))
    return [*found.values()]


def _scopes(side: Side) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the sets of names that a cell may have, of those that mean one key only.

    Names of older versions of TensorFlow count as those of today; a scope stays as it
    is in the checkpoint.
    """
    known: dict[tuple[str, str], int] = {}  # by scope and name in it, as of today
    for at, item in enumerate(side.weights):
        for name in reversed(item.names):  # what its program called it comes first
            if name == item.key or side.aliases.get(name) == item.key:
                parts, today = name.split("/"), name_of_today(name).split("/")
                for size in range(1, min(4, len(today) + 1)):
                    depth = len(today) - size
                    scope = "".join(f"{part}/" for part in parts[:depth])
                    known[scope, "/".join(today[depth:])] = at
    scopes = dict.fromkeys(scope for scope, _ in known)
    for names in (*_TF1_NAMES, _KERAS_NAMES):
        for scope in scopes:
            members = {n: known[scope, n] for n in names if (scope, n) in known}
            if len(members) == len(names):
                yield scope, members


def _keras_cell(scope: str, shapes: _Shapes) -> Form | None:
    del scope
    if set(shapes) != set(_KERAS_NAMES):
        return None
    kernel, recurrent = shapes["kernel"], shapes["recurrent_kernel"]
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1]:
        return None
    inputs, units = kernel[0], recurrent[0]
    gates, rest = divmod(kernel[1], max(1, units))
    kind = {4: "lstm", 3: "gru", 1: "simple_rnn"}.get(gates)
    if kind is None or rest:
        return None
    doubled = len(shapes["bias"]) == 2
    return Form(kind + "_twice" * doubled, (inputs, units), native=True)


def _tf1_cell(scope: str, shapes: _Shapes) -> Form | None:
    if len(shapes) > 3:
        return _tf1_gru(shapes)
    words = {word for name in scope.split("/") for word in words_of(name)}
    if len(shapes) != 2 or not words & _RNN_WORDS:
        return None
    kernel, bias = shapes["kernel"], shapes["bias"]
    if len(kernel) != 2 or bias != kernel[1:]:
        return None
    gates = 4 if "lstm" in words else 1
    units, rest = divmod(bias[0], gates)
    if rest or kernel[0] <= units:
        return None
    kind = "lstm" if gates == 4 else "simple_rnn"
    return Form(kind, (kernel[0] - units, units), native=False)


def _tf1_gru(shapes: _Shapes) -> Form | None:
    kernel, bias = shapes["gates/kernel"], shapes["gates/bias"]
    if len(kernel) != 2 or bias != kernel[1:] or bias[0] % 2:
        return None
    units = bias[0] // 2
    kind = "gru" if "candidate/kernel" in shapes else "gru_twice"
    return Form(kind, (kernel[0] - units, units), native=False)


def _joined_heads(side: Side) -> list[_Group]:
    """Return kernels whose columns are query, key and value, with their biases."""
    if _parted_heads(side):
        return []  # what has them apart does not keep them joined as well
    known = {item.key: at for at, item in enumerate(side.weights)}
    found: list[_Group] = []
    for key, at in known.items():
        shape = side.weights[at].form.shape
        if len(shape) < 2 or math.prod(shape[:-2]) != 1 or shape[-1] % 3:
            continue
        scope, slash, _ = key.rpartition("/")
        beside = [
            name for name in known if name.startswith(scope + slash)
            and side.weights[known[name]].form.shape == shape[-1:]
            and "/" not in name[len(scope + slash) :]
        ] if slash else []  # fmt: skip
        members = {"kernel": at} | ({"bias": known[beside[0]]} if beside else {})
        form = Form("heads", (shape[-2], shape[-1] // 3, len(members)), native=False)
        found.append(_Group(scope + slash, members, form))
    return found


def _parted_heads(side: Side) -> list[_Group]:
    """Return layers that have query, key and value apart."""
    scopes: dict[str, dict[str, int]] = defaultdict(dict)
    for at, item in enumerate(side.weights):
        name = item.names[-1]
        *scope, part, leaf = name.rsplit("/", 2) if name.count("/") > 1 else ("", "")
        part = part.strip("_").removesuffix("_dense")
        if part in HEADS and leaf in ("kernel", "bias"):
            scopes["".join(scope) + "/"][f"{part}/{leaf}"] = at
    found: list[_Group] = []
    for scope, parts in scopes.items():
        # All kernels, then all biases: each third belongs to one joined tensor.
        names = [f"{part}/{leaf}" for leaf in ("kernel", "bias") for part in HEADS]
        members = {name: parts[name] for name in names if name in parts}
        kernels = [side.weights[members[name]].form.shape for name in names[:3]
                   if name in members]  # fmt: skip
        if (
            len(kernels) == len(HEADS)
            and len(set(kernels)) == 1
            and not len(members) % 3
        ):
            rows, columns = kernels[0][0], math.prod(kernels[0][1:])
            form = Form("heads", (rows, columns, len(members) // 3), native=True)
            found.append(_Group(scope, members, form))
    return found
