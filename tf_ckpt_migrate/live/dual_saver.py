"""``tf.compat.v1.train.Saver`` that saves object-based keys too, for the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Contents
from tf_ckpt_migrate.conversion.layout import name_of_key
from tf_ckpt_migrate.conversion.saved import (
    Keys,
    bundle_of,
    check_keys,
    saved_aside,
)
from tf_ckpt_migrate.conversion.saved_names import name_contents, object_contents
from tf_ckpt_migrate.errors import LayoutError, OutputPathError, PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import session_that_saves
from tf_ckpt_migrate.live.saver_names import names_of_target
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.storage.paths import is_far

__all__ = ["DualSaver", "SaveByObject", "as_text", "planned_save"]


class DualSaver(tensorflow().compat.v1.train.Saver):
    """The half of ``tcm.Saver`` that saves.

    Example:
      >>> import tempfile
      >>> import tensorflow as tf
      >>> w = tf.Variable([1.0])
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = DualSaver({"w": w}).save(None, folder + "/ckpt", keys="both")
      ...     for name, _ in tf.train.list_variables(path):
      ...         print(name)
      _CHECKPOINTABLE_OBJECT_GRAPH
      save_counter/.ATTRIBUTES/VARIABLE_VALUE
      vars/w/.ATTRIBUTES/VARIABLE_VALUE
      w
    """

    _keys: Keys = "name"
    _target: object = None
    _planned: SaveByObject | None = None
    _variables: Any = None

    def save(
        self,
        sess: Any,
        save_path: str | bytes | os.PathLike[str],
        *args: Any,
        keys: Keys | None = None,
        target: object = None,
        **keywords: Any,
    ) -> str | None:
        """Save the variables, as the original; by object too, if asked for.

        With ``keys="both"`` the checkpoint is dual-keyed, as that of
        `tcm.Checkpoint.save`: it appears whole or not at all, flushed to the disk.
        Into a SavedModel variables are saved by name, for so its graph reads them.

        Args:
          sess: As of the original; None in eager mode.
          save_path: As of the original, or an ``os.PathLike``.
          *args: As of the original.
          keys: ``"name"``, ``"object"`` or ``"both"``; None for those of this saver.
            The keys of objects are those of the saver's ``target`` or, if it has none,
            of ``tf.train.Checkpoint(vars={name: variable, …})``.
          target: Another object than the saver's ``target``, for this save.
          **keywords: As of the original.

        Returns:
          As of the original: the prefix of the checkpoint.

        Raises:
          PlanError: If the saver and its ``target`` have different variables.
          LayoutError: If the saver writes format V1.
          OutputPathError: If objects are asked for where TensorFlow cannot write to.
          OutputInUseError: If another writer is at work on this prefix.
          OSError: If a write fails; what was there is then as it was.
        """
        path = as_text(save_path)
        keys = check_keys(self._keys if keys is None else keys)
        if keys == "name" or _is_of_saved_model(path):
            return super().save(sess, path, *args, **keywords)
        target = self._target if target is None else target
        self._planned = planned_save(keys, self._write_version, target, self._variables)
        try:
            return super().save(self._session(sess), path, *args, **keywords)
        finally:
            self._planned = None

    def _session(self, sess: Any) -> Any:
        """Return a session that saves as is planned; what is none, as it is."""
        planned, saver_def = self._planned, self.saver_def
        if planned is None or saver_def is None or tensorflow().executing_eagerly():
            return sess
        return session_that_saves(sess, saver_def, planned.save)

    def _build_eager(
        self, checkpoint_path: str, build_save: bool, build_restore: bool
    ) -> None:
        # In eager mode this is what saves, to the path that it is given.
        build = super()._build_eager
        if self._planned is None or not build_save:
            build(checkpoint_path, build_save, build_restore)
            return
        self._planned.save(
            checkpoint_path, lambda prefix: build(prefix, build_save, build_restore)
        )
        self.saver_def.save_tensor_name = checkpoint_path


def as_text(path: Any) -> Any:
    """Return a path as text; what is none as it is, for TensorFlow to refuse.

    Example:
      >>> as_text(b"runs/m"), as_text(3)
      ('runs/m', 3)
    """
    return os.fsdecode(path) if isinstance(path, bytes | os.PathLike) else path


def _is_of_saved_model(save_path: str) -> bool:
    """Return whether this is where a SavedModel has its variables."""
    v1 = tensorflow().compat.v1.saved_model
    end = os.path.join(v1.VARIABLES_DIRECTORY, v1.VARIABLES_FILENAME)
    return save_path.endswith(os.sep + end)


def planned_save(
    keys: Keys, version: int, target: object, var_list: Any
) -> SaveByObject:
    """Return how to save by object; nothing is written yet.

    Args:
      keys: ``"object"`` or ``"both"``.
      version: The format that the saver writes.
      target: The objects; None for those of TensorFlow's guide.
      var_list: That of the saver.

    Raises:
      LayoutError: If the saver writes format V1.
      PlanError: If the target has a variable that the saver does not save.

    Example:
      >>> planned_save("both", 2, None, None).keys
      'both'
    """
    if version != tensorflow().compat.v1.train.SaverDef.V2:
        raise LayoutError(
            f'keys="{keys}" needs a saver of format V2; this one has '
            "write_version=SaverDef.V1"
        )
    if target is None:
        return SaveByObject(keys)
    live = LiveTarget(target, counted=False)
    return SaveByObject(keys, live, names_of_target(live, var_list))


@dataclass(frozen=True)
class SaveByObject:
    """A save by object.

    Attributes:
      keys: ``"object"`` or ``"both"``.
      live: The objects; None for those of TensorFlow's guide.
      names: The names of the saver, by key of an object.
    """

    keys: Keys
    live: LiveTarget | None = None
    names: Mapping[str, str] | None = None

    def save(self, prefix: str, write: Callable[[str], Any]) -> str:
        """Let a function write to a prefix aside; publish that with its keys."""
        prefix = as_text(prefix)
        try:
            with saved_aside(prefix) as aside:
                write(aside.prefix)
                aside.publish(self._contents)
        except (FileExistsError, NotADirectoryError, OutputPathError) as error:
            tf = tensorflow()
            folder = os.path.dirname(prefix) or "."
            if is_far(prefix) or tf.io.gfile.isdir(folder):
                raise
            # So TensorFlow's own operation fails, and its Saver says what is wrong.
            failed = tf.errors.FailedPreconditionError
            raise failed(None, None, str(error)) from error
        return prefix

    def _contents(self, reader: CheckpointReader) -> Contents:
        if OBJECT_GRAPH_KEY in reader:  # a Scaffold has made this of a Checkpoint
            return name_contents(reader, self.keys)
        saved = bundle_of(reader)
        if self.live is None or self.names is None:
            return object_contents(saved, self.keys)
        _check_same(saved, self.live, self.names)
        graph = self.live.object_graph
        return object_contents(saved, self.keys, self.names, graph)


def _check_same(
    saved: BundleReader, live: LiveTarget, names: Mapping[str, str]
) -> None:
    """Check that objects get the tensors that they would have saved themselves."""
    problems: list[str] = []
    for key, name in names.items():
        found = saved.index[name].spec if name in saved.index else "not saved"
        if found != live.specs[key]:
            problems.append(f"{name_of_key(key)!r} {live.specs[key]}: {name!r} {found}")
    if problems:
        raise PlanError(
            f"what the saver saves is not what {live.prefix} has; nothing was saved:\n"
            "  " + "\n  ".join(capped(problems)),
            as_findings("shape", problems),
        )
