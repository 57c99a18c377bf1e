"""Errors of ours that are also those which TensorFlow raises in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.conversion.misses import MISFIT
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["MismatchError", "MissingTensorError", "as_tensorflows"]

_errors = tensorflow().errors  # the classes here are of its classes


class MissingTensorError(PlanError, _errors.NotFoundError):
    """A variable has no tensor in the checkpoint, or a rule nothing to assign."""

    def __init__(
        self, node_def: Any, op: Any, message: str, problems: Sequence[str] = ()
    ) -> None:
        """Be both errors; ``node_def`` and ``op`` are TensorFlow's, and None."""
        PlanError.__init__(self, message, problems)
        _errors.NotFoundError.__init__(self, node_def, op, message)


class MismatchError(PlanError, _errors.InvalidArgumentError):
    """A variable and its tensor differ in dtype or shape."""

    def __init__(
        self, node_def: Any, op: Any, message: str, problems: Sequence[str] = ()
    ) -> None:
        """Be both errors; ``node_def`` and ``op`` are TensorFlow's, and None."""
        PlanError.__init__(self, message, problems)
        _errors.InvalidArgumentError.__init__(self, node_def, op, message)


def as_tensorflows(error: PlanError) -> PlanError:
    """Return the error that is of TensorFlow's kind too.

    Example:
      >>> import tensorflow as tf
      >>> error = PlanError("no w", ["unmet target: 'w'"])
      >>> isinstance(as_tensorflows(error), tf.errors.NotFoundError)
      True
    """
    fits = [problem.startswith(MISFIT) for problem in error.problems]
    kind = MismatchError if fits and all(fits) else MissingTensorError
    return kind(None, None, str(error), error.problems)
