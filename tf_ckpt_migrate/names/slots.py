"""What a key is to training: a weight, or an optimizer's memory of one.

TF1 writes a slot variable as ``<variable>/<OptimizerName>`` and numbers further ones
``_1``, ``_2`` in the order they were made; the scope open at that time comes *before*
the variable: ``train_op/net/w/Adam``. TF2 writes legacy Keras slots below
``.OPTIMIZER_SLOT`` and newer ones as ``<optimizer>/_variables/<number>``, of which only
the object graph knows the variable.

A key is taken for a slot only when its variable is among the keys too: a weight called
``Momentum`` stays a weight, since what is dropped as a slot must never be a weight.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from tf_ckpt_migrate.names.keys import (
    OBJECT_GRAPH_KEY,
    VARIABLE_VALUE,
    ObjectKey,
    object_key,
    parse_object_key,
)
from tf_ckpt_migrate.names.optimizer_names import (
    AVERAGE,
    BOOKKEEPING,
    GGT,
    GLOBAL_STEP,
    GLUED_SLOTS,
    HYPERPARAMETERS,
    ITERATOR,
    KERAS_SLOTS,
    NAMED_SLOTS,
    NUMBERED,
    OF_OPTIMIZER,
    OPTIMIZER_NAME,
    PART,
    RMSPROP_CENTERED,
    SEED,
    STEPS,
    TF1_SLOTS,
)

__all__ = ["ROLES", "Slot", "role_of", "slot_of"]

_NO_NAMES: Mapping[str, str] = MappingProxyType({})

ROLES = ("weight", "slot", "average", "step", "optimizer", "bookkeeping")


class Slot(NamedTuple):
    """Whose memory a slot variable is.

    Attributes:
      variable: The key of its variable; None where only the object graph knows.
      optimizer: The name or the object path of the optimizer.
      name: What it remembers, such as ``m``; the number where nobody knows.
      instance: Which optimizer of this name, counted from 0.
    """

    variable: str | None
    optimizer: str
    name: str
    instance: int = 0


def slot_of(
    key: str, keys: Container[str], own_names: Mapping[str, str] = _NO_NAMES
) -> Slot | None:
    """Return whose slot variable or average ``key`` is; None for neither.

    Args:
      key: The key in question.
      keys: All keys of the checkpoint: a set or dict, as each is looked up at once.
      own_names: Of optimizers that were given a name, the default name of their kind.

    Returns:
      The slot, or None for what is no slot of a variable among ``keys``.

    Example:
      >>> slot_of("train_op/net/w/Adam_1", {"net/w"})
      Slot(variable='net/w', optimizer='Adam', name='v', instance=0)
      >>> slot_of("net/w", {"net/w"}) is None
      True
    """
    parsed = parse_object_key(key)
    return _object_slot(parsed, keys) if parsed else _name_slot(key, keys, own_names)


def role_of(key: str, keys: Container[str]) -> str:
    """Return what ``key`` is to training, one of `ROLES`.

    Args:
      key: The key in question.
      keys: All keys of the checkpoint: a set or dict, as each is looked up at once.

    Returns:
      ``"slot"``, ``"average"`` (of a variable over time), ``"step"`` (a count of
      training steps), ``"optimizer"`` (hyperparameters, beta powers), or
      ``"bookkeeping"`` (the object graph, iterators, counters of saves, the state of
      Keras 3's random generators); else ``"weight"``.

    Example:
      >>> keys = {"w", "w/Adam", "w/Adam_1", "beta1_power", "global_step"}
      >>> [role_of(key, keys) for key in sorted(keys)]
      ['optimizer', 'step', 'weight', 'slot', 'slot']
    """
    if key == OBJECT_GRAPH_KEY or ITERATOR.fullmatch(key):
        return "bookkeeping"
    parsed = parse_object_key(key)
    if parsed:
        return _object_role(parsed, keys)
    return _name_role(key, keys)


def _name_role(key: str, keys: Container[str]) -> str:
    if GLOBAL_STEP.fullmatch(key):
        return "step"
    if SEED.fullmatch(key):
        return "bookkeeping"
    if OF_OPTIMIZER.fullmatch(key):
        return "optimizer"
    slot = _name_slot(key, keys)
    if slot:
        return _slot_role(slot.name)
    scope, slash, name = key.rpartition("/")
    if slash and _is_keras_optimizer(scope, keys):
        if name == "iter":
            return "step"
        if name in HYPERPARAMETERS:
            return "optimizer"
    is_ggt = name in GGT and all(f"{scope}{slash}{other}" in keys for other in GGT)
    return "optimizer" if is_ggt else "weight"


def _slot_role(name: str) -> str:
    return "average" if name == "average" else "slot"


def _object_role(key: ObjectKey, keys: Container[str]) -> str:
    if (
        key.attribute in BOOKKEEPING
        or key.path == ("save_counter",)
        or key.path[:2] == ("keras_api", "metrics")
    ):
        return "bookkeeping"
    if not key.slot and (len(key.path) < 2 or key.attribute != VARIABLE_VALUE):
        return "step" if key.path == ("global_step",) else "weight"
    slot = _object_slot(key, keys)
    if slot:
        return _slot_role(slot.name)
    return _attribute_role(key, keys)


def _attribute_role(key: ObjectKey, keys: Container[str]) -> str:
    if key.path[-1] in STEPS:
        return "step"
    # A weight beside a variable that someone called "iter" stays a weight.
    is_own = key.path[-1] in HYPERPARAMETERS or key.path[-1].startswith("_")
    if is_own and any(object_key(*key.path[:-1], step) in keys for step in STEPS):
        return "optimizer"
    # A TF1 name kept as one component: tf.train.Checkpoint(vars={name: variable}).
    return _name_role(key.path[-1], _Siblings(key, keys))


def _object_slot(key: ObjectKey, keys: Container[str]) -> Slot | None:
    if key.slot:
        variable = str(ObjectKey(key.path))
        return Slot(variable, "/".join(key.slot.optimizer), key.slot.name)
    if len(key.path) > 2 and key.path[-2] == "_variables" and key.path[-1].isdecimal():
        return Slot(None, "/".join(key.path[:-2]), key.path[-1])
    if len(key.path) > 1 and "/" in key.path[-1]:
        siblings = _Siblings(key, keys)
        slot = _name_slot(key.path[-1], siblings)
        if slot and slot.variable is not None:
            return slot._replace(variable=siblings.key_of(slot.variable))
    return None


class _Siblings:
    """The names beside an object's own: ``vars/<name>`` seen as a set of names."""

    def __init__(self, key: ObjectKey, keys: Container[str]) -> None:
        self._key = key
        self._keys = keys

    def key_of(self, name: str) -> str:
        return str(self._key._replace(path=(*self._key.path[:-1], name)))

    def __contains__(self, name: object) -> bool:
        return self.key_of(str(name)) in self._keys


def _name_slot(
    key: str, keys: Container[str], own_names: Mapping[str, str] = _NO_NAMES
) -> Slot | None:
    variable, slash, suffix = key.rpartition("/")
    for glue, name in GLUED_SLOTS.items():
        if suffix.endswith(glue) and key.removesuffix(glue) in keys:
            return Slot(key.removesuffix(glue), "Adafactor", name)
    if not slash:
        return None
    if suffix == AVERAGE:  # no weight is called so: an average even without its weight
        return Slot(_owner(variable, keys) or variable, AVERAGE, "average")
    if suffix in KERAS_SLOTS:
        return _keras_graph_slot(variable, suffix, keys)
    return _suffix_slot(variable, suffix, keys, own_names)


def _suffix_slot(
    variable: str, suffix: str, keys: Container[str], own_names: Mapping[str, str]
) -> Slot | None:
    optimizer, number = (suffix, 0) if suffix in own_names else _numbered(suffix)
    kind = own_names.get(optimizer, optimizer)
    if suffix not in NAMED_SLOTS and kind not in TF1_SLOTS:
        # An optimizer of the user's own name, CamelCase as TensorFlow's are; below a
        # variable "emb" there may be weights too, such as "emb/proj" and "emb/W".
        is_named = OPTIMIZER_NAME.match(optimizer) and variable in keys
        return Slot(variable, optimizer, str(number)) if is_named else None
    owner = _owner(variable, keys)
    if owner is None:
        return None
    if suffix in NAMED_SLOTS:
        return Slot(owner, "AdamWeightDecay", NAMED_SLOTS[suffix])
    names = _slot_names(kind, f"{variable}/{optimizer}", keys)
    instance, which = divmod(number, len(names))
    return Slot(owner, optimizer, names[which], instance)


def _keras_graph_slot(path: str, name: str, keys: Container[str]) -> Slot | None:
    for variable in _without_scopes(path):
        optimizer = path.removesuffix(variable).rstrip("/")
        if variable in keys and _is_keras_optimizer(optimizer, keys):
            return Slot(variable, optimizer, name)
    return None


def _is_keras_optimizer(scope: str, keys: Container[str]) -> bool:
    """Whether a tf.keras optimizer lives in ``scope``; some count no steps there."""
    return f"{scope}/iter" in keys or (
        f"{scope}/decay" in keys and f"{scope}/learning_rate" in keys
    )


def _numbered(suffix: str) -> tuple[str, int]:
    """Split ``Adam_1`` into ``Adam`` and 1; the first one has no number."""
    match = NUMBERED.fullmatch(suffix)
    return (match[1], int(match[2] or 0)) if match else (suffix, 0)


def _slot_names(kind: str, first: str, keys: Container[str]) -> tuple[str, ...]:
    """Return the slots of an optimizer; three of RMSProp tell that it is centered."""
    is_three = f"{first}_2" in keys and f"{first}_3" not in keys
    return RMSPROP_CENTERED if kind == "RMSProp" and is_three else TF1_SLOTS[kind]


def _owner(variable: str, keys: Container[str]) -> str | None:
    """Return the key of ``variable``, which may have a scope before it.

    Canned estimators put ``part_0`` or ``t_0`` between a variable and its slot.
    """
    for candidate in _without_scopes(variable):
        if candidate in keys:
            return candidate
    part = PART.fullmatch(variable)
    if part is None:
        return None
    stem, slash, end = variable.rpartition("/")
    while slash:
        for candidate in _without_scopes(stem):
            if candidate in keys and f"/{candidate}/part_{part[1]}".endswith(end):
                return candidate
        stem, slash, last = stem.rpartition("/")
        end = f"{last}/{end}"
    return None


def _without_scopes(name: str) -> Iterator[str]:
    """Yield ``name``, then ``name`` without its first scope, and so on."""
    while name:
        yield name
        name = name.partition("/")[2]
