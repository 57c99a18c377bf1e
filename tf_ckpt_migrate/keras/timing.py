"""Which Keras a model is of, and that Keras's own decision when to save."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["SavingModel", "is_chief", "keras_of", "timing"]


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
