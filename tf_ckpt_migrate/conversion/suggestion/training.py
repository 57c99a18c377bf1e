"""What training keeps beside the weights: optimizers, averages, the count of steps.

Within one world it follows: slots go where their variables go. From names of TF1 to
objects of Keras an optimizer's state is translated, by a recipe of its own; here it is
only said which becomes which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.suggestion.items import Names, Side
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.compression import Renamed
from tf_ckpt_migrate.names.rules import Drop, Recipe, Rule
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.optimizer_names import TF1_SLOTS
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.recipes.averages import averages_in
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.slot_variables import Unfollowable, slot_transform

__all__ = ["Training", "carries_over", "following", "training_rules", "whole_scopes"]

_POWER = re.compile(r"(?:.*/)?beta2_power(?:_\d+)?", re.DOTALL)
_DEEPEST = 64  # scopes of a name that are looked at
_ROLES = ("slot", "average", "optimizer", "step")
_NO_PLACE = "the target has no place for it"
_ELSEWHERE = "those of the target are others"
_SAID = {
    "slot": ("slot", "slots"),
    "average": ("average", "averages"),
    "optimizer": ("number of an optimizer", "numbers of optimizers"),
    "step": ("count of steps", "counts of steps"),
}
_TO_VARIABLES = (
    'Recipe("averages", source, target, use="average") takes them for the variables'
)
_ADVICE = {
    ("slot", _NO_PLACE): "; a target with its optimizer takes them",
    ("average", _NO_PLACE): f"; {_TO_VARIABLES}",
}


_Slots: TypeAlias = Sequence[tuple[str, Slot]]


class Training(NamedTuple):
    """What is proposed for all that is no weight.

    Attributes:
      first: Rules to stand before those of the weights.
      last: Rules for what those leave.
      open_rules: Rules that might be meant, of which someone has to choose.
      notes: What is left behind, and what else could be done.
    """

    first: list[Rule]
    last: list[Rule]
    open_rules: list[Rule]
    notes: list[str]


def carries_over(ours: Side, theirs: Side) -> bool:
    """Return whether an optimizer's numbers mean the same on both sides.

    So they do for optimizers of TF1, saved by name or as objects, and for those of
    Keras, but not from one to the other.
    """
    return bool(_keras_optimizers(ours)) == bool(_keras_optimizers(theirs))


def following(
    renamed: Iterable[Renamed], ours: Side, theirs: Side, names: Names
) -> list[Renamed]:
    """Return where slots and averages go that have the like on the other side."""
    if not carries_over(ours, theirs):
        return []
    if not _same_kinds(_slots(ours), _slots(theirs)):
        return []
    places = {
        (slot.variable or "", slot.name, slot.instance): key
        for key, slot in _slots(theirs)
    }
    owners = {pair.source: pair for pair in renamed}
    keys = {name: key for key in theirs.specs for name in names(key)}
    found: list[Renamed] = []
    for key, slot in _slots(ours):
        owner = owners.get(slot.variable or "")
        if owner is not None:
            variable = keys[owner.targets[0]]
            place = places.get((variable, slot.name, slot.instance))
            found += _followed(key, owner, place, names)
    return found


def _followed(
    key: str, owner: Renamed, place: str | None, names: Names
) -> list[Renamed]:
    if place is None:
        return []
    try:
        return [Renamed(key, names(place), slot_transform(owner.transform))]
    except Unfollowable:
        return []


def _same_kinds(ours: _Slots, theirs: _Slots) -> bool:
    """Return whether two sides keep slots of the same optimizers, for all one sees.

    Ftrl and Adadelta both have an "accum", and AdaMax and Adam an "m" and a "v", which
    mean different things.
    """
    slots = [{slot.name for _, slot in side} - {"average"} for side in (ours, theirs)]
    known = [
        {slot.optimizer for _, slot in side} & TF1_SLOTS.keys()
        for side in (ours, theirs)
    ]
    same_names = slots[0] == slots[1] or not all(slots)
    return same_names and (known[0] == known[1] or not all(known))


def _slots(side: Side) -> _Slots:
    items = [item for role in ("slot", "average") for item in side.others.get(role, ())]
    slots = ((item.key, slot_of(item.key, side.specs)) for item in items)
    return [(key, slot) for key, slot in slots if slot is not None and slot.variable]


def training_rules(
    ours: Side, theirs: Side, taken: Iterable[str], unchanged: Collection[str] = ()
) -> Training:
    """Return rules for what training keeps and no rename takes.

    Args:
      ours: The source.
      theirs: The target.
      taken: The keys of the source that renames take.
      unchanged: Those that keep their names, of which no rule speaks.
    """
    gone = {*taken, *unchanged}
    left = {role: [i.key for i in ours.others.get(role, ()) if i.key not in gone]
            for role in _ROLES}  # fmt: skip
    found = Training([], [], [], [])
    into = _keras_optimizers(theirs)
    if not carries_over(ours, theirs) and left["slot"]:
        if into:
            _optimizers(found, ours, into)
        else:
            _optimizer_of_tf1(found, _keras_optimizers(ours), _tf1_optimizers(theirs))
    for role in _ROLES:
        if left[role]:
            followed = len(left[role]) < len(ours.others[role])
            has_others = theirs.others.get(role) and not followed
            why = _ELSEWHERE if has_others else _NO_PLACE
            if role == "average" and not followed and _has_averages(theirs):
                found.first.insert(0, Recipe("averages", "/", "/", use="both"))
                count = counted(len(left[role]), "average")
                found.notes.append(f"{count} go to those of the optimizer by a recipe")
                continue
            scopes = whole_scopes(left[role], ours.specs.keys() - set(left[role]))
            rules = [Drop(role=role, reason=why)]
            if any(item.key in unchanged for item in ours.others[role]):
                rules = [Drop(scope, reason=why) for scope in scopes]
            _leave(found, role, left[role], why, rules, followed=followed)
    return found


def _leave(  # noqa: PLR0913 what is said of one role, and the rules that say it
    found: Training,
    role: str,
    keys: Sequence[str],
    why: str,
    rules: Sequence[Rule],
    *,
    followed: bool,
) -> None:
    """Leave the keys of a role behind; where some are followed, after the renames."""
    has_recipe = any(isinstance(rule, Recipe) for rule in found.first)
    if role != "average" and (has_recipe or found.open_rules):
        return  # a recipe takes them
    (found.last if followed else found.first).extend(rules)
    several = len(keys) > 1
    because = why.replace("for it", "for them") if several else why
    found.notes.append(
        f"{len(keys):,} {_SAID[role][several]} left behind, as {because}: "
        f"{keys[0]!r}{', …' if several else ''}{_ADVICE.get((role, why), '')}"
    )


def _has_averages(side: Side) -> bool:
    """Return whether an optimizer keeps averages, which may be slots by their keys."""
    try:
        return bool(averages_in({**side.specs, **side.aliases}))
    except PlanError:  # of one variable there are several
        return True


def _keras_optimizers(side: Side) -> list[str]:
    """Return the paths of the optimizers of Keras among the objects."""
    paths: list[str] = []
    for item in side.others.get("step", ()):
        parsed = parse_object_key(item.key)
        if parsed is not None and parsed.path[-1] in ("_iterations", "iter"):
            paths.append("/".join(parsed.path[:-1]))
    return paths


def _optimizers(found: Training, ours: Side, into: Sequence[str]) -> None:
    names = _tf1_optimizers(ours)
    unknown = [name for name in names if name.rpartition("/")[2] not in KINDS]
    if unknown:
        found.notes.append(
            f"{', '.join(map(repr, unknown))}: no optimizer of TF1 is known by this "
            'name; say which it is: Recipe("optimizer", name, path, like="Adam")'
        )
        names = [name for name in names if name not in unknown]
    powers = sum(_POWER.fullmatch(key) is not None for key in ours.specs)
    if len(names) == len(into) == 1 and powers < 2:
        found.first.append(Recipe("optimizer", names[0], into[0]))
        return
    for path in into:
        for name in names:
            for which in range(powers) if powers > 1 else [None]:
                options = {} if which is None else {"instance": which}
                found.open_rules.append(Recipe("optimizer", name, path, **options))
    if found.open_rules:
        found.notes.append(
            f"{counted(max(powers, len(names)), 'optimizer')} in the source, "
            f"{len(into)} in the target: no file says which becomes which; instances "
            "count in the order in which the program made them"
        )


def _optimizer_of_tf1(
    found: Training, paths: Sequence[str], into: Sequence[str]
) -> None:
    """Go the way back, where one optimizer of Keras meets one of TF1."""
    if len(paths) == len(into) == 1 and into[0].rpartition("/")[2] in KINDS:
        found.first.append(Recipe("optimizer", paths[0], into[0]))


def _tf1_optimizers(side: Side) -> list[str]:
    """Return the names of optimizers as recipes take them, with their scopes."""
    found: dict[str, None] = {}
    for key, slot in _slots(side):
        if slot.name == "average":
            continue
        scope = key[: key.index(slot.variable or "")]
        # The scope of a compiled model is part of the name of its optimizer.
        is_whole = f"{slot.optimizer}/".startswith(scope)
        found[slot.optimizer if is_whole else f"{scope}{slot.optimizer}"] = None
    return [*found]


def whole_scopes(keys: Sequence[str], others: Iterable[str]) -> list[str]:
    """Return the largest scopes that hold ``keys`` and none of the others.

    Example:
      >>> whole_scopes(["net/aux/w", "net/aux/b", "b"], ["net/w"])
      ['net/aux/', 'b']
    """
    kept = {scope for key in others for scope in _scopes(key)}
    found = (
        next((scope for scope in _scopes(key) if scope not in kept), key)
        for key in keys
    )
    return list(dict.fromkeys(found))


def _scopes(key: str) -> list[str]:
    """Return the largest scopes around a key, the largest first.

    Each scope of a very deep name would cost all above it.
    """
    parts = key.split("/")[:-1][:_DEEPEST]
    return ["/".join(parts[: end + 1]) + "/" for end in range(len(parts))]
