"""The calls that would settle what a plan leaves unaccounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.names.plan_text import rename_pattern
from tf_ckpt_migrate.names.rules import Rename, RenameScope
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import role_of, slot_of

__all__ = [
    "about_averages",
    "is_positional",
    "leaving",
    "may_be_one",
    "proposing",
    "rename_rules",
]

# What every optimizer of Keras has, by any of its names.
_ITERATIONS = re.compile(r"(?:^|/)_?iter(?:ations?)?(?:/|$)")
_COUNTED = 10_000  # keys whose role is looked up: advice may not cost seconds


def is_positional(key: str) -> bool:
    """Return whether a key ends in the number of a list: it tells no variable.

    Example:
      >>> is_positional("optimizer/_variables/1/.ATTRIBUTES/VARIABLE_VALUE")
      True
      >>> is_positional("layers/0/kernel")
      False
    """
    parsed = parse_object_key(key)
    path = parsed.path if parsed else key.split("/")
    return len(path) > 1 and path[-1].isdecimal() and path[-2].startswith("_")


def may_be_one(key: str, name: str) -> bool:
    """Return whether two keys may name one variable: no slot is a weight.

    Example:
      >>> may_be_one("a/w", "b/w"), may_be_one("opt/_variables/1", "b/w")
      (True, False)
    """
    ends = parse_object_key(key), parse_object_key(name)
    are_slots = [bool(end.slot) for end in ends if end is not None]
    is_known = not is_positional(key) and not is_positional(name)
    return is_known and (len(are_slots) < 2 or are_slots[0] == are_slots[1])


def rename_rules(pairs: Mapping[str, str]) -> list[Rename | RenameScope]:
    """Return rules that rename ``pairs``: one scope where that says it all."""
    patterns = {rename_pattern(old, new) for old, new in pairs.items()}
    if len(patterns) == 1 and len(pairs) > 1:
        old, new = patterns.pop()
        if all(re.fullmatch(r"(?:[^*#]+/)?\*", side) for side in (old, new)):
            return [RenameScope(old.rstrip("*"), new.rstrip("*"))]
    return [Rename(old, new) for old, new in pairs.items()]


def leaving(keys: Sequence[str], source: Mapping[str, TensorSpec]) -> list[str]:
    """Return the calls that leave ``keys`` behind, by what they are to training."""
    if not keys:
        return []
    counted = keys[:_COUNTED]
    roles = Counter(role_of(key, source) for key in counted)
    weights = roles.pop("weight", 0)
    least = "at least " if len(keys) > _COUNTED else ""
    lines = [
        f"Drop(role={role!r}),  # leaves {least}{count:,} of them behind"
        for role, count in roles.items()
    ]
    if weights:
        example = next(key for key in counted if role_of(key, source) == "weight")
        lines.append(f"Drop({example!r}),  # and so on, for what is to be left behind")
    return lines


def proposing(
    left: Sequence[str], source: Mapping[str, TensorSpec], missing: Mapping[str, object]
) -> list[str]:
    """Return what finds rules where keys and targets are both left over.

    Args:
      left: Keys that have no place.
      source: All keys.
      missing: The targets that have no source.
    """
    call = "suggest_assignment_map(source, target)"
    lines = ["", f"or have rules proposed, with how sure they are, by {call}"]
    slots = (slot_of(key, source) for key in left[:_COUNTED])
    slot = next((each for each in slots if each and each.name != "average"), None)
    found = (_ITERATIONS.search(name) for name in islice(missing, _COUNTED))
    steps = next(filter(None, found), None)
    if slot is not None and steps is not None:
        is_key = parse_object_key(steps.string) is not None
        path = steps.string[: steps.start()] if is_key else "optimizer"
        rule = f'Recipe("optimizer", "{slot.optimizer}", "{path}")'
        where = "" if is_key else ", if it is at that path"
        lines += [f"or let the optimizer go on by {rule}{where}"]
    return lines


def about_averages(keys: Sequence[str], source: Mapping[str, TensorSpec]) -> list[str]:
    """Return what chooses between variables and their averages, if these are left."""
    if all(role_of(key, source) != "average" for key in keys[:_COUNTED]):
        return []
    text = (
        'or pass averages="average" for variables to have their moving averages, as '
        'TF1 programs evaluate, or averages="raw" for their own values'
    )
    return ["", text]
