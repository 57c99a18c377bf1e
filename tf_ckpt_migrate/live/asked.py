"""What a ``tf.compat.v1.train.Saver`` asks a checkpoint for: names, dtypes, shapes.

In a graph that stands in its restore operations, the only place that knows in every
case: also of a saver that came with an imported graph, or that saves other objects than
variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TargetError, capped
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import saveables_of
from tf_ckpt_migrate.live.variables import name_of

__all__ = [
    "Specs",
    "asked_by_operations",
    "asked_by_variables",
    "restoring_operations",
]

Specs: TypeAlias = dict[str, TensorSpec | None]

_KNOWN = frozenset(map(int, DType))
_RESTORING = ("RestoreV2", "Restore", "RestoreSlice")


def asked_by_operations(restore_op: Any) -> Specs:
    """Return the names that a graph's restore operation asks for.

    Args:
      restore_op: What a session runs to restore. Nothing is added to its graph.

    Returns:
      For each name the dtype and shape that its tensor must have; None where the graph
      takes any.

    Example:
      >>> import tensorflow as tf
      >>> with tf.Graph().as_default() as graph:
      ...     w = tf.compat.v1.get_variable("w", [2])
      ...     saver = tf.compat.v1.train.Saver([w])
      ...     op = graph.get_operation_by_name(saver.saver_def.restore_op_name)
      >>> print(asked_by_operations(op)["w"])
      float32[2]
    """
    asked: Specs = {}
    before = [*_upstream(restore_op)]
    shapes = dict(filter(None, map(_assigned, before)))
    for op in before:
        if op.type not in _RESTORING:
            continue
        names, slices = _texts(op.inputs[1]), [""] * len(op.outputs)
        if op.type != "Restore":
            slices = _texts(op.inputs[2])
        for name, piece, output in zip(names, slices, op.outputs, strict=True):
            shape = _whole_shape(piece) if piece else shapes.get(output.name)
            asked[name] = asked.get(name) or _spec(output.dtype, shape)
    return asked


def restoring_operations(restore_op: Any, name: str) -> tuple[Any, Any]:
    """Return the operation that reads the tensor of a name, and that which assigns it.

    Args:
      restore_op: What a session runs to restore.
      name: One that it asks for.

    Example:
      >>> import tensorflow as tf
      >>> with tf.Graph().as_default() as graph:
      ...     w = tf.compat.v1.get_variable("w", [2], use_resource=False)
      ...     saver = tf.compat.v1.train.Saver([w])
      ...     op = graph.get_operation_by_name(saver.saver_def.restore_op_name)
      >>> print(*(each.type for each in restoring_operations(op, "w")))
      RestoreV2 Assign
    """
    before = [*_upstream(restore_op)]
    for op in before:
        if op.type in _RESTORING and name in (names := _texts(op.inputs[1])):
            output = op.outputs[names.index(name)].name
            assigns = (e for e in before if (to := _assigned(e)) and to[0] == output)
            return op, next(assigns, op)
    return restore_op, restore_op


def asked_by_variables(var_list: Any, *, reshape: bool = False) -> Specs:
    """Return the names that a saver of these variables asks for in eager mode.

    Args:
      var_list: Of the saver: variables or other objects that can be saved, by name or
        in a list.
      reshape: Whether the saver gives a tensor the shape of its variable.

    Raises:
      TargetError: If several variables of a list have one name.
      TypeError: If it is neither a dict nor a list.
      ValueError: If it has what cannot be saved.

    Example:
      >>> import tensorflow as tf
      >>> print(asked_by_variables({"w": tf.Variable([1.0, 2.0])})["w"])
      float32[2]
    """
    _check_distinct(var_list)
    asked: Specs = {}
    for saveable in saveables_of(var_list):
        for spec in saveable.specs:
            if spec.slice_spec:
                shape = _whole_shape(spec.slice_spec)
            elif reshape:
                shape = None
            else:
                whole = getattr(saveable.op, "shape", None)
                shape = _static(whole) if len(saveable.specs) == 1 else None
            asked[spec.name] = _spec(spec.dtype, shape)
    return asked


def _check_distinct(var_list: Any) -> None:
    """Check that names tell variables apart, which in eager mode they need not."""
    if not isinstance(var_list, list | tuple):
        return
    places: dict[str, list[tuple[int, Any]]] = {}
    for place, each in enumerate(var_list):
        if isinstance(each, tensorflow().Variable) and all(
            each is not other for _, other in places.get(name_of(each), ())
        ):
            places.setdefault(name_of(each), []).append((place, each))
    twice = [
        f"{name!r} is the name of "
        + " and ".join(f"var_list[{n}] {tuple(v.shape)}" for n, v in found)
        for name, found in places.items()
        if len(found) > 1
    ]
    if twice:
        raise TargetError(
            f"several variables have one name: {'; '.join(capped(twice))}. In eager "
            "mode names need not differ: give a dict with a name for each, "
            "Saver({'name': variable, …})"
        )


def _upstream(operation: Any) -> Iterator[Any]:
    """Yield an operation and all that run before it."""
    seen, queue = {operation.name}, [operation]
    for op in queue:
        yield op
        before = [*(tensor.op for tensor in op.inputs), *op.control_inputs]
        for each in before:
            if each.name not in seen:
                seen.add(each.name)
                queue.append(each)


def _texts(tensor: Any) -> list[str]:
    import numpy as np

    value = tensorflow().get_static_value(tensor)
    if value is None:
        raise TargetError(
            f"the names in {tensor.name!r} are computed when the graph runs, so which "
            "tensors the saver asks for cannot be known before"
        )
    return [bytes(text).decode() for text in np.atleast_1d(value)]


def _whole_shape(slice_spec: str) -> tuple[int, ...]:
    """Return the shape of the variable of which a part is asked: ``10 3 2,5:-``."""
    return tuple(int(length) for length in slice_spec.split()[:-1])


def _assigned(op: Any) -> tuple[str, tuple[int, ...] | None] | None:
    """Return which tensor an operation assigns, and the shape of the variable."""
    if op.type == "Assign":
        checks = op.get_attr("validate_shape")
        shape = _static(op.inputs[0].shape) if checks else None
    elif op.type == "AssignVariableOp" and op.inputs[0].op.type == "VarHandleOp":
        shape = _static(op.inputs[0].op.get_attr("shape"))
    else:
        return None
    value = op.inputs[1]
    while value.op.type == "Identity":
        value = value.op.inputs[0]
    return value.name, shape


def _static(shape: Any) -> tuple[int, ...] | None:
    shape = tensorflow().TensorShape(shape)
    return tuple(map(int, shape)) if shape.is_fully_defined() else None


def _spec(dtype: Any, shape: tuple[int, ...] | None) -> TensorSpec | None:
    if shape is None:
        return None
    number = dtype.base_dtype.as_datatype_enum
    return TensorSpec(DType(number), shape) if number in _KNOWN else None
