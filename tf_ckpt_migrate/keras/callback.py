"""The callback that saves for both worlds."""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal

from tf_ckpt_migrate.bundle.shards import INDEX_SUFFIX, index_path
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.conversion.saved import Keys, check_keys
from tf_ckpt_migrate.conversion.twin import remove_checkpoint
from tf_ckpt_migrate.live.checkpoint import Checkpoint
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.naming import Names
from tf_ckpt_migrate.live.variables import value_of
from tf_ckpt_migrate.naming.keys import object_key
from tf_ckpt_migrate.storage.access import changed_at, make_folder, names_in
from tf_ckpt_migrate.storage.paths import basename, dirname, is_far, join, path_of

__all__ = [
    "DualModelCheckpoint",
    "Kept",
    "SavingModel",
    "is_chief",
    "keras_of",
    "timing",
]


class Kept:
    """The checkpoints under a template of paths.

    Args:
      filepath: The template, with fields as of ``str.format``.
      max_to_keep: How many stay; None for all.

    Attributes:
      prefixes: Of those that are kept, oldest first.

    Raises:
      ValueError: If none would stay.
    """

    def __init__(self, filepath: str, max_to_keep: int | None) -> None:
        """Begin with none."""
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"max_to_keep={max_to_keep}; expected 1 or more, or None")
        self._filepath = filepath
        self._max_to_keep = max_to_keep
        self.prefixes: list[str] = []

    def add(self, prefix: str) -> None:
        """Name a whole checkpoint as the latest, and remove those that are too many.

        The state file names what is to stay before anything goes.

        Raises:
          CorruptCheckpointError: If the directory has a state file that is none.
          OSError: If a file cannot be written or removed.
        """
        prefixes = [*(each for each in self.prefixes if each != prefix), prefix]
        count = len(prefixes) if self._max_to_keep is None else self._max_to_keep
        surplus, self.prefixes = prefixes[:-count], prefixes[-count:]
        record_latest(prefix, without=[basename(each) for each in surplus])
        for each in surplus:
            remove_checkpoint(each)

    def take_up(self) -> str | None:
        """Return the latest checkpoint that is there, and keep those listed with it.

        That is the last one that the state file lists or, if it lists none of this
        template, the newest.

        Raises:
          CorruptCheckpointError: If the directory has a state file that is none.
        """
        folder = dirname(self._filepath)
        there = self._bases_there(folder)
        listed = [basename(each) for each in kept_beside(self._filepath)]
        self.prefixes = [join(folder, base) for base in listed if base in there]
        if self.prefixes:
            return self.prefixes[-1]
        paths = [join(folder, base) for base in there]
        return max(paths, key=_age_and_name, default=None)

    def _bases_there(self, folder: str) -> set[str]:
        """Return the basenames that fit the template."""
        escaped = re.escape(basename(self._filepath))
        fits = re.compile(re.sub(r"\\\{.*?\\\}", ".*", escaped)).fullmatch
        names = names_in(folder)
        bases = (
            n.removesuffix(INDEX_SUFFIX) for n in names if n.endswith(INDEX_SUFFIX)
        )
        return {base for base in bases if fits(base)}


def _age_and_name(prefix: str) -> tuple[float, str]:
    return changed_at(index_path(prefix)), prefix


class SavingModel:
    """A model that saves its weights by a function, when its Keras wants that saved.

    Args:
      model: Does all else.
      save: Is given the path.
    """

    def __init__(self, model: Any, save: Callable[[str], None]) -> None:
        """Wrap the model."""
        self._model = model
        self._save = save

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def save_weights(self, filepath: Any, *_: Any, **__: Any) -> None:
        """Save by the function."""
        self._save(os.fspath(filepath))


def timing(keras: Any, filepath: str, arguments: Mapping[str, Any]) -> Any:
    """Return the ``ModelCheckpoint`` of a Keras, which knows when to save.

    Args:
      keras: The package.
      filepath: Template of the paths.
      arguments: Further ones.

    Example:
      >>> import tensorflow as tf
      >>> timing(tf.keras, "run/m-{epoch}", {"save_freq": 3}).filepath
      'run/m-{epoch}'
    """
    made = keras.callbacks.ModelCheckpoint(
        f"{filepath}.weights.h5", save_weights_only=True, **arguments
    )
    made.filepath = filepath  # Keras 3 takes the name of no other file
    return made


def keras_of(model: Any) -> Any:
    """Return the package that a model is of: Keras 2, tf-keras or Keras 3.

    Example:
      >>> import tensorflow as tf
      >>> keras_of(tf.keras.Sequential()).__name__ in ("keras", "tf_keras")
      True
    """
    packages = (each.__module__.partition(".")[0] for each in type(model).__mro__)
    known = (name for name in packages if name in ("keras", "tf_keras"))
    return import_module(next(known, "keras"))


