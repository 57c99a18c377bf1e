"""Restores a checkpoint of any kind by names alone, as a TF1 program thinks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.conversion.scratch import ScratchCheckpoint, scratch_checkpoint
from tf_ckpt_migrate.conversion.tensor_names import named_tensors
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.report import RestoreReport
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["restore_by_names"]


def restore_by_names(
    ckpt_dir_or_file: CheckpointLike,
    target: object,
    assignment_map: AssignmentMapLike | None = None,
    **options: Any,
) -> RestoreReport:
    """Restore a checkpoint into variables, all of it or nothing, by their names.

    Tensors of an object-based one go by the names of variables that it holds, by the
    paths of their objects, or by its keys: all of them in one of these ways. Of a
    dual-keyed one only the names count, if they serve.

    Args:
      ckpt_dir_or_file: As of `restore`.
      target: Variables in a list, or in a dict by name.
      assignment_map: As of `restore`.
      **options: As of `restore`.

    Returns:
      As of `restore`.

    Raises:
      PlanError: If anything is not accounted for, that of the first way.
      CheckpointError: As of `restore`.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> w = tf.Variable([0, 0], dtype=tf.int64, name="new/w")
      >>> with example_checkpoint({"old/w": [1, 2]}) as prefix:
      ...     objects = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     report = restore_by_names(objects, [w], {"old/": "new/"})
      >>> w.numpy().tolist()
      [1, 2]
    """
    reader = opened(ckpt_dir_or_file)
    if reader.object_graph is None:
        return restore(reader, target, assignment_map, **options)
    refused: list[PlanError] = []
    for names in named_tensors(reader):
        with _seen_by(reader, names) as view:
            try:
                return restore(view.prefix, target, assignment_map, **options)
            except PlanError as error:
                refused.append(error)
    raise refused[0]


def _seen_by(reader: CheckpointReader, names: Mapping[str, str]) -> ScratchCheckpoint:
    """Return a checkpoint of tensors under these names, without bookkeeping."""
    tensors = layout_of(reader).tensors
    specs = {key: spec for key, spec in reader.specs.items() if key != OBJECT_GRAPH_KEY}
    named = {key: name for name, key in names.items() if key in tensors}
    moves = tuple(Move((key,), name, None, specs[key]) for key, name in named.items())
    other = tuple(Dropped(key, "no name") for key in specs if key not in named)
    plan = MigrationPlan(reader.prefix, "", specs, moves, other)
    return scratch_checkpoint(plan, reader, object_graph=False)
