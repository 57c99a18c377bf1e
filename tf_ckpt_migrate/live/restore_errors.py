"""Errors of ours that are also those which TensorFlow raises in their place."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.conversion.misses import MISFIT
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointReplacedError,
    CorruptCheckpointError,
    MissingShardError,
    PlanError,
    TruncatedFileError,
)
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


def as_tensorflows(error: CheckpointError) -> CheckpointError:
    """Return the error that is also one which TensorFlow raises in its place.

    Example:
      >>> import tensorflow as tf
      >>> error = PlanError("no w", ["unmet target: 'w'"])
      >>> isinstance(as_tensorflows(error), tf.errors.NotFoundError)
      True
    """
    if isinstance(error, _errors.OpError):
        return error
    if isinstance(error, PlanError):
        fits = [problem.startswith(MISFIT) for problem in error.problems]
        kind = MismatchError if fits and all(fits) else MissingTensorError
        return kind(None, None, str(error), error.problems)
    for ours, theirs in _KINDS.items():
        if isinstance(error, ours):
            return _class_of_both(type(error), theirs)(None, None, str(error))
    return error


_KINDS: dict[type[CheckpointError], Any] = {
    CheckpointNotFoundError: _errors.NotFoundError,
    CheckpointReplacedError: _errors.NotFoundError,
    MissingShardError: _errors.NotFoundError,
    TruncatedFileError: _errors.OutOfRangeError,
    CorruptCheckpointError: _errors.DataLossError,
}


@functools.cache
def _class_of_both(ours: type[CheckpointError], theirs: Any) -> Any:
    """Return a class of errors that are of two kinds, called as the first is."""

    def initialize(self: Any, node_def: Any, op: Any, message: str) -> None:
        theirs.__init__(self, node_def, op, message)

    members = {"__init__": initialize, "__doc__": ours.__doc__}
    return type(ours.__name__, (ours, theirs), {**members, "__str__": theirs.__str__})