def is_chief(model: Any) -> bool:
    """Return whether this process is the one whose files stay.

    Args:
      model: One that may be trained by several workers.

    Example:
      >>> import tensorflow as tf
      >>> is_chief(tf.keras.Sequential())
      True
    """
    strategy = getattr(model, "distribute_strategy", None)
    strategy = strategy or tensorflow().distribute.get_strategy()
    return bool(getattr(strategy.extended, "should_checkpoint", True))


_STEP_KEY = object_key("global_step")
_HDF5 = (".h5", ".hdf5", ".keras")


class DualModelCheckpoint(tensorflow().keras.callbacks.Callback):
    """Saves model, optimizer and step while a model is trained, for both worlds.

    It is ``ModelCheckpoint(save_weights_only=True)`` of the model's own Keras, which
    decides when to save and under what path. Every checkpoint has the keys of
    ``tf.train.Checkpoint(model)``, the names of the variables, or both for the same
    bytes, and the number of training steps as ``global_step``. The ``checkpoint`` file
    of the directory names the latest one.

    Args:
      filepath: Prefix of the checkpoints, with fields such as ``{epoch:02d}`` and
        ``{val_loss:.2f}``.
      monitor: As of ``ModelCheckpoint``.
      verbose: As of ``ModelCheckpoint``.
      save_best_only: As of ``ModelCheckpoint``.
      save_weights_only: True; there for programs that pass it.
      mode: As of ``ModelCheckpoint``.
      save_freq: As of ``ModelCheckpoint``: ``"epoch"``, or a number of steps.
      options: ``tf.train.CheckpointOptions``, or None.
      initial_value_threshold: As of ``ModelCheckpoint``.
      keys: ``"both"``, ``"object"`` or ``"name"``.
      names: As of `tcm.Checkpoint.save`.
      twin_directory: As of `tcm.Checkpoint.save`.
      max_to_keep: How many checkpoints stay; None for all. With ``save_best_only``
        these are the best ones so far.
      load_weights_on_restart: Whether training begins with what the latest checkpoint
        of this ``filepath`` holds, of either kind: model, optimizer and step. One by
        ``tf.train.Checkpoint(model)`` or Keras 2 will do, which have no step: that is
        the optimizer's then. Without one it begins anew; with one that does not fit it
        fails, as with one by name alone whose ``names`` are not the variables' own or
        ``"key"``. Only the last part of ``filepath`` may have fields for this.
      checkpoint: A `tcm.Checkpoint` to save instead of one of the model and the step.
      **kwargs: ``period``, where the ``ModelCheckpoint`` of Keras still takes it.

    Attributes:
      checkpoint: What is saved; None before there is a model.

    Raises:
      ValueError: If ``filepath`` is one of a Keras file, ``keys`` is none of the three,
        or ``save_weights_only`` is false.
      TypeError: If there is no such argument.

    Example:
      >>> import tempfile
      >>> import numpy as np, tensorflow as tf
      >>> model = tf.keras.Sequential([tf.keras.layers.Dense(1, name="d")])
      >>> model.compile("sgd", "mse")
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     saving = DualModelCheckpoint(folder + "/ckpt-{epoch}", max_to_keep=2)
      ...     _ = model.fit(
      ...         np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0,
      ...         callbacks=[saving],
      ...     )
      ...     print(os.path.basename(tf.train.latest_checkpoint(folder)))
      ckpt-3
    """

    def __init__(  # noqa: PLR0913, PLR0917 the arguments of ModelCheckpoint, and ours
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = True,
        mode: str = "auto",
        save_freq: int | Literal["epoch"] = "epoch",
        options: Any = None,
        initial_value_threshold: float | None = None,
        *,
        keys: Keys = "both",
        names: Names | None = None,
        twin_directory: str | os.PathLike[str] | None = None,
        max_to_keep: int | None = None,
        load_weights_on_restart: bool = False,
        checkpoint: Checkpoint | None = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments; nothing is saved before a model is trained."""
        super().__init__()
        _check_arguments(save_weights_only, kwargs)
        self._filepath = _checked(path_of(filepath))
        self._options = options
        self._saving = {
            "keys": check_keys(keys),
            "names": names,
            "twin_directory": twin_directory,
        }
        self._kept = Kept(self._filepath, max_to_keep)
        self._resumes = load_weights_on_restart
        self._given = None if checkpoint is None else checkpoint.saving(**self._saving)
        self._arguments = {
            "monitor": monitor,
            "verbose": verbose,
            "save_best_only": save_best_only,
            "mode": mode,
            "save_freq": save_freq,
            "initial_value_threshold": initial_value_threshold,
            **kwargs,
        }
        self.checkpoint: Checkpoint | None = self._given
        self._step: Any = None
        self._steps = self._last_batch = 0
        self._saved_model: Any = None
        # Made anew with the Keras of the model, should that be another.
        self._timing = timing(tensorflow().keras, self._filepath, self._arguments)
        self._supports_tf_logs = True  # Keras 2 would compute logs at every batch

    def __getattr__(self, name: str) -> Any:
        """Return what ``ModelCheckpoint`` knows, such as ``best`` and ``filepath``."""
        if name.startswith("_") or "_timing" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._timing, name)

    @property
    def checkpoints(self) -> list[str]:
        """The prefixes that are kept, oldest first."""
        return self._kept.prefixes

    def set_params(self, params: Any) -> None:
        """Keep what Keras tells about the training."""
        super().set_params(params)
        self._timing.set_params(params)

    def set_model(self, model: Any) -> None:
        """Learn the model, of any Keras."""
        super().set_model(model)
        if model is not self._saved_model:
            self._saved_model = model
            self._steps = 0
            keras = keras_of(model)
            if not isinstance(self._timing, keras.callbacks.ModelCheckpoint):
                self._timing = timing(keras, self._filepath, self._arguments)
            if self._given is None:
                self._make_checkpoint(model)
        self._timing.set_model(SavingModel(model, self._save))

    def _make_checkpoint(self, model: Any) -> None:
        tf = tensorflow()
        self._step = tf.Variable(0, dtype=tf.int64, name="global_step", trainable=False)
        checkpoint = Checkpoint(model, global_step=self._step)
        self.checkpoint = checkpoint.saving(**self._saving)

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the latest checkpoint, if that was asked for.

        Raises:
          PlanError: If there are variables that could not be saved by name.
        """
        if self._resumes and (path := self._kept.take_up()) is not None:
            self._resume(path)
        if self.checkpoint is not None:
            self.checkpoint.check_names()
        self._steps = self._steps_so_far()
        self._timing.on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Wait for what is saved in the background."""
        if self.checkpoint is not None:
            self.checkpoint.sync()
        self._timing.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to count batches."""
        self._last_batch = -1
        self._timing.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save, if it is time."""
        self._timing.on_epoch_end(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save, if it is time."""
        self._steps += batch - self._last_batch
        self._last_batch = batch
        self._timing.on_train_batch_end(batch, logs)

    def _implements_train_batch_hooks(self) -> bool:  # asked by Keras 2
        return True

    def _implements_test_batch_hooks(self) -> bool:
        return False

    def _implements_predict_batch_hooks(self) -> bool:
        return False

    def _steps_so_far(self) -> int:
        """Return the number of steps that the model has been trained for before.

        This callback has counted them, or it stands in the checkpoint that training
        begins with; else the optimizer may know it. That alone would not do: a model's
        own ``train_step`` may use others.
        """
        if self._steps:  # more than are saved, if the last ones were not
            return self._steps
        optimizer = getattr(self._saved_model, "optimizer", None)
        counters = (self._step, getattr(optimizer, "iterations", None))
        known = [int(value_of(each)) for each in counters if each is not None]
        return next((count for count in known if count), 0)

    def _save(self, path: str) -> None:
        """Save, when ``ModelCheckpoint`` says so, what it says to."""
        if self.checkpoint is None:
            return
        if self._step is not None:
            self._step.assign(self._steps)
        if not is_chief(self._saved_model):
            self._take_part(self.checkpoint, path)
            return
        options = copy.copy(self._options) or tensorflow().train.CheckpointOptions()
        given = options.experimental_write_callbacks or []
        options.experimental_write_callbacks = [self._kept.add, *given]
        self.checkpoint.write(path, options)

    def _take_part(self, checkpoint: Checkpoint, path: str) -> None:
        """Save as a worker whose files do not stay: the chief's save waits for it."""
        folder = None if is_far(path) else dirname(path) or "."
        if folder is not None:
            make_folder(folder)
        with tempfile.TemporaryDirectory(prefix=".worker-", dir=folder) as aside:
            checkpoint.write(os.path.join(aside, "m"), keys="object")

    def _resume(self, path: str) -> None:
        if self.checkpoint is None:
            return
        restored = self.checkpoint
        self._steps = 0  # what is restored counts
        if self._step is not None and _is_of_a_model_alone(path):
            self._step.assign(0)
            restored = Checkpoint(self._saved_model)
        restored.read(path).assert_existing_objects_matched()


def _is_of_a_model_alone(path: str) -> bool:
    """Return whether another, such as Keras's own callback, has saved it: no step."""
    reader = load_checkpoint(path)
    return reader.object_graph is not None and _STEP_KEY not in reader


def _check_arguments(save_weights_only: bool, others: dict[str, Any]) -> None:
    if unknown := others.keys() - {"period"}:
        raise TypeError(
            f"DualModelCheckpoint() got unexpected arguments {sorted(unknown)}"
        )
    if not save_weights_only:
        raise ValueError(
            "DualModelCheckpoint saves variables, not the code of a model: "
            "save_weights_only must be True"
        )


def _checked(filepath: str) -> str:
    if filepath.endswith(_HDF5):
        prefix = filepath.removesuffix(".h5").removesuffix(".weights")
        raise ValueError(
            f"filepath={filepath!r} is one of a Keras file; give the prefix of a "
            f"checkpoint, such as {os.path.splitext(prefix)[0]!r}"
        )
    return filepath
