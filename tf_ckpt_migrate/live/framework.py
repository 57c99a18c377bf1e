"""TensorFlow, imported in this one place and only when it is needed.

So the functions of this floor can be imported, listed and documented where TensorFlow
is not installed; only calling one says that it is missing.
"""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.errors import GraphModeError, TensorFlowNotFoundError

__all__ = ["require_eager", "tensorflow"]


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


def require_eager(what: str, instead: str) -> None:
    """Check that variables can be assigned at once.

    Args:
      what: The call, for the message.
      instead: What to do in a graph.

    Raises:
      GraphModeError: If a graph is being built.

    Example:
      >>> require_eager("restore()", "build the model first")
    """
    tf = tensorflow()
    if not tf.executing_eagerly():
        raise GraphModeError(
            f"{what} assigns to variables at once, but a graph is being built here (a "
            f"tf.Graph, a tf.function, or TF1 behavior); {instead}"
        )
