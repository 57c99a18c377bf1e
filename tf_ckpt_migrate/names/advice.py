"""The calls that would settle what a plan leaves unaccounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.names.plan_text import rename_pattern
from tf_ckpt_migrate.names.rules import Rename, RenameScope
from tf_ckpt_migrate.names.slots import role_of

__all__ = ["about_averages", "leaving", "proposing", "rename_rules"]

# What every optimizer of Keras has, by any of its names.
_ITERATIONS = re.compile(r"(?:^|/)_?iter(?:ations?)?(?:/|$)")
_COUNTED = 10_000  # keys whose role is looked up: advice may not cost seconds


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
    left: Sequence[str], source: Mapping[str, TensorSpec], unmet: Mapping[str, object]
) -> list[str]:
    """Return what finds rules where keys and targets are both left over.

    Args:
      left: Keys that have no place.
      source: All keys.
      unmet: The targets that have no source.
    """
    call = "suggest_assignment_map(source, target)"
    lines = ["", f"or have rules proposed, with how sure they are, by {call}"]
    slot = next((k for k in left[:_COUNTED] if role_of(k, source) == "slot"), "")
    wanted = islice(unmet, _COUNTED)
    if slot and any(_ITERATIONS.search(name) for name in wanted):
        name = re.sub(r"_\d+$", "", slot.rpartition("/")[2])
        rule = f'Recipe("optimizer", "{name}", "optimizer")'
        lines += [f"or let the optimizer go on by {rule}, if it is at that path"]
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
