"""Rules for slots: they go where their variables go, and change as these do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.errors import PlanError, TransformError
from tf_ckpt_migrate.findings import Advice, Message
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.naming.keys import ATTRIBUTES, VARIABLE_VALUE
from tf_ckpt_migrate.recipes.slot_variables import Unfollowable, slot_transform
from tf_ckpt_migrate.transforms import Chain, JoinParts, StorePart, Transform

__all__ = ["Change", "SlotRules", "Slots", "slot_parts", "slot_rules"]

# By the key of a variable, by the slot of TF1: the key.
Slots: TypeAlias = Mapping[str, Mapping[str, str]]


class Change(NamedTuple):
    """What is done to slots besides what is done to their variables.

    Attributes:
      recipe: Whose slots they are, for messages.
      scale: What they are multiplied by; None leaves them.
      starts: What they hold before they are trained, where that is not 0.
      parts: By the first key of a slot that has a key for each part of its variable,
        all of them, each with its part.
    """

    recipe: str
    scale: Transform | None = None
    starts: Mapping[str, float] = MappingProxyType({})
    parts: Mapping[str, Mapping[str, StorePart]] = MappingProxyType({})


class SlotRules(NamedTuple):
    """Rules for slots.

    Attributes:
      rules: What moves.
      drops: What is left behind.
      moved: Of how many variables each slot moves.
      left: By slot, its keys that go nowhere though others go somewhere, each with the
        variable that gets none.
      unfilled: By slot, the keys of the other side that nothing fills though others
        are filled, likewise.
    """

    rules: list[Split | Combine]
    drops: list[Drop]
    moved: Mapping[str, int]
    left: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    unfilled: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def slot_rules(
    weights: Sequence[Move], sources: Slots, goals: Slots, change: Change
) -> SlotRules:
    """Return rules for the slots of variables that move, and what is left behind.

    Args:
      weights: Where the variables go, by keys.
      sources: The slots of the checkpoint.
      goals: Those to fill.
      change: What is done to them besides.

    Raises:
      PlanError: If slots cannot follow their variables.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> move = Move(("w",), "kernel", None, TensorSpec(DType.float32, ()))
      >>> found = {"w": {"m": "w/Adam"}}, {"kernel": {"m": "_variables/1"}}
      >>> slot_rules([move], *found, Change("Adam")).rules
      [Split('w/Adam', {'_variables/1': None})]
    """
    rules: list[Split | Combine] = []
    drops: list[Drop] = []
    count: Counter[str] = Counter()
    left: dict[str, dict[str, str]] = defaultdict(dict)
    known = {name for slots in goals.values() for name in slots}
    for moves in _by_sources(weights, sources).values():
        for name in sources.get(moves[0].sources[0], {}):
            made = _one(name, moves, sources, goals, change)
            if isinstance(made, list):
                drops += made
                count[name] += 0
                if name in known:
                    shown = _shown(moves[0].target)
                    left[name] |= {str(drop.source): shown for drop in made}
            else:
                rules.append(made)
                count[name] += len(made.targets)
    unfilled: dict[str, dict[str, str]] = defaultdict(dict)
    filled = {to for rule in rules for to, _ in rule.targets}
    for move in weights:
        for name, goal in goals.get(move.target, {}).items():
            if name in count and goal not in filled:
                unfilled[name][goal] = _shown(move.target)
    return SlotRules(rules, drops, count, left, unfilled)


def _shown(key: str) -> str:
    return key.removesuffix(f"/{ATTRIBUTES}/{VARIABLE_VALUE}")


def _by_sources(weights: Iterable[Move], slots: Slots) -> Mapping[object, list[Move]]:
    found: dict[object, list[Move]] = defaultdict(list)
    for move in weights:
        if any(source in slots for source in move.sources):
            found[move.sources].append(move)
    return found


def _one(
    name: str, moves: Sequence[Move], sources: Slots, goals: Slots, change: Change
) -> Split | Combine | list[Drop]:
    """Return the rule for one slot of what makes these moves, or what is dropped."""
    variables = moves[0].sources
    keys = [sources.get(variable, {}).get(name) for variable in variables]
    present = [key for key in keys if key]
    into: dict[str, Transform | None] = {}
    for move in moves:
        if name in goals.get(move.target, {}):
            goal, how = goals[move.target][name], _followed(move, name, change)
            parts = change.parts.get(goal, {})
            into |= {key: _chained(how, part) for key, part in parts.items()}
            into |= {} if parts else {goal: how}
    if not into:
        why = f"the optimizer has no such slot of {moves[0].target!r}"
        return [
            Drop(key, reason=why)
            for first in present
            for key in change.parts.get(first, (first,))
        ]
    if len(present) < len(keys):
        raise PlanError(
            f"of {', '.join(map(repr, variables))}, which become one variable, only "
            f"{len(present)} have the slot {name!r}"
        )
    if len(keys) == 1 and present[0] in change.parts:
        parts = change.parts[present[0]]
        joined = JoinParts(tuple(parts.values()))
        whole = {to: _chained(joined, how) for to, how in into.items()}
        return Combine([*parts], {to: how for to, how in whole.items() if how})
    if len(keys) == 1:
        return Split(present[0], into)
    if any(key in change.parts for key in present):
        raise PlanError(
            f"{', '.join(map(repr, variables))} become one variable, and the slots "
            f"{name!r} of {change.recipe!r} are stored in parts; make each one whole "
            "by a conversion of its own first"
        )
    return Combine(present, {to: how for to, how in into.items() if how})


def _followed(move: Move, name: str, change: Change) -> Transform | None:
    """Return what is done to a slot: what was done to the variable, and more."""
    try:
        how = slot_transform(move.transform, change.starts.get(name, 0.0))
    except Unfollowable as error:
        raise PlanError(
            Message(
                f"{move}: what follows for the slots of ",
                Advice(change.recipe),
                f" is not known, as {error}; leave the recipe out and begin the "
                "optimizer anew, with ",
                Advice(Drop(role="slot")),
                ", ",
                Advice(Drop(role="optimizer")),
            )
        ) from None
    return _chained(how, change.scale)


def _chained(first: Transform | None, second: Transform | None) -> Transform | None:
    """Return both transforms, one after the other."""
    if first is None or second is None:
        return first or second
    return Chain((first, second))


def slot_parts(
    reader: CheckpointReader, keys: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, StorePart]]:
    """Return where the parts lie that keys of slots store.

    Args:
      reader: The checkpoint that has them.
      keys: By the first key of a slot, all of them.

    Raises:
      PlanError: If they are not all of the slot.
    """
    found: dict[str, dict[str, StorePart]] = {}
    for first, each in keys.items():
        boxes = {key: reader.part_of(key) for key in each}
        found[first] = {
            key: StorePart(
                tuple(low for low, _ in box), tuple(high - low for low, high in box)
            )
            for key, box in boxes.items()
            if box is not None
        }
        try:
            JoinParts(tuple(found[first].values()))
        except TransformError:
            keys_text = ", ".join(map(repr, boxes))
            raise PlanError(
                f"{keys_text} are slots of one variable of {reader.prefix!r}, and not "
                "its parts; say in the recipe which optimizer is meant"
            ) from None
    return found
