"""Names that changed between versions of TensorFlow, in packs.

=======  ======================================  =====================================
pack     then, and today                         source
=======  ======================================  =====================================
weights  until TF 1.1, and in slim and           ``RNN_NAME_REPLACEMENTS`` in
         contrib.layers: ``weights``,            contrib/rnn/python/tools/
         ``biases``, ``depthwise_weights``, …;   checkpoint_convert.py (1.15), and the
         today ``kernel``, ``bias``, …           variables of tf.layers and Keras
linear   until TF 0.12: ``BasicLSTMCell/         the same, and im2txt's ckpt_rename.py
         Linear/Matrix``, ``LSTMCell/W_0``,      in tensorflow/models
         ``MultiRNNCell/Cell0``, ``RNN``,       default scopes in rnn.py (0.12)
         ``BiRNN/FW``; today
         ``basic_lstm_cell/kernel``,
         ``multi_rnn_cell/cell_0``, ``rnn``,
         ``bidirectional_rnn/fw``
slim     scopes that contrib.layers gives:       default scopes in contrib/layers/
         ``Conv_1``, ``fully_connected``,        python/layers/layers.py (1.15), and
         ``BatchNorm``; of tf.layers and Keras:  names of tf.layers and Keras
         ``conv2d_1``, ``dense``, …
=======  ======================================  =====================================

Only names changed, not values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["PACKS", "Pack", "name_of_today", "scope_of_today"]

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
