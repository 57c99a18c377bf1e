"""Rewrites a checkpoint with only the bytes that its keys refer to."""

from __future__ import annotations

import os

from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import convert
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened, plan_migration
from tf_ckpt_migrate.conversion.result import ConversionResult

__all__ = ["compact"]


@without_collections
def compact(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    *,
    shards: int = 1,
    overwrite: bool = False,
    update_state_file: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Copy a checkpoint without bytes that nothing refers to.

    Pruning, and renaming by reference, leave such bytes behind. Ranges are copied
    within the kernel, each once, however many keys refer to it.

    Args:
      checkpoint_path: The checkpoint to copy.
      output_prefix: Prefix of the checkpoint to write.
      shards: Number of data shards to spread the bytes over. Where a checkpoint of as
        many is replaced there is an empty one more: the two differ in every name.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      What was written.

    Raises:
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If the checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"a": [1.0], "b": [2.0]}) as prefix:
      ...     len(compact(prefix, prefix + "-two", shards=2).shards)
      2
    """
    reader = opened(checkpoint_path)
    return convert(
        plan_migration(reader),
        output_prefix,
        source=reader,
        overwrite=overwrite,
        update_state_file=update_state_file,
        shards=shards,
        progress=progress,
    )
