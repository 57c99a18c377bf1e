"""Checkpoints for both worlds from ``MonitoredTrainingSession`` and Estimators.

All but Estimators themselves is on every version of TensorFlow: `scaffold` for a
program that may change its ``Scaffold``, `DualCheckpointSaverHook` and
`DualCheckpointListener` for one that has its saver already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any, Literal

from tf_ckpt_migrate.checkpoint.reader import CheckpointLike, load_checkpoint
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.object_keys import add_object_keys
from tf_ckpt_migrate.conversion.saved import Keys
from tf_ckpt_migrate.errors import CheckpointNotFoundError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.keyed_saver import KeyedSaver
from tf_ckpt_migrate.live.private import set_max_to_keep, take_settings
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.live.saver import Saver, without_wrapping
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.resolution import Missing
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["DualCheckpointListener", "DualCheckpointSaverHook", "scaffold"]


def scaffold(  # noqa: PLR0913 options by keyword, most of them those of Saver, restore
    saver: Any = None,
    *,
    keys: Keys = "both",
    target: object = None,
    max_to_keep: int | Literal["config"] | None = "config",
    init_from: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | None = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "error",
    init_fn: Callable[[Any, Any], None] | None = None,
    **keywords: Any,
) -> Any:
    """Return a ``Scaffold`` that saves for both worlds and starts from any checkpoint.

    A model directory with a checkpoint, of whatever kind, is restored from it. One
    without begins with ``init_from``, if that is given: the step and what optimizers
    remember included, and all of it or an error before the first step. The variables
    are those of the graph when the session is made, by their names.

    As in TensorFlow, the saver of all variables is that of ``GraphKeys.SAVERS``, or is
    added there: hooks and a second ``Scaffold`` for the same graph find it.

    Args:
      saver: What to save: None for all variables; a list of variables, or a dict by
        name; a ``tf.train.Checkpoint``, as ``Scaffold`` takes one, for all variables
        with it as the ``target``; or a `tcm.Saver`, which knows its keys itself.
      keys: ``"name"``, ``"object"`` or ``"both"``, for one set of bytes.
      target: The object whose keys those of objects are, as of `tcm.Saver`.
      max_to_keep: How many checkpoints to keep; None for all. ``"config"`` takes what
        the ``RunConfig`` of an Estimator says, which then also says how often one is
        kept for good; 5 where there is no Estimator.
      init_from: What ``load_checkpoint`` takes: a checkpoint of any kind.
      assignment_map: From names in ``init_from`` to variables, as of `tcm.restore`.
      unused: As of `tcm.restore`: what becomes of tensors of ``init_from`` without a
        variable.
      missing: As of `tcm.restore`: which variables may be without a tensor.
      init_fn: As of ``Scaffold``: called with it and the session where nothing was
        restored, after ``init_from`` was read.
      **keywords: The other arguments of ``Scaffold``.

    Returns:
      The ``tf.compat.v1.train.Scaffold``.

    Raises:
      ValueError: If ``keys`` is none of the three, or a map is given without
        ``init_from``.
      TypeError: If ``saver`` is a Saver of TensorFlow's, which knows names only.

    Example:
      >>> import tempfile
      >>> import tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default():
      ...     step = v1.train.create_global_step()
      ...     w = v1.get_variable("w", initializer=1.0)
      ...     train = tf.group(w.assign_add(1.0), step.assign_add(1))
      ...     with v1.train.MonitoredTrainingSession(
      ...         checkpoint_dir=folder, scaffold=scaffold(), log_step_count_steps=None
      ...     ) as session:
      ...         session.run(train)
      ...     for name, _ in tf.train.list_variables(folder):
      ...         print(name)
      _CHECKPOINTABLE_OBJECT_GRAPH
      global_step
      save_counter/.ATTRIBUTES/VARIABLE_VALUE
      vars/global_step/.ATTRIBUTES/VARIABLE_VALUE
      vars/w/.ATTRIBUTES/VARIABLE_VALUE
      w
    """
    if init_from is None and assignment_map is not None:
        raise ValueError(
            "assignment_map= is for init_from=, which is not given; to restore what is "
            "in the model directory through a map, give saver=tcm.Saver(assignment_map="
            "…, keys=…)"
        )
    v1 = tensorflow().compat.v1
    made = _saver(saver, keys, target, max_to_keep)
    some = isinstance(saver, list | tuple | dict)

    def initialize(own: Any, session: Any) -> None:
        if init_from is not None:
            with session.graph.as_default():
                restore(
                    init_from,
                    saver if some else v1.global_variables(),
                    assignment_map,
                    unused=unused,
                    missing=missing,
                    session=session,
                )
        if init_fn is not None:
            init_fn(own, session)

    begin = None if init_from is None and init_fn is None else initialize
    return tensorflow().compat.v1.train.Scaffold(saver=made, init_fn=begin, **keywords)


def _saver(
    given: Any,
    keys: Keys,
    target: object,
    max_to_keep: int | Literal["config"] | None,
) -> Saver:
    """Return the saver of a ``Scaffold``: one that is there, or one to be built."""
    tf = tensorflow()
    if isinstance(given, Saver):
        return given
    if isinstance(given, tf.compat.v1.train.Saver):
        raise TypeError(
            f"saver={given!r} restores and saves by name only; give a tcm.Saver in its "
            "place, whose arguments are the same and more, or keep it in your Scaffold "
            "and add a DualCheckpointSaverHook"
        )
    if isinstance(given, tf.train.Checkpoint | tf.compat.v1.train.Checkpoint):
        given, target = None, given if target is None else target
    made = _CollectedSaver(given, keys, target, max_to_keep)
    return made.equal_in_collection() or made


class _CollectedSaver(Saver):
    """The saver of a ``Scaffold``, which stands in ``GraphKeys.SAVERS``.

    When it is built it takes the place and the settings of the saver that is there: an
    Estimator puts one there that has those of its ``RunConfig``. It does so only for a
    ``Scaffold`` without a saver, so this one is false until it is built.
    """

    def __init__(
        self,
        var_list: Any,
        keys: Keys,
        target: object,
        max_to_keep: int | Literal["config"] | None,
    ) -> None:
        """Build nothing yet."""
        self._given, self._keep = var_list, max_to_keep
        super().__init__(  # but for the keys, as a Scaffold makes one
            keys=keys, target=target, sharded=True, allow_empty=True, defer_build=True
        )

    def __bool__(self) -> bool:
        return self._is_built

    def equal_in_collection(self) -> _CollectedSaver | None:
        """Return the saver of the graph that does the same as this one, if any."""
        v1 = tensorflow().compat.v1
        for each in v1.get_collection(v1.GraphKeys.SAVERS):
            if isinstance(each, _CollectedSaver) and (
                (each._keys, each._keep) == (self._keys, self._keep)
                and each._target is self._target
                and each._given is self._given
            ):
                return each
        return None

    def build(self) -> None:
        """Add the operations to the graph, unless a saver of the graph has them."""
        if self._is_built:
            return
        v1 = tensorflow().compat.v1
        savers = v1.get_collection_ref(v1.GraphKeys.SAVERS)
        if savers:
            take_settings(self, _only(savers), all_variables=self._given is None)
        if self._given is not None:
            self._variables = self._var_list = without_wrapping(self._given)
        if not isinstance(self._keep, str):
            set_max_to_keep(self, self._keep)
        super().build()
        if not savers or not isinstance(savers[0], _CollectedSaver):
            savers[:] = [self]


class DualCheckpointSaverHook(tensorflow().compat.v1.train.CheckpointSaverHook):
    """TensorFlow's ``CheckpointSaverHook``, which saves for both worlds.

    The saver is the one that there is: it goes on to count, keep and delete what it has
    saved, and to write the state file.

    Args:
      checkpoint_dir: As of the original.
      save_secs: As of the original.
      save_steps: As of the original.
      saver: As of the original: TensorFlow's Saver, or a `tcm.Saver`.
      checkpoint_basename: As of the original.
      scaffold: As of the original; its saver may be a ``tf.train.Checkpoint``.
      listeners: As of the original.
      save_graph_def: As of the original.
      keys: ``"both"``, ``"object"`` or ``"name"``. A saver of TensorFlow's restores
        what has names.
      target: As of `tcm.Saver`.

    Raises:
      ValueError: As the original, and if ``keys`` is none of the three.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     hook = DualCheckpointSaverHook(folder, save_steps=100)
    """

    def __init__(  # noqa: PLR0913, PLR0917 as TensorFlow's
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Any = None,
        save_graph_def: bool = True,
        *,
        keys: Keys = "both",
        target: object = None,
    ) -> None:
        """Save nothing yet."""

        def present() -> Any:
            if saver is not None:
                return saver
            return _collected() if scaffold is None else scaffold.saver

        both = saver is not None and scaffold is not None  # which the original refuses
        super().__init__(
            checkpoint_dir,
            save_secs,
            save_steps,
            KeyedSaver(present, keys, target),
            checkpoint_basename,
            scaffold if both else None,
            listeners,
            save_graph_def,
        )


def _collected() -> Any:
    v1 = tensorflow().compat.v1
    return _only(v1.get_collection(v1.GraphKeys.SAVERS))


def _only(savers: list[Any]) -> Any:
    """Return the one saver of a graph's collection."""
    v1 = tensorflow().compat.v1
    if len(savers) != 1:
        raise RuntimeError(
            f"the collection {v1.GraphKeys.SAVERS!r} has {len(savers)} savers; give "
            "the one to use as saver=… or scaffold=…"
        )
    return savers[0]


