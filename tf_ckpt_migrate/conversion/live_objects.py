"""Looks up, at run time, the floor above that knows the objects of TensorFlow.

Conversions know only `CheckpointView`. Nothing here depends on the live floor: it is
found by its name, as a plug-in is, when a caller gives an object of his program.
"""

from __future__ import annotations

from importlib import import_module

from tf_ckpt_migrate.conversion.layout import CheckpointView

__all__ = ["seen_as_checkpoint"]


def seen_as_checkpoint(target: object) -> CheckpointView:
    """Return objects of this program as the checkpoint that they would write.

    Raises:
      TargetError: If they have no variables, or not yet.
      TensorFlowNotFoundError: If TensorFlow is not installed.
    """
    return import_module("tf_ckpt_migrate.live.target").built_target(target)
