"""``tf.train.Checkpoint`` that saves variable names too, for the same bytes."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from tf_ckpt_migrate.conversion.saved import Keys
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.naming import Names
from tf_ckpt_migrate.live.private import save_tensors_by
from tf_ckpt_migrate.live.saving import PlannedSave, Saving

__all__ = ["DualCheckpoint", "as_text"]

_Self = TypeVar("_Self", bound="DualCheckpoint")


class DualCheckpoint(tensorflow().train.Checkpoint):
    """The half of ``tcm.Checkpoint`` that saves.

    Example:
      >>> import tempfile
      >>> import tensorflow as tf
      >>> checkpoint = DualCheckpoint(w=tf.Variable([1.0], name="net/w"))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = checkpoint.save(folder + "/ckpt", keys="both")
      ...     for name, _ in tf.train.list_variables(path):
      ...         print(name)
      _CHECKPOINTABLE_OBJECT_GRAPH
      net/w
      save_counter/.ATTRIBUTES/VARIABLE_VALUE
      w/.ATTRIBUTES/VARIABLE_VALUE
    """

    def __init__(self, root: Any = None, **kwargs: Any) -> None:
        """Take the objects, as the original."""
        super().__init__(root, **kwargs)
        self._saving = Saving()
        save_tensors_by(self, _save_as_planned)

    def saving(
        self: _Self,
        *,
        keys: Keys | None = None,
        names: Names | None = None,
        twin_directory: str | os.PathLike[str] | None = None,
    ) -> _Self:
        """Decide what every save is to write, also one by a ``CheckpointManager``.

        Args:
          keys: As of `save`.
          names: As of `save`.
          twin_directory: As of `save`.

        Returns:
          This object.

        Raises:
          ValueError: If ``keys`` is none of the three.

        Example:
          >>> import tensorflow as tf
          >>> checkpoint = DualCheckpoint(w=tf.Variable(1.0)).saving(keys="both")
        """
        self._saving = self._saving.but(keys, names, twin_directory)
        return self

    def check_names(self) -> None:
        """Check, before a long training, that all there is can be saved as decided.

        Raises:
          PlanError: As of `save`.
          RuleError: As of `save`.
        """
        self._saving.planned(self)

    def save(
        self,
        file_prefix: str | bytes | os.PathLike[Any],
        options: Any = None,
        *,
        keys: Keys | None = None,
        names: Names | None = None,
        twin_directory: str | os.PathLike[str] | None = None,
    ) -> str:
        """Save, number the checkpoint, and name it in the folder's state file.

        With ``keys="both"`` the checkpoint is dual-keyed: ``tf.train.Checkpoint``
        restores it by object and ``tf.compat.v1.train.Saver`` by name, TensorFlow 1's
        too, for the time and the disk of one. It appears whole or not at all, flushed
        to the disk, and what it replaces is there until then. With ``keys="object"``,
        and without twins, TensorFlow saves alone.

        Args:
          file_prefix: As of the original.
          options: As of the original.
          keys: ``"object"``, ``"name"`` or ``"both"``; None for what `saving` decided,
            at first ``"object"``.
          names: ``"full_name"``, at first, for the variables' own (in Keras 3 the
            path); ``"key"`` for the paths of objects; an assignment map from either to
            other names, which accounts for every variable and may change values, by
            recipes too; a plan that stands for such a map, as the reverse of the plan
            that restored a TF1 checkpoint (``report.plan.reversed()``); or a function
            that returns the name of a variable, or None for it to have none. A value
            that changes is computed from what was saved, and written to a data shard
            of its own.
          twin_directory: Where a name-based checkpoint of the same basename is to be
            too, sharing the data files.

        Returns:
          As of the original: the prefix, with its number.

        Raises:
          PlanError: If variables have no names, or share them, or no rule fits one;
            nothing was saved then.
          RuleError: If rules are not well formed, or a plan translates the state of
            an optimizer.
          OutputPathError: If names are asked for where TensorFlow cannot write to.
          OutputInUseError: If another writer is at work on this prefix.
          OSError: If a write fails; what was there is then as it was.
        """
        planned = self._planned(options, self._saving.but(keys, names, twin_directory))
        return super().save(as_text(file_prefix), planned)

    def write(
        self,
        file_prefix: str | bytes | os.PathLike[Any],
        options: Any = None,
        *,
        keys: Keys | None = None,
        names: Names | None = None,
        twin_directory: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Save to this very prefix; the rest is as of `save`, without a number.

        Args:
          file_prefix: As of the original.
          options: As of the original.
          keys: As of `save`.
          names: As of `save`.
          twin_directory: As of `save`.

        Returns:
          As of the original: the prefix; in a ``tf.function`` a tensor.

        Raises:
          PlanError: As of `save`.
          RuleError: As of `save`.
          CheckpointError: As of `save`.
          OSError: As of `save`.
        """
        planned = self._planned(options, self._saving.but(keys, names, twin_directory))
        return super().write(as_text(file_prefix), planned)

    def _write(self, file_prefix: Any, options: Any = None) -> Any:
        # A CheckpointManager calls this one.
        return super()._write(file_prefix, self._planned(options, self._saving))

    def _computed_names(self) -> set[str]:
        """Return the names for which every save computes values."""
        if self._saving.keys == "object":
            return set()
        planned = self._saving.planned(self)
        moves = () if planned is None else planned.moves
        return {move.target for move in moves if not move.is_plain}

    def _async_checkpointer(self) -> Any:
        known = self._async_checkpointer_impl
        helper = super()._async_checkpointer()
        if helper is not known:  # it saves by a Checkpoint of its own
            save_tensors_by(helper.checkpointer(), _save_as_planned)
        return helper

    def _planned(self, options: Any, saving: Saving) -> Any:
        """Return options with the plan of the save, made now, not in its thread."""
        if isinstance(options, _Options):
            return options
        planned = saving.planned(self)
        return options if planned is None else _with_plan(options, planned)


def as_text(path: Any) -> Any:
    """Return a path as a string; a tensor, of a ``tf.function``, as it is."""
    return os.fsdecode(path) if isinstance(path, bytes | os.PathLike) else path


class _Options(tensorflow().train.CheckpointOptions):
    """Options that know the plan of a save."""

    __slots__ = ("planned",)


def _with_plan(options: Any, planned: PlannedSave) -> _Options:
    made = _Options()
    for name in tensorflow().train.CheckpointOptions.__slots__ if options else ():
        setattr(made, name, getattr(options, name))
    made.planned = planned
    if getattr(made, "experimental_skip_slot_variables", False):
        made.planned = planned.without_slots()
    return made


def _save_as_planned(original: Any, file_prefix: Any, options: Any) -> Any:
    """Save tensors where TensorFlow's Checkpoint does, by its own function."""
    if not isinstance(options, _Options):
        return original(file_prefix, options)
    planned: PlannedSave = options.planned
    tf = tensorflow()
    if tf.inside_function():
        return planned.save_in_function(file_prefix, lambda to: original(to, options))

    def write(prefix: str) -> None:
        saved = original(prefix, options)
        if tf.is_tensor(saved):
            saved.numpy()  # waits for the file

    return planned.save(file_prefix, write)
