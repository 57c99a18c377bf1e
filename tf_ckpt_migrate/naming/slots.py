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

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.naming.keys import (
    ATTRIBUTES,
    OBJECT_GRAPH_KEY,
    VARIABLE_VALUE,
    ObjectKey,
    parse_object_key,
)
from tf_ckpt_migrate.naming.optimizer_names import (
    AVERAGE,
    BOOKKEEPING,
    GGT,
    GLOBAL_STEP,
    GLUED_SLOTS,
    HYPERPARAMETERS,
    ITERATOR,
    KERAS_3_SLOT,
    KERAS_OPTIMIZERS,
    KERAS_SLOTS,
    KERAS_STEP,
    LOSS_SCALE,
    METRIC_SUMS,
    NADAM_PRODUCT,
    NAMED_SLOTS,
    NUMBERED,
    OF_OPTIMIZER,
    OPTIMIZER_NAME,
    PART,
    RMSPROP_CENTERED,
    SEED,
    STEP_COUNT,
    STEPS,
    TF1_SLOTS,
    TF_KERAS_SLOTS,
    UNNAMED,
    ZERO_DEBIAS,
)

__all__ = [
    "ROLES",
    "Slot",
    "is_bookkeeping",
    "is_of_compiled_metric",
    "is_step_of_optimizer",
    "role_of",
    "slot_of",
]

