"""A checkpoint under other keys, for TensorFlow to read as long as a program needs it.

TensorFlow's own readers find tensors by key in files. So that they may find them under
the keys they look for, those get an index of their own, beside links to the data.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING

from tf_ckpt_migrate.conversion.convert import convert

if TYPE_CHECKING:
    from tf_ckpt_migrate.checkpoint.reader import CheckpointLike
    from tf_ckpt_migrate.conversion.layout import CheckpointView
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["ScratchCheckpoint", "scratch_checkpoint"]


class ScratchCheckpoint:
    """A checkpoint in a folder of its own, which is removed with this object.

    As a context manager it is removed when the context ends; else by ``close``, or when
    nothing refers to this object any more, at the latest when the program ends.

    Args:
      folder: The folder, which is this object's from now on.

    Attributes:
      prefix: Of the checkpoint.
    """

    def __init__(self, folder: str) -> None:
        """Take the folder over."""
        self.prefix: str = os.path.join(folder, "model.ckpt")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __enter__(self) -> ScratchCheckpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __fspath__(self) -> str:
        return self.prefix

    def close(self) -> None:
        """Remove the files; done twice, it does nothing."""
        self._remove()


def scratch_checkpoint(
    plan: MigrationPlan,
    source: CheckpointLike | None = None,
    *,
    target: CheckpointLike | CheckpointView | None = None,
    object_graph: bool | None = None,
) -> ScratchCheckpoint:
    """Write the checkpoint that a plan describes where it is out of the way.

    No byte of a tensor that keeps its value is copied: data files are symbolic links to
    the source's, on whatever file system these are; copies only where there are no such
    links. So it is good for as long as the source stays as it is. Values that are
    computed, and those of a V1 file, are written.

    Args:
      plan: What becomes of every tensor; its targets are the keys.
      source: The checkpoint to take from; None for the one that the plan names.
      target: What the plan was made to fit; None for the checkpoint that it names.
      object_graph: Whether it is object-based; None to see it by its keys.

    Returns:
      The checkpoint, whose files last as long as this object.

    Raises:
      PlanError: If the source is not the one that the plan was made for.
      CheckpointError: If a checkpoint cannot be read.
      OSError: If a write fails; nothing is then left behind.

    Example:
      >>> from tf_ckpt_migrate.checkpoint.reader import list_variables
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import plan_migration
      >>> with example_checkpoint({"bert/w": [1.0, 2.0]}) as prefix:
      ...     plan = plan_migration(prefix, None, {"bert/": "encoder/"})
      ...     with scratch_checkpoint(plan) as scratch:
      ...         list_variables(scratch.prefix)
      [('encoder/w', [2])]
    """
    scratch = ScratchCheckpoint(tempfile.mkdtemp(prefix="tf_ckpt_migrate-"))
    try:
        convert(
            plan,
            scratch.prefix,
            source=source,
            target=target,
            data="symlink",
            object_graph=object_graph,
        )
    except BaseException:
        scratch.close()
        raise
    return scratch
