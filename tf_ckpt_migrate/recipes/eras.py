"""Names that changed between versions of TensorFlow.

=================================  ========================  =========================
until                              then                      source
=================================  ========================  =========================
TF 1.1, and slim, contrib.layers:  ``kernel``, ``bias``,     ``RNN_NAME_REPLACEMENTS``
``weights``, ``biases``,           ``recurrent_kernel``,     in contrib/rnn/python/
``recurrent_weights``,             ``depthwise_kernel``,     tools/checkpoint_convert.py
``depthwise_weights``,             ``pointwise_kernel``      (1.15); the variables of
``pointwise_weights``                                        tf.layers and Keras
TF 0.12: ``BasicLSTMCell/Linear/   ``basic_lstm_cell/``      im2txt's ckpt_rename.py in
Matrix`` and ``Linear/Bias``       ``kernel``, ``bias``      tensorflow/models
=================================  ========================  =========================

Only names changed, not values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.rules import Rename, Rule
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.names.slots import slot_of
from tf_ckpt_migrate.recipes.scopes import start_of

__all__ = ["layer_names", "name_of_today", "scope_of_today"]

_TODAY = {
    "weights": "kernel",
    "biases": "bias",
    "recurrent_weights": "recurrent_kernel",
    "depthwise_weights": "depthwise_kernel",
    "pointwise_weights": "pointwise_kernel",
}
_OF_CELLS = {"Matrix": "kernel", "Bias": "bias"}
_OF_LSTM = {"W_0": "kernel", "B": "bias"}
_NUMBERED = re.compile(r"Cell(\d+)")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@recipe("layer_names")
def layer_names(
    source: str,
    target: str,
    specs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec] | None,
) -> list[Rule]:
    """Return rules from names of older versions to those of today, slots included.

    What is called as today already is left to the rules that follow, or to its name.

    Raises:
      PlanError: If the scope has no older name, or two names become one.
      RuleError: If a scope does not end in ``/``.

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
    start, to = (start_of(scope) for scope in (source, target))
    rules: list[Rule] = []
    for key in specs:
        if not key.startswith(start):
            continue
        slot = slot_of(key, specs)
        variable = key if slot is None or slot.variable is None else slot.variable
        today = name_of_today(variable)
        if today == variable:
            continue
        before, _, after = key.rpartition(variable)
        name = before + today + after
        if name in specs:
            raise PlanError(f"{key!r} would be called {name!r}, which is there already")
        rules.append(Rename(key, to + name[len(start) :]))
    if not rules:
        raise PlanError(
            f"below {source!r} is no name of an older version, such as 'weights'; "
            "rename the scope by RenameScope alone"
        )
    return rules


def name_of_today(name: str) -> str:
    """Return what a variable of a layer or cell is called today.

    Example:
      >>> name_of_today("conv1/weights")
      'conv1/kernel'
      >>> name_of_today("RNN/MultiRNNCell/Cell0/BasicLSTMCell/Linear/Matrix")
      'RNN/multi_rnn_cell/cell_0/basic_lstm_cell/kernel'
    """
    *scopes, last = name.split("/")
    if last in _OF_CELLS and scopes and scopes[-1] == "Linear":
        return "/".join([*map(scope_of_today, scopes[:-1]), _OF_CELLS[last]])
    if last in _OF_LSTM and scopes and scopes[-1] == "LSTMCell":
        return "/".join([*map(scope_of_today, scopes), _OF_LSTM[last]])
    return "/".join([*scopes, _TODAY.get(last, last)])


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
