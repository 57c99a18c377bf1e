"""Errors of a saver's restore: of the classes, and with the sentences, of TensorFlow's.

Programs catch ``tf.errors.NotFoundError`` and ``tf.errors.InvalidArgumentError``, and
read names out of their messages. Neither is a ``ValueError``, which TensorFlow's Saver
keeps for a path without a checkpoint.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.misses import Misses
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointReplacedError,
    CorruptCheckpointError,
    MissingShardError,
    PlanError,
    TruncatedFileError,
)
from tf_ckpt_migrate.live.asked import restoring_operations
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import with_restore_advice
from tf_ckpt_migrate.names.unaccounted import Unaccounted

__all__ = ["MismatchError", "MissingTensorError", "as_tensorflows", "restore_error"]

_errors = tensorflow().errors  # the classes here are of its classes


class _RestoreError(CheckpointError):
    """What both errors of `Saver.restore` have.

    Attributes:
      problems: As of `PlanError`: every finding, one line of text each.
    """

    message: str  # of `tf.errors.OpError`

    def __init__(
        self, node_def: Any, op: Any, message: str, problems: Sequence[str] = ()
    ) -> None:
        """Take what every error of TensorFlow takes, and the findings."""
        super().__init__(node_def, op, message)
        self.problems: tuple[str, ...] = tuple(problems)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # An operation belongs to a graph of this process.
        return type(self), (None, None, self.message, self.problems)


class MissingTensorError(_RestoreError, _errors.NotFoundError):
    """A variable has no tensor in the checkpoint, or a rule nothing to assign."""


class MismatchError(_RestoreError, _errors.InvalidArgumentError):
    """A variable and its tensor differ in dtype or shape."""


def restore_error(
    error: PlanError, reader: CheckpointReader, asked: Sequence[str], restore_op: Any
) -> Exception:
    """Return the error that a saver raises where a checkpoint does not fit it.

    Args:
      error: What planning found.
      reader: The checkpoint.
      asked: The names that the saver asks for.
      restore_op: What a session runs to restore; None in eager mode.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.misses import Misses
      >>> with example_checkpoint({"v": [1.0]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     plan_error = PlanError("", ["missing target: 'w'"], Misses(("w",), ()))
      ...     error = restore_error(plan_error, reader, ["w"], None)
      >>> isinstance(error, tf.errors.NotFoundError), "Key w not found" in str(error)
      (True, True)
    """
    misses = error.details
    if not isinstance(misses, Misses):  # of rules, which TensorFlow's Saver has not
        return MissingTensorError(None, None, str(error), error.problems)
    if misses.missing and reader.object_graph is not None:
        text = f"{error}\n\n{_names_that_differ(misses.missing, asked, reader)}"
        return MissingTensorError(None, None, text, error.problems)
    dtypes = [each for each in misses.misfits if each[1].dtype != each[2].dtype]
    if misses.missing:
        kind, name = MissingTensorError, min(misses.missing)
        cause = "a Variable name or other graph key that is missing"
        text = f"Key {name} not found in checkpoint"
    else:
        name, found, wanted = (dtypes or misses.misfits)[0]
        if not dtypes and restore_op is None:
            text = (
                f"Received incompatible tensor with shape {_tuple(found)} when "
                f"attempting to restore variable with shape {_tuple(wanted)} and name "
                f"{name}."
            )
            return PlanError(f"{error}\n\n{text}", error.problems, misses)
        kind, cause = (
            MismatchError,
            "a mismatch between the current graph and the graph",
        )
        text = "\n".join(_other_dtype(*each) for each in dtypes) or (
            "Assign requires shapes of both tensors to match. lhs shape= "
            f"{_list(wanted)} rhs shape= {_list(found)}"
        )
    op = None
    if restore_op is not None:
        reading, assigning = restoring_operations(restore_op, name)
        op = reading if misses.missing or dtypes else assigning
    node_def = None if op is None else op.node_def
    advice = with_restore_advice(kind(node_def, op, text), cause)
    return kind(node_def, op, f"{error}\n\n{advice}", error.problems)


def _names_that_differ(
    missing: Sequence[str], asked: Sequence[str], reader: CheckpointReader
) -> str:
    """Return which names an object-based checkpoint has, in TensorFlow's words."""
    graph = reader.object_graph
    names = {*graph.full_names().values()} if graph else set[str]()
    gone = names.difference(asked)
    return (
        f"Existing variables not in the checkpoint: {', '.join(sorted(missing))}\n\n"
        "Variables names when this checkpoint was written which don't exist now: "
        f"{', '.join(sorted(gone))}\n\n"
        f"({len(names) - len(gone)} variable name(s) did match)\n\n"
        "Could not find some variables in the checkpoint (see names above)."
    )


def _other_dtype(name: str, found: TensorSpec, wanted: TensorSpec) -> str:
    return (
        f"tensor_name = {name}; expected dtype {_dtype_in_messages(wanted)} does not "
        f"equal original dtype {_dtype_in_messages(found)}"
    )


def _dtype_in_messages(spec: TensorSpec) -> str:
    names = {"float32": "float", "float64": "double", "float16": "half"}
    return names.get(spec.dtype.name, spec.dtype.name)


def _list(spec: TensorSpec) -> str:
    return f"[{','.join(map(str, spec.shape))}]"


def _tuple(spec: TensorSpec) -> str:
    return str(tensorflow().TensorShape(spec.shape))


def as_tensorflows(error: CheckpointError) -> CheckpointError:
    """Return the error that is also one which TensorFlow raises in its place.

    Example:
      >>> import tensorflow as tf
      >>> error = PlanError("no w", ["missing target: 'w'"])
      >>> isinstance(as_tensorflows(error), tf.errors.NotFoundError)
      True
    """
    if isinstance(error, PlanError):
        details = error.details
        if _is_mismatch(details):
            return MismatchError(None, None, str(error), error.problems)
        if _is_missing(details) or details is None:
            return MissingTensorError(None, None, str(error), error.problems)
        return error  # of rules, which the original does not have
    for ours, theirs in _KINDS.items():
        if isinstance(error, ours) and not isinstance(error, theirs):
            own = next(each for each in type(error).__mro__ if each in _KINDS)
            return _class_of_both(own, theirs)(None, None, str(error))
    return error


def _is_mismatch(details: object) -> bool:
    """Return whether nothing is wrong but dtypes, and perhaps shapes.

    Of shapes alone the original makes a ValueError, as a PlanError is.
    """
    if isinstance(details, Misses):
        others: bool = bool(details.missing)
        pairs = [(found, wanted) for _, found, wanted in details.misfits]
    elif isinstance(details, Unaccounted):
        others = bool(details.sources or details.targets or details.others)
        pairs = [(move.spec, wanted) for move, wanted in details.differing]
    else:
        return False
    return not others and any(found.dtype != wanted.dtype for found, wanted in pairs)


def _is_missing(details: object) -> bool:
    """Return whether variables have no tensor, and no rule is wrong."""
    if isinstance(details, Misses):
        return bool(details.missing)
    if not isinstance(details, Unaccounted) or details.others:
        return False
    return bool(details.targets) and not details.differing


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

    members = {
        "__init__": initialize,
        "__doc__": ours.__doc__,
        "_in_tensorflow": theirs.__name__,  # the class that it has already
    }
    return type(ours.__name__, (ours, theirs), {**members, "__str__": theirs.__str__})
