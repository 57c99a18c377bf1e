"""Looks up, at run time, the floor above that knows the objects of TensorFlow.

Conversions know only `CheckpointView`. Nothing here depends on the live floor: it is
found by its name, as a plug-in is, when a caller passes an object of the program.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeGuard

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["is_view", "plan_for_objects", "seen_as_checkpoint"]


def is_view(target: object) -> TypeGuard[CheckpointView]:
    """Return whether this is a checkpoint, or is seen as one."""
    return all(hasattr(target, name) for name in ("specs", "object_graph", "bundle"))


def plan_for_objects(
    reader: CheckpointReader, target: object, assignment_map: Any, **options: Any
) -> MigrationPlan:
    """Return the plan that ``restore`` would carry out; nothing is assigned.

    Raises:
      TargetError: If they have no variables, or not yet.
      PlanError: If anything is not accounted for.
      TensorFlowNotFoundError: If TensorFlow is not installed.
    """
    live = import_module("tf_ckpt_migrate.live.restore")
    return live.plan_for_objects(reader, target, assignment_map, **options).plan


def seen_as_checkpoint(target: object) -> CheckpointView:
    """Return objects of this program as the checkpoint that they would write.

    Raises:
      TargetError: If they have no variables, or not yet.
      TensorFlowNotFoundError: If TensorFlow is not installed.
    """
    return import_module("tf_ckpt_migrate.live.target").built_target(target)
