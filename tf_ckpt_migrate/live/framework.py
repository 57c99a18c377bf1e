"""TensorFlow, imported in this one place and only when it is needed.

So the functions of this floor can be imported, listed and documented where TensorFlow
is not installed; only calling one says that it is missing. Keras 3 is never imported
here: whoever has its objects has imported it, for the backend of his choice.
"""

from __future__ import annotations

import sys
from typing import Any

from tf_ckpt_migrate.errors import TensorFlowNotFoundError

__all__ = ["is_eager", "is_keras_variable", "keras_without_tensorflow", "tensorflow"]


def tensorflow() -> Any:
    """Return the module ``tensorflow``.

    Raises:
      TensorFlowNotFoundError: If it is not installed.

    Example:
      >>> tensorflow().__name__
      'tensorflow'
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":  # it is there, but broken: let it say so itself
            raise
        raise TensorFlowNotFoundError(
            "this works on TensorFlow's own objects, and TensorFlow is not installed; "
            'run `pip install "tf_ckpt_migrate[tf]"`. Checkpoints on disk are read and '
            "converted without it"
        ) from None
    return tf


def is_eager() -> bool:
    """Return whether variables have values at once; without TensorFlow they have.

    Example:
      >>> is_eager()
      True
    """
    tf = sys.modules.get("tensorflow")  # not imported, it builds no graph
    return tf is None or tf.executing_eagerly()


def is_keras_variable(candidate: object) -> bool:
    """Return whether an object is a variable of Keras 3, with any backend.

    Example:
      >>> import tensorflow as tf
      >>> is_keras_variable(tf.Variable(1.0))
      False
    """
    kind = getattr(sys.modules.get("keras"), "Variable", None)
    return kind is not None and isinstance(candidate, kind)


def keras_without_tensorflow() -> Any:
    """Return the module ``keras`` if its backend is JAX or another; None otherwise.

    With TensorFlow as the backend, Keras objects are TensorFlow's own trackables.

    Example:
      >>> keras_without_tensorflow() is None
      True
    """
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "Variable"):  # or older than Keras 3
        return None
    return None if keras.backend.backend() == "tensorflow" else keras