class DualCheckpointListener(tensorflow().compat.v1.train.CheckpointSaverListener):
    """Makes every checkpoint dual-keyed, in place, when a hook has saved it.

    It serves a hook that cannot be replaced. Until it is done the checkpoint has the
    keys that the hook gave it; at any time it is whole.

    Args:
      checkpoint_dir: Where the hook saves; its state file names the checkpoint.
      assignment_map: From names in the checkpoint to those of variables of the
        ``target``, where they differ, as of `tcm.add_object_keys`.
      target: The object whose keys are added, as of `tcm.Saver`. An object-based
        checkpoint, as a ``Scaffold`` saves by a ``tf.train.Checkpoint``, gets the names
        of its variables.

    Example:
      >>> listener = DualCheckpointListener("/tmp/model")
      >>> hook = DualCheckpointSaverHook(
      ...     "/tmp/model", save_steps=100, listeners=[listener], keys="name"
      ... )
    """

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        assignment_map: AssignmentMapLike | None = None,
        *,
        target: object = None,
    ) -> None:
        """Change nothing yet."""
        self._directory = os.fspath(checkpoint_dir)
        self._rules = assignment_map
        self._target = target

    def after_save(self, session: Any, global_step_value: int) -> None:
        """Add the keys to the latest checkpoint; a hook calls it.

        Args:
          session: That has saved.
          global_step_value: The step.

        Raises:
          CheckpointNotFoundError: If there is no checkpoint in the directory.
          PlanError: If names and objects do not fit each other.
          OSError: If a write fails; the checkpoint is then as it was.
        """
        del session
        try:
            reader = load_checkpoint(self._directory)
        except CheckpointNotFoundError as error:
            raise CheckpointNotFoundError(
                f"{self._directory!r} has no checkpoint after the save of step "
                f"{global_step_value}: the listener must get the checkpoint_dir of its "
                f"hook ({error})"
            ) from error
        if reader.object_graph is None:
            target = self._target
            live = None if target is None else LiveTarget(target, counted=False)
            add_object_keys(reader, self._rules, like=live, unused="keep")
        elif all(is_object_key(key) or key == OBJECT_GRAPH_KEY for key in reader):
            add_name_keys(reader)


def __getattr__(name: str) -> Any:
    """Return a name of ``tf.estimator``, where TensorFlow has it."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    tf = tensorflow()
    estimators = getattr(tf, "estimator", None)
    if estimators is None:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}, nor has TensorFlow "
            f"{tf.__version__}: 2.15 is the last that has tf.estimator. In later ones "
            "use tf.compat.v1.train.MonitoredTrainingSession with "
            "tcm.estimator.scaffold(), or Keras with tcm.keras.DualModelCheckpoint"
        )
    return getattr(estimators, name)
