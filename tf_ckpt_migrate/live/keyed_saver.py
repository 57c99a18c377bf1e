"""A ``Saver`` that exists already saves under more keys than it knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ckpt_migrate.conversion.saved import Keys, check_keys
from tf_ckpt_migrate.live.dual_saver import DualSaver, planned_save
from tf_ckpt_migrate.live.private import session_that_saves, var_list_of

__all__ = ["KeyedSaver"]


class KeyedSaver:
    """What a ``CheckpointSaverHook`` takes for a saver.

    There is one saver still, that counts and deletes checkpoints and writes the state
    file; what it writes gets its keys before anybody sees it.

    Args:
      saver: Returns the saver, when it is first needed.
      keys: As of ``tcm.Saver``.
      target: As of ``tcm.Saver``.

    Example:
      >>> import tempfile
      >>> import tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> with tempfile.TemporaryDirectory() as to, tf.Graph().as_default():
      ...     w = v1.get_variable("w", [2])
      ...     stock = v1.train.Saver()
      ...     with v1.Session() as session:
      ...         session.run(w.initializer)
      ...         path = KeyedSaver(lambda: stock).save(session, to + "/m")
      ...     print(*(name for name, _ in tf.train.list_variables(path)))
      _CHECKPOINTABLE_OBJECT_GRAPH save_counter/.ATTRIBUTES/VARIABLE_VALUE \
vars/w/.ATTRIBUTES/VARIABLE_VALUE w
    """

    def __init__(
        self, saver: Callable[[], Any], keys: Keys = "both", target: object = None
    ) -> None:
        """Save nothing yet."""
        self._saver = saver
        self._keys: Keys = check_keys(keys)
        self._target = target

    @property
    def saver_def(self) -> Any:
        """That of the saver."""
        return self._saver().saver_def

    def save(self, sess: Any, save_path: str, **keywords: Any) -> str | None:
        """Save as the saver does, under these keys.

        Args:
          sess: The session.
          save_path: As of the saver.
          **keywords: As of the saver.

        Returns:
          As of the saver: the prefix of the checkpoint.

        Raises:
          PlanError: If the saver and the target have different variables.
          CheckpointError: As of ``tcm.Saver.save``.
          OSError: If a write fails; what was there is then as it was.
        """
        saver, keys = self._saver(), self._keys
        if isinstance(saver, DualSaver):
            return saver.save(
                sess, save_path, keys=keys, target=self._target, **keywords
            )
        if keys != "name":
            saver_def = saver.saver_def
            planned = planned_save(
                keys, saver_def.version, self._target, var_list_of(saver)
            )
            sess = session_that_saves(sess, saver_def, planned.save)
        return saver.save(sess, save_path, **keywords)
