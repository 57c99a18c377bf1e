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
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointReplacedError,
    CorruptCheckpointError,
    MissingShardError,
    PlanError,
    TruncatedFileError,
)
from tf_ckpt_migrate.findings import Finding
from tf_ckpt_migrate.live.asked import restoring_operations
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import with_restore_advice

__all__ = ["MismatchError", "MissingTensorError", "as_tensorflows", "restore_error"]

_errors = tensorflow().errors  # the classes here are of its classes


class _RestoreError(CheckpointError):
    """What both errors of `Saver.restore` have.

    Attributes:
      findings: Same as in `PlanError`: each thing that is wrong, as a value.
    """

    message: str  # of `tf.errors.OpError`

    def __init__(
        self, node_def: Any, op: Any, message: str, findings: Sequence[Finding] = ()
    ) -> None:
        """Take what every error of TensorFlow takes, and the findings."""
        super().__init__(node_def, op, message)
        self.findings: tuple[Finding, ...] = tuple(findings)

    @property
    def problems(self) -> tuple[str, ...]:
        """The findings as text, one line each."""
        return tuple(finding.text for finding in self.findings)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # An operation belongs to a graph of this process.
        return type(self), (None, None, self.message, self.findings)


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
      >>> from tf_ckpt_migrate.findings import Finding
      >>> with example_checkpoint({"v": [1.0]}) as prefix:
      ...     reader = CheckpointReader(prefix)
      ...     plan_error = PlanError("", [Finding("missing", "", target="w")])
      ...     error = restore_error(plan_error, reader, ["w"], None)
      >>> isinstance(error, tf.errors.NotFoundError), "Key w not found" in str(error)
      (True, True)
    """
    found = error.findings
    missing = [each.target for each in found if each.kind == "missing" and each.target]
    misfits = [each for each in found if each.kind in _MISFITS]
    if len(missing) + len(misfits) < max(1, len(found)):  # rules, unknown to TensorFlow
        return MissingTensorError(None, None, str(error), error.findings)
    if missing and reader.object_graph is not None:
        text = f"{error}\n\n{_names_that_differ(missing, asked, reader)}"
        return MissingTensorError(None, None, text, error.findings)
    dtypes = [each for each in misfits if each.kind == "dtype"]
    if missing:
        kind, name = MissingTensorError, min(missing)
        cause = "a Variable name or other graph key that is missing"
        text = f"Key {name} not found in checkpoint"
    else:
        first = (dtypes or misfits)[0]
        name, spec, wanted = first.target, first.spec, first.expected
        if not dtypes and restore_op is None:
            text = (
                f"Received incompatible tensor with shape {_tuple(spec)} when "
                f"attempting to restore variable with shape {_tuple(wanted)} and name "
                f"{name}."
            )
            return PlanError(f"{error}\n\n{text}", error.findings)
        kind, cause = (
            MismatchError,
            "a mismatch between the current graph and the graph",
        )
        text = "\n".join(_other_dtype(each) for each in dtypes) or (
            "Assign requires shapes of both tensors to match. lhs shape= "
            f"{_list(wanted)} rhs shape= {_list(spec)}"
        )
    op = None
    if restore_op is not None:
        reading, assigning = restoring_operations(restore_op, name)
        op = reading if missing or dtypes else assigning
    node_def = None if op is None else op.node_def
    advice = with_restore_advice(kind(node_def, op, text), cause)
    return kind(node_def, op, f"{error}\n\n{advice}", error.findings)


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


def _other_dtype(finding: Finding) -> str:
    expected, found = map(_dtype_in_messages, (finding.expected, finding.spec))
    return (
        f"tensor_name = {finding.target}; expected dtype {expected} does not equal "
        f"original dtype {found}"
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
      >>> error = PlanError("no w")
      >>> isinstance(as_tensorflows(error), tf.errors.NotFoundError)
      True
    """
    if isinstance(error, PlanError):
        kinds = {each.kind for each in error.findings}
        if "dtype" in kinds and kinds <= _MISFITS:
            return MismatchError(None, None, str(error), error.findings)
        if kinds <= _ABSENT and (not kinds or "missing" in kinds):
            return MissingTensorError(None, None, str(error), error.findings)
        return error  # of rules, which the original does not have
    for ours, theirs in _KINDS.items():
        if isinstance(error, ours) and not isinstance(error, theirs):
            own = next(each for each in type(error).__mro__ if each in _KINDS)
            return _class_of_both(own, theirs)(None, None, str(error))
    return error


_MISFITS = {"dtype", "shape"}
_ABSENT = {"missing", "unused", "no_target"}
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
