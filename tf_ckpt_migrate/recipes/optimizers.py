"""Finds the optimizers of TF1 in a checkpoint, by role: nothing goes by position.

The names are those of `slot_of`: a name of the user's own (``generator_opt``), numbers
in the order of creation (``Adam_2``), scopes before the variable (``train_op/w/Adam``)
and ``part_0`` behind it all come with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, capped, nearest
from tf_ckpt_migrate.findings import Call, Message
from tf_ckpt_migrate.names.rules.recipe import recipe
from tf_ckpt_migrate.naming.optimizer_names import (
    NAMED_SLOTS,
    RMSPROP_CENTERED,
    TF1_SLOTS,
)
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.recipes.keras_kinds import KINDS_OF_KERAS
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, Kind

__all__ = [
    "SavedOptimizer",
    "keras_scope",
    "made_optimizer",
    "saved_optimizer",
    "without_counterpart",
]


_POWER = re.compile(
    r"(?:(?P<scope>.*)/)?(?P<of>beta[12])_power(?:_(?P<number>\d{1,18}))?"
)
_STEP = re.compile(r"(?:.*/)?global_step", re.DOTALL)
# What scales the loss, for mixed precision.
_SCALING = re.compile(r"(?:.*/)?(current_loss_scale|good_steps)", re.DOTALL)


class SavedOptimizer(NamedTuple):
    """An optimizer of TF1 as a checkpoint has it.

    Attributes:
      kind: What it is.
      name: What TF1 calls it, the scope before.
      slots: By variable, by slot: the key.
      powers: The keys of its powers, by what they are powers of.
      step: The key of its own count of steps, or None.
      global_step: The key of the count of all steps, or None.
      settings: The keys of its settings; only one of tf.keras has any.
      scalars: The keys of what it remembers besides, by name.
      scaling: The keys of what scales the loss, by name.
      parts: By the first key of a slot that has a key for each part of its variable,
        all of them.
    """

    kind: Kind
    name: str
    slots: Mapping[str, Mapping[str, str]]
    powers: Mapping[str, str]
    step: str | None = None
    global_step: str | None = None
    settings: Mapping[str, str] = MappingProxyType({})
    scalars: Mapping[str, str] = MappingProxyType({})
    scaling: Mapping[str, str] = MappingProxyType({})
    parts: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def keras_scope(name: str, specs: Mapping[str, TensorSpec]) -> str | None:
    """Return the scope of an optimizer of tf.keras in a graph of TF1, or None.

    A model that is compiled puts ``training/`` before the name; it may be left out.

    Raises:
      PlanError: If several are called so.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.int64, ())
      >>> keras_scope("Adam", {"training/Adam/iter": spec})
      'training/Adam'
    """
    scopes = {key.rpartition("/")[0] for key in specs}
    found = sorted(
        scope
        for scope in scopes
        if (scope == name or scope.endswith(f"/{name}"))
        and (
            f"{scope}/iter" in specs
            or {f"{scope}/decay", f"{scope}/learning_rate"} <= specs.keys()
        )
    )
    if len(found) > 1 and name not in found:
        raise PlanError(
            f"several optimizers of tf.keras are called {name!r}: "
            f"{', '.join(capped(map(repr, found)))}; say one of these in the recipe"
        )
    return name if name in found else next(iter(found), None)


def saved_optimizer(
    name: str,
    kind: str,
    specs: Mapping[str, TensorSpec],
    instance: int | None = None,
    kinds: Mapping[str, Kind] = KINDS,
) -> SavedOptimizer:
    """Return the optimizer of a name.

    Args:
      name: Its name in TF1, such as ``"Adam"``; a scope that it was made in may stand
        before: ``"train_op/Adam"``.
      kind: Which of the kinds it is, or of `KINDS_OF_KERAS` if it is of tf.keras.
      specs: The tensors of the checkpoint.
      instance: Which one of this name, counted from 0; None for the only one.
      kinds: Those that it may be.

    Raises:
      PlanError: If there is none, or several and ``instance`` does not say which.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, ())
      >>> names = ["w", "w/Adam", "w/Adam_1", "beta1_power", "beta2_power"]
      >>> found = saved_optimizer("Adam", "Adam", dict.fromkeys(names, spec))
      >>> found.slots["w"], found.powers["beta2"]
      ({'m': 'w/Adam', 'v': 'w/Adam_1'}, 'beta2_power')
    """
    scope = keras_scope(name, specs)
    if scope is not None:
        return _of_keras(scope, KINDS_OF_KERAS[kind], specs)
    scope, _, own = name.rpartition("/")
    default = kinds[kind].named or kind
    if own.removesuffix("Optimizer") == kind:  # not what it is called by default
        own = default
    found: dict[str, list[dict[str, str]]] = {}
    parts: dict[str, tuple[str, ...]] = {}
    for key in specs:
        slot = slot_of(key, specs, {own: default})
        if slot and slot.optimizer == own and _is_within(key, scope):
            first = _add(found, slot, key)
            if first != key:
                _check_parts(name, slot, first, key)
                parts[first] = (*parts.get(first, (first,)), key)
    if not found and kinds[kind].slots:
        raise _not_found(name, kind, specs)
    return SavedOptimizer(
        kinds[kind],
        name,
        {v: _chosen(v, each, name, instance) for v, each in found.items()},
        _powers(name, kinds[kind], specs, instance),
        global_step=_global_step(specs),
        scaling={m[1]: key for key in specs if (m := _SCALING.fullmatch(key))},
        parts=parts,
    )


def _of_keras(
    scope: str, kind: Kind, specs: Mapping[str, TensorSpec]
) -> SavedOptimizer:
    slots: dict[str, dict[str, str]] = {}
    for key in specs:
        slot = slot_of(key, specs)
        if slot and slot.optimizer == scope and slot.variable:
            slots.setdefault(slot.variable, {})[slot.name] = key
    names = ("learning_rate", "decay", *kind.settings)
    return SavedOptimizer(
        kind,
        scope,
        slots,
        {},
        step=f"{scope}/iter" if f"{scope}/iter" in specs else None,
        global_step=_global_step(specs),
        settings={n: f"{scope}/{n}" for n in names if f"{scope}/{n}" in specs},
        scalars={n: f"{scope}/{n}" for n in kind.scalars if f"{scope}/{n}" in specs},
    )


def _is_within(key: str, scope: str) -> bool:
    return not scope or key.startswith(f"{scope}/")


def _add(found: dict[str, list[dict[str, str]]], slot: Slot, key: str) -> str:
    """Note the key of a slot; return the first one of the same slot."""
    instances = found.setdefault(slot.variable or "", [])
    while len(instances) <= slot.instance:
        instances.append({})
    return instances[slot.instance].setdefault(slot.name, key)


def _check_parts(name: str, slot: Slot, first: str, key: str) -> None:
    """Check that two keys of one slot are those of two parts of its variable."""
    start = f"{slot.variable}/"
    if not (first.startswith(start) and key.startswith(start)):
        raise PlanError(
            f"{first!r} and {key!r} are slots of two optimizers called {name!r}; say "
            "the scope of the one that is meant before its name, as in "
            f'Recipe("optimizer", "scope/{name}", …)'
        )


def _chosen(
    variable: str, found: list[dict[str, str]], name: str, instance: int | None
) -> dict[str, str]:
    """Return the slots of one instance; a variable may have those of one only."""
    if len(found) == 1:
        return found[0]
    if instance is None:
        raise PlanError(
            f"{len(found)} optimizers called {name!r} have trained {variable!r}; say "
            "which one is meant, counted from 0 in the order they were made: "
            + _call(name)
        )
    return found[instance] if instance < len(found) else {}


def _powers(
    name: str, kind: Kind, specs: Mapping[str, TensorSpec], instance: int | None
) -> Mapping[str, str]:
    """Return the powers that one optimizer counts by, of those that there are."""
    scope = name.rpartition("/")[0]
    found: dict[tuple[str, int], dict[str, str]] = {}
    for key in specs:
        match = _POWER.fullmatch(key)
        if match and match["of"] in kind.powers and _is_within(key, scope):
            at = match["scope"] or "", int(match["number"] or 0)
            found.setdefault(at, {})[match["of"]] = key
    whole = [found[at] for at in sorted(found) if len(found[at]) == len(kind.powers)]
    if len(whole) > 1 and instance is None:
        keys = ", ".join(capped([repr(each[kind.powers[-1]]) for each in whole]))
        raise PlanError(
            f"several optimizers have counted their steps: {keys}. Say which one "
            f"{name!r} means, counted from 0 in this order: {_call(name)}"
        )
    which = (instance or 0) if len(whole) > 1 else 0
    if which < len(whole):
        return whole[which]
    others = [key for key in specs if _POWER.fullmatch(key)] if kind.powers else []
    if others:
        raise PlanError(
            f"none of the counts of steps, {', '.join(capped(map(repr, others)))}, is "
            f"that of {name!r}{_which(instance)}: the name is without a scope unless "
            "these have it too, and instances are counted from 0 in their order"
        )
    return {}


def _which(instance: int | None) -> str:
    return "" if instance is None else f", instance {instance}"


def _global_step(specs: Mapping[str, TensorSpec]) -> str | None:
    found = [key for key in specs if _STEP.fullmatch(key) and not specs[key].shape]
    return min(found, key=len) if found else None


def _call(name: str) -> str:
    return f'tcm.Recipe("optimizer", {name!r}, "optimizer", instance=0)'


def _not_found(name: str, kind: str, specs: Mapping[str, TensorSpec]) -> PlanError:
    slots = (slot_of(key, specs) for key in specs)
    names = sorted({slot.optimizer for slot in slots if slot} - {name})
    there = (
        f"it has slots of {', '.join(capped(names))}" if names else "it has no slots"
    )
    suffix = name.rpartition("/")[2]
    hint = nearest(f"w/{suffix}", specs, 1)
    near = f"; the nearest key is {hint[0]!r}" if hint else ""
    return PlanError(
        f"the checkpoint has no slots of an optimizer {name!r} ({kind}), as in "
        f"'<variable>/{suffix}'; {there}{near}"
    )


@recipe("optimizer")
def _without_other_side(
    source: str, target: str, specs: object, targets: object, **options: object
) -> list[object]:
    """Refuse: the caller moves tensors by name, and translates no optimizer."""
    del specs, targets, options
    raise PlanError(
        Message(
            f'Recipe("optimizer", {source!r}, {target!r}): this call moves or names '
            "tensors as they are and cannot translate the state of an optimizer. From "
            "TF1 call tcm.restore(path, target, rules) with live objects, or ",
            Call("convert_tf1_to_tf2", "…, like=…"),
            " or ",
            Call("plan_migration", "source, target, rules"),
            " with a checkpoint that the model and its optimizer saved. Back to TF1 "
            "call tcm.save_like(tf1_checkpoint, target, rules, output_prefix=…), which "
            "writes live objects by rules from TF1 to Keras, or ",
            Call("convert_tf2_to_tf1", "saved, …, names=rules"),
            " with what tf.train.Checkpoint saved. To compare both sides of a "
            "conversion call ",
            Call("diff_checkpoints", "source, converted, assignment_map=rules"),
            " or ",
            Call("verify_conversion", "converted, source, assignment_map=rules"),
        )
    )


_LAMB = (
    "Keras 3's Lamb corrects bias, decays weights outside of the trust ratio and gives "
    "every variable one"
)
_NO_COUNTERPART = {
    "AdagradDA": "Keras has no dual averaging",
    "ProximalAdagrad": "Keras has no proximal steps",
    "ProximalGradientDescent": "Keras has no proximal steps",
    "Nadam": "that of Keras has a schedule of momentum, which TF1's has not",
    "AddSignOptimizer": "Keras has none",
    "PowerSignOptimizer": "Keras has none",
    "LARSOptimizer": "Keras has none",
    "LAMB": _LAMB,
    "LAMBOptimizer": _LAMB,
    "NadamOptimizer": "that of Keras has a schedule of momentum, which TF1's has not",
    "Shampoo": "Keras has none",
    "GGT": "Keras has none",
}


def without_counterpart(name: str) -> str | None:
    """Return why no optimizer of Keras goes on with one of TF1; None if one does.

    Example:
      >>> without_counterpart("AdagradDA"), without_counterpart("Adam")
      ('Keras has no dual averaging', None)
    """
    return _NO_COUNTERPART.get(name)


def made_optimizer(
    name: str,
    kind: str,
    variables: Mapping[str, Collection[str]],
    instance: int = 0,
    kinds: Mapping[str, Kind] = KINDS,
) -> SavedOptimizer:
    """Return the optimizer with the names that TF1 gives its tensors.

    Args:
      name: As `saved_optimizer` takes it.
      kind: Which of the kinds it is.
      variables: For each variable that it trains, which slots are known.
      instance: Which one of this name it is, counted from 0.
      kinds: Those that it may be.

    Example:
      >>> made = made_optimizer("train_op/Adam", "Adam", {"w": ["m", "v"]}, 1)
      >>> made.slots["w"], made.powers["beta1"]
      ({'m': 'train_op/w/Adam_2', 'v': 'train_op/w/Adam_3'}, 'train_op/beta1_power_1')
    """
    scope, slash, own = name.rpartition("/")
    start, default = scope + slash, kinds[kind].named or kind
    slots = {
        variable: dict(_named(f"{start}{variable}/", own, default, known, instance))
        for variable, known in variables.items()
    }
    end = f"_{instance}" if instance else ""
    powers = {beta: f"{start}{beta}_power{end}" for beta in kinds[kind].powers}
    return SavedOptimizer(kinds[kind], name, slots, powers, global_step="global_step")


def _named(
    start: str, own: str, kind: str, known: Collection[str], instance: int
) -> Iterator[tuple[str, str]]:
    """Yield the slots of a variable: their roles and names."""
    if kind == "AdamWeightDecay":
        yield from ((slot, start + suffix) for suffix, slot in NAMED_SLOTS.items())
        return
    names = RMSPROP_CENTERED if "mg" in known else TF1_SLOTS.get(kind, ())
    for number, slot in enumerate(names, instance * len(names)):
        yield slot, f"{start}{own}_{number}" if number else start + own