_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_VALUE_END = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"
_BOOKKEEPING_NAMES = frozenset({"save_counter"}).union(*METRIC_SUMS)
_INTEGERS = frozenset(
    [
        *(DType.int8, DType.int16, DType.int32, DType.int64),
        *(DType.uint8, DType.uint16, DType.uint32, DType.uint64),
    ]
)

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
      keys: All keys of the checkpoint, each looked up at once: best a mapping to their
        specs, for a count of steps is an integer scalar, whatever else has its name.

    Returns:
      ``"slot"``, ``"average"`` (of a variable over time), ``"step"`` (a count of
      training steps), ``"optimizer"`` (hyperparameters, beta powers, loss scales, what
      takes the bias off a moving mean), or ``"bookkeeping"`` (the object graph, lookup
      tables, iterators, counters of saves, sums of Keras metrics, the state of Keras
      3's random generators); else ``"weight"``.

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


def is_bookkeeping(key: str, keys: Container[str]) -> bool:
    """Return whether the role of ``key`` is bookkeeping; quick, for many keys.

    Example:
      >>> keys = {"w", "table-keys", "table-values"}
      >>> [is_bookkeeping(key, keys) for key in sorted(keys)]
      [True, True, False]
    """
    path = key.removesuffix(_VALUE_END)
    if len(path) < len(key):
        last = path.rpartition("/")[2]
        may_be = last in _BOOKKEEPING_NAMES or "keras_api/metrics/" in path
    else:
        may_be = key.endswith(("-keys", "-values")) or f"/{ATTRIBUTES}/" in key
        may_be = may_be or key == OBJECT_GRAPH_KEY or "Iterator" in key
    if not may_be and "seed_generator" not in key:
        return False
    return role_of(key, keys) == "bookkeeping"


def is_of_compiled_metric(key: str) -> bool:
    """Return whether ``key`` is a sum of a metric that a Keras model was compiled with.

    Example:
      >>> is_of_compiled_metric("keras_api/metrics/0/total/.ATTRIBUTES/VARIABLE_VALUE")
      True
    """
    parsed = parse_object_key(key) if "keras_api/metrics/" in key else None
    return parsed is not None and ("keras_api", "metrics") in pairwise(parsed.path)


def is_step_of_optimizer(key: str, keys: Container[str]) -> bool:
    """Return whether ``key`` is a count of steps that an optimizer keeps of itself.

    Example:
      >>> keys = {"Adam/iter", "Adam/learning_rate", "global_step"}
      >>> [is_step_of_optimizer(key, keys) for key in sorted(keys)]
      [True, False, False]
    """
    parsed = parse_object_key(key)
    name = (parsed.path[-1] if parsed and parsed.path else key).rpartition("/")[2]
    return name in (*STEPS, KERAS_STEP) and role_of(key, keys) == "step"


def _is_count(key: str, keys: Container[str]) -> bool | None:
    """Return whether ``key`` is an integer scalar; None where its spec is not known."""
    spec = _spec_of(key, keys)
    return None if spec is None else not spec.shape and spec.dtype in _INTEGERS


def _spec_of(key: str, keys: Container[str]) -> TensorSpec | None:
    if isinstance(keys, _Siblings):
        return keys.spec_of(key)
    if not isinstance(keys, Mapping):
        return None
    found: object = cast("Mapping[str, object]", keys).get(key)
    return found if isinstance(found, TensorSpec) else None


def _name_role(key: str, keys: Container[str]) -> str:
    scope, slash, name = key.rpartition("/")
    if STEP_COUNT.fullmatch(name):
        is_count = _is_count(key, keys)
        if is_count or (is_count is None and GLOBAL_STEP.fullmatch(key)):
            is_loss_scale = _has_all(LOSS_SCALE, scope + slash, keys)
            return "optimizer" if name in LOSS_SCALE and is_loss_scale else "step"
    if SEED.fullmatch(key) or _is_of_table(key, keys):
        return "bookkeeping"
    if OF_OPTIMIZER.fullmatch(key) or NADAM_PRODUCT.fullmatch(key):
        return "optimizer"
    slot = _name_slot(key, keys)
    if slot:
        return _slot_role(slot.name)
    if _is_optimizer_step(scope + slash, name, keys):
        return "step"
    if _is_of_optimizer(scope + slash, name, keys):
        return "optimizer"
    is_ours = name in ZERO_DEBIAS and _has_all(ZERO_DEBIAS, scope + slash, keys)
    if is_ours and _owner(scope, keys) is not None:
        return "optimizer"
    return "weight"


def _is_of_optimizer(start: str, name: str, keys: Container[str]) -> bool:
    """Return whether an optimizer keeps ``name`` for all variables together."""
    if name in GGT:
        return _has_all(GGT, start, keys)
    if name in LOSS_SCALE and _has_all(LOSS_SCALE, start, keys):
        return True
    is_own = name in HYPERPARAMETERS or name.startswith("_") or UNNAMED.fullmatch(name)
    if not is_own or not _is_keras_optimizer(start, keys):
        return False
    spec = _spec_of(start + name, keys)
    return spec is None or not spec.shape


def _has_all(names: Iterable[str], start: str, keys: Container[str]) -> bool:
    return all(f"{start}{name}" in keys for name in names)


def _is_of_table(key: str, keys: Container[str]) -> bool:
    """Return whether ``key`` is half of a lookup table, called as TF1 does."""
    for end, other in (("-keys", "-values"), ("-values", "-keys")):
        if key.endswith(end):
            twin = key.removesuffix(end) + other
            spec = _spec_of(key if end == "-keys" else twin, keys)
            fits = spec is None or spec.dtype in (*_INTEGERS, DType.string)
            return twin in keys and fits
    return False


def _slot_role(name: str) -> str:
    return "average" if name == "average" else "slot"


def _object_role(key: ObjectKey, keys: Container[str]) -> str:
    if key.attribute in BOOKKEEPING or key.path == ("save_counter",):
        return "bookkeeping"
    if key.attribute != VARIABLE_VALUE:
        return "bookkeeping" if _is_of_table(str(key), keys) else "weight"
    if _is_of_metric(key, keys) or SEED.fullmatch("/".join(key.path[-2:])):
        return "bookkeeping"
    slot = _object_slot(key, keys)
    if slot:
        return _slot_role(slot.name)
    if not key.path:
        return "weight"
    # A name may be a TF1 one: tf.train.Checkpoint(vars={name: variable}).
    return _name_role(key.path[-1], _Siblings(key, keys))


def _is_of_metric(key: ObjectKey, keys: Container[str]) -> bool:
    """Return whether a tensor is what a Keras metric sums up."""
    if ("keras_api", "metrics") in pairwise(key.path):
        return True
    if len(key.path) < 2 or key.slot:
        return False
    name, beside = key.path[-1], _Siblings(key, keys)
    others = [each for group in METRIC_SUMS if name in group for each in group - {name}]
    spec = beside.spec_of(name) if others else None
    return any(each in beside and beside.spec_of(each) == spec for each in others)


def _object_slot(key: ObjectKey, keys: Container[str]) -> Slot | None:
    if key.slot:
        variable = str(ObjectKey(key.path))
        return Slot(variable, "/".join(key.slot.optimizer), key.slot.name)
    if _is_positional(key.path, lambda name: str(ObjectKey(name)) in keys):
        return Slot(None, "/".join(key.path[:-2]), key.path[-1])
    if len(key.path) > 1 and "/" in key.path[-1]:
        siblings = _Siblings(key, keys)
        slot = _name_slot(key.path[-1], siblings)
        if slot and slot.variable is not None:
            return slot._replace(variable=siblings.key_of(slot.variable))
        return slot
    return None


def _is_positional(
    path: tuple[str, ...], is_there: Callable[[tuple[str, ...]], bool]
) -> bool:
    """Return whether a path leads to a slot by its number in an optimizer's list."""
    if len(path) < 2 or not path[-1].isdecimal() or not path[-2].startswith("_"):
        return False
    return path[-2] == "_variables" or (
        path[-2] != "_trainable_variables" and is_there((*path[:-2], "_iterations"))
    )


class _Siblings:
    """The names beside an object's own: ``vars/<name>`` seen as a set of names."""

    def __init__(self, key: ObjectKey, keys: Container[str]) -> None:
        self._key = key
        self._keys = keys
        self.are_below_root = len(key.path) > 1

    def key_of(self, name: str) -> str:
        return str(self._key._replace(path=(*self._key.path[:-1], name)))

    def spec_of(self, name: str) -> TensorSpec | None:
        return _spec_of(self.key_of(name), self._keys)

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
    return (
        _suffix_slot(variable, suffix, keys, own_names)
        or _legacy_slot(variable, suffix, keys)
        or _tf_keras_slot(key, keys)
        or _keras_3_slot(variable, suffix, keys)
    )


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


def _legacy_slot(path: str, name: str, keys: Container[str]) -> Slot | None:
    """Return whose slot of a legacy Keras optimizer a name says.

    That is ``Adam/net/w/m``, or by its object path ``net/w/optimizer/m``.
    """
    if name in KERAS_SLOTS:
        for variable in _without_scopes(path):
            scope = path.removesuffix(variable)
            if variable in keys and _is_keras_optimizer(scope, keys):
                return Slot(variable, scope.rstrip("/"), name)
    at = path.find("/")
    while at > 0:
        if path[:at] in keys and _is_keras_optimizer(f"{path[at + 1 :]}/", keys):
            return Slot(path[:at], path[at + 1 :], name)
        at = path.find("/", at + 1)
    return None


def _tf_keras_slot(key: str, keys: Container[str]) -> Slot | None:
    """Return whose slot of a later tf.keras optimizer, ``Adam/m/net/w``, it is."""
    names = key.split("/")
    for at, name in enumerate(names[:-1]):
        variable = "/".join(names[at + 1 :]) if name in TF_KERAS_SLOTS else ""
        if variable in keys and (
            _is_keras_optimizer("", keys) or (at and _is_default(names[at - 1]))
        ):
            return Slot(variable, "/".join(names[:at]), name)
    return None


def _keras_3_slot(scope: str, name: str, keys: Container[str]) -> Slot | None:
    """Return what slot of Keras 3, ``adam/net_w_momentum`` or a number, it is."""
    path = tuple(f"{scope}/{name}".rsplit("/", 2))
    if _is_positional(path, lambda path: "/".join(path) in keys):
        return Slot(None, path[0] if len(path) > 2 else "", name)
    found = KERAS_3_SLOT.fullmatch(name)
    if not found:
        return None
    above, _, last = scope.rpartition("/")
    starts = [f"{scope}/", *([f"{above}/"] if above else ())]  # above: a loss scale's
    if _is_default(last) or any(_is_keras_optimizer(each, keys) for each in starts):
        return Slot(None, scope, found[1])
    return None


def _is_default(name: str) -> bool:
    """Return whether a name is one that Keras gives its optimizers."""
    name = re.sub(r"(?:_\d+)+", "", name)
    return name.replace("_", "").lower() in KERAS_OPTIMIZERS


def _is_keras_optimizer(start: str, keys: Container[str]) -> bool:
    """Whether a Keras optimizer's names begin so; some count no steps there."""
    return any(
        _is_optimizer_step(start, name, keys) for name in (*STEPS, KERAS_STEP)
    ) or (f"{start}decay" in keys and f"{start}learning_rate" in keys)


def _is_optimizer_step(start: str, name: str, keys: Container[str]) -> bool:
    """Return whether there is a count of steps as optimizers of Keras call theirs."""
    if name not in (*STEPS, KERAS_STEP) or f"{start}{name}" not in keys:
        return False
    is_count = _is_count(f"{start}{name}", keys)
    if is_count is not None:
        return is_count
    if name in STEPS:
        return bool(start) or (isinstance(keys, _Siblings) and keys.are_below_root)
    return f"{start}learning_rate" in keys


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
