"""``tf.train.Checkpoint``, for checkpoints of every kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.scratch import ScratchCheckpoint, scratch_checkpoint
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointReplacedError,
)
from tf_ckpt_migrate.live.deferred import Deferred, NowAndLater, plan_now_and_later
from tf_ckpt_migrate.live.dual_checkpoint import DualCheckpoint, as_text
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.planning import goes_by_keys
from tf_ckpt_migrate.live.private import is_waiting, restore_when_declared
from tf_ckpt_migrate.live.progress import ByName, ByObject, InGraph
from tf_ckpt_migrate.live.restore import execute
from tf_ckpt_migrate.live.restore_errors import as_tensorflows
from tf_ckpt_migrate.live.status import LoadStatus
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY
from tf_ckpt_migrate.storage.access import exists, is_folder

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Checkpoint"]


class Checkpoint(DualCheckpoint):
    """TensorFlow's Checkpoint, for checkpoints of every kind, through a map too.

    It is a ``tf.train.Checkpoint`` in every respect, for ``CheckpointManager`` too.
    What is more:

    - `save` and `write` take ``keys="both"``, for checkpoints that TF1's ``Saver``
      restores too; `saving` decides that once, for all that calls them;
    - `restore` and `read` take name-based checkpoints (TF1, of format V2 or V1) and
      dual-keyed ones, and an assignment map with any;
    - values wait for variables that are made later, of unbuilt layers or appended to
      lists, whatever the kind of checkpoint;
    - ``assert_consumed()`` of the status fails while any key of the checkpoint has not
      been read, where the original passes with half the file unread.

    Args:
      root: As of the original.
      **kwargs: As of the original.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> module = tf.Module()
      >>> module.kernel = tf.Variable([0, 0], dtype=tf.int64)
      >>> with example_checkpoint({"net/w": [1, 2]}) as prefix:
      ...     status = Checkpoint(module).restore(
      ...         prefix, assignment_map={"net/w": "kernel"}
      ...     )
      ...     _ = status.assert_consumed()
      >>> module.kernel.numpy().tolist()
      [1, 2]
    """

    def restore(
        self,
        save_path: str | bytes | os.PathLike[Any] | None,
        options: Any = None,
        *,
        assignment_map: AssignmentMapLike | None = None,
    ) -> Any:
        """Restore a checkpoint: at once what there is, later what is made later.

        An object-based checkpoint is restored by TensorFlow, by its object graph. A
        name-based one meets variables by their names, and with a map either kind goes
        where this leads. What has a variable now is then restored completely or, if a
        dtype or shape differs, not at all; the rest waits for variables of its name,
        path or key.

        In a graph the status has the operations, as with the original; values then
        come only into variables that exist.

        Args:
          save_path: As of the original: a prefix, the folder of a SavedModel, or None;
            also a directory of checkpoints, of which the latest is restored.
          options: As of the original.
          assignment_map: Rules from names in the checkpoint to variables, as
            ``AssignmentMap`` takes them: to their names, to the paths of their objects,
            or to themselves.

        Returns:
          A status object with the methods of the original's.

        Raises:
          tf.errors.NotFoundError: If there is no checkpoint.
          PlanError: If a rule fits nothing, or a dtype or shape differs: a ValueError.
          RuleError: If the map is not well formed.
          CheckpointError: If what a map is given for cannot be read.
        """
        _check_options(options, "restore")
        if assignment_map is None:
            return super().restore(save_path, options)  # which calls `read`
        status = self.read(save_path, options, assignment_map=assignment_map)
        _ = self.save_counter  # as the original, for an initializer to find it
        return status

    @reopening
    def read(
        self,
        save_path: str | bytes | os.PathLike[Any] | None,
        options: Any = None,
        *,
        assignment_map: AssignmentMapLike | None = None,
    ) -> Any:
        """Restore what ``write`` has written, as `restore` does what ``save`` has.

        Args:
          save_path: As of `restore`.
          options: As of `restore`.
          assignment_map: As of `restore`.

        Returns:
          A status object with the methods of the original's.

        Raises:
          tf.errors.NotFoundError: If there is no checkpoint.
          PlanError: As of `restore`.
          RuleError: If the map is not well formed.
          CheckpointError: As of `restore`.
        """
        _check_options(options, "read")
        mapped = assignment_map is not None
        path: str | None = _prefix_in(as_text(save_path))
        reader = None if path is None else _reader(path, mapped=mapped)
        if reader is None:
            return super().read(path, options)
        try:
            return self._read(reader, path, options, assignment_map)
        except CheckpointReplacedError:
            raise
        except CheckpointError as error:
            raise as_tensorflows(error) from None
        finally:
            reader.close()

    def _read(
        self,
        reader: CheckpointReader,
        save_path: str | None,
        options: Any,
        assignment_map: AssignmentMapLike | None,
    ) -> LoadStatus:
        mapped = assignment_map is not None
        live = None
        if not _is_for_objects(reader, mapped=mapped):
            live = LiveTarget(self, counted=False)
        if live is None or (not mapped and _may_have_objects_of(reader, live)):
            status = super().read(save_path, options)
            if tensorflow().executing_eagerly() and is_waiting(status):
                restore_when_declared(status, lambda key: _copied(reader, key))
            return LoadStatus(ByObject(reader, self._computed_names), status)
        plan = plan_now_and_later(reader, live, assignment_map)
        if tensorflow().executing_eagerly():
            return LoadStatus(self._restored(plan, reader, live))
        scratch = _scratch(plan, reader)
        progress = InGraph(reader, live, plan, scratch)
        return LoadStatus(progress, super().read(scratch.prefix, options), own=True)

    def _restored(
        self, plan: NowAndLater, reader: CheckpointReader, live: LiveTarget
    ) -> ByName:
        """Restore what there is, and let the rest wait."""
        execute(plan.now, reader, live.variables)
        deferred = Deferred(reader, plan, self)
        deferred.note_restored(live.variables[move.target] for move in plan.now)
        return ByName(reader, self, deferred)


def _check_options(options: Any, call: str) -> None:
    """Refuse rules where TensorFlow expects its options."""
    is_map = isinstance(options, AssignmentMap | Mapping | list | tuple | str)
    if is_map or hasattr(options, "assignment_map") or hasattr(options, "moves"):
        raise TypeError(
            f"the second argument of {call}() is a tf.train.CheckpointOptions, and a "
            f"{type(options).__name__} was given; pass rules by keyword: "
            f"{call}(path, assignment_map=rules)"
        )


def _prefix_in(path: Any) -> Any:
    """Return the latest checkpoint of a directory; other paths, and None, as given."""
    if not isinstance(path, str) or exists(f"{path}.index") or not is_folder(path):
        return path
    try:
        location = locate(path)
    except (CheckpointError, OSError):
        return path  # TensorFlow says what is wrong with it
    return path if location.saved_model else location.prefix


def _copied(reader: CheckpointReader, key: str) -> np.ndarray[Any, Any]:
    """Return the value of a tensor, for which no file stays open."""
    import numpy as np

    value = np.array(reader[key])
    reader.close()
    return value


def _reader(path: str, *, mapped: bool) -> CheckpointReader | None:
    """Return the reader; None for what is TensorFlow's to read, or to refuse."""
    if not mapped and is_folder(path):
        return None
    try:
        return as_reader(path)
    except CheckpointNotFoundError as error:
        if mapped:
            raise tensorflow().errors.NotFoundError(None, None, str(error)) from error
    except (CheckpointError, OSError):
        if mapped:
            raise
    return None


def _is_for_objects(reader: CheckpointReader, *, mapped: bool) -> bool:
    """Return whether the object graph is all that can be meant."""
    dual = reader.format is CheckpointFormat.DUAL_KEYED
    return reader.object_graph is not None and not mapped and not dual


def _may_have_objects_of(reader: CheckpointReader, live: LiveTarget) -> bool:
    """Return whether a dual-keyed checkpoint is of this target, or nothing tells."""
    if reader.object_graph is None:
        return False
    none_yet = not live.variables.keys() - {SAVE_COUNTER_KEY}
    return none_yet or goes_by_keys(reader, live, AssignmentMap())


def _scratch(plan: NowAndLater, reader: CheckpointReader) -> ScratchCheckpoint:
    """Return an object-based checkpoint with the keys of the variables there are."""
    specs = layout_of(reader).everything
    used = {key for move in plan.now for key in move.sources}
    dropped = tuple(Dropped(key, "no variable") for key in specs if key not in used)
    moves = MigrationPlan(reader.prefix, "", specs, plan.now, dropped)
    return scratch_checkpoint(moves, reader, object_graph=True)
