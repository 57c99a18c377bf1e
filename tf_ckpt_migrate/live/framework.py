"""TensorFlow, imported in this one place and only when it is needed.

So the functions of this floor can be imported, listed and documented where TensorFlow
is not installed; only calling one says that it is missing.
"""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.errors import TensorFlowNotFoundError

__all__ = ["tensorflow"]


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
