"""Plans from checkpoint to checkpoint: all accounted for before a byte moves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import aliases_of, layout_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import KeptTarget
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Unmatched, Unmet, resolve
from tf_ckpt_migrate.names.rules import Drop, Keep, Rule

__all__ = ["CheckpointLike", "opened", "plan_migration"]

CheckpointLike: TypeAlias = str | os.PathLike[str] | CheckpointReader


def opened(checkpoint: CheckpointLike) -> CheckpointReader:
    """Return the reader of a checkpoint, which may be one already.

    Raises:
      CheckpointError: If there is none, or it cannot be read.
    """
    if isinstance(checkpoint, CheckpointReader):
        return checkpoint
    return load_checkpoint(checkpoint)


@without_collections
def plan_migration(
    source: CheckpointLike,
    target: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | None = None,
    *,
    unmatched: Unmatched = "error",
    unmet: Unmet = "error",
) -> MigrationPlan:
    """Decide what becomes of every tensor of a checkpoint.

    Bookkeeping (the counter of saves, serialized configurations) needs no rule: without
    a target it stays, with one the target's own is kept. The object graph is no tensor
    of the plan: executing the plan makes the one that fits.

    Args:
      source: The checkpoint to take from.
      target: A checkpoint whose keys the result is to have; None for any keys.
      assignment_map: Rules from source keys to target keys, or to other names of the
        target's variables. Without a target, None keeps every key.
      unmatched: What becomes of a source key without a place: ``"error"``, ``"keep"``
        it under its name, or ``"drop"`` it.
      unmet: What becomes of a target key without a source: ``"error"``, or ``"keep"``
        the target's value.

    Returns:
      The plan, for ``convert``.

    Raises:
      PlanError: If anything is not accounted for; its ``problems`` list every finding.
      CheckpointError: If a checkpoint cannot be read.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"bert/w": [1.0], "step": 7}) as source:
      ...     plan = plan_migration(source, None, {"bert/": "encoder/", "step": "step"})
      >>> plan.summary
      '2 keys: 1 renamed, 1 kept, 0 dropped, 0 unmatched, 0 collisions'
    """
    reader = opened(source)
    own = layout_of(reader)
    rules = list(AssignmentMap(assignment_map))
    specs = {**own.specs, **own.bookkeeping}
    if target is None:
        rules += [Keep(source=key) for key in own.bookkeeping]
        keep_all = assignment_map is None
        resolution = resolve(rules, specs, unmatched="keep" if keep_all else unmatched)
        return MigrationPlan(
            reader.prefix, "", specs, *resolution[:3], notes=resolution.notes
        )
    goal = opened(target)
    layout = layout_of(goal)
    rules += _dropped_bookkeeping(own.bookkeeping)
    resolution = resolve(
        rules,
        specs,
        layout.specs,
        unmatched=unmatched,
        unmet=unmet,
        aliases=aliases_of(goal, layout.specs),
    )
    kept = [
        KeptTarget(key, spec, "bookkeeping of the target")
        for key, spec in layout.bookkeeping.items()
    ]
    return MigrationPlan(
        reader.prefix,
        goal.prefix,
        specs,
        resolution.moves,
        resolution.dropped,
        (*resolution.kept_targets, *kept),
        notes=resolution.notes,
    )


def _dropped_bookkeeping(keys: Mapping[str, TensorSpec]) -> Iterable[Rule]:
    return [Drop(source=key, reason="bookkeeping of the source") for key in keys]
