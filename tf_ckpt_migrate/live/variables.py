"""Variables, of TensorFlow and of every Keras, handled alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.live.framework import (
    is_keras_variable,
    keras_without_tensorflow,
    tensorflow,
)
from tf_ckpt_migrate.naming.keys import parse_partition

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "assign",
    "is_variable",
    "name_of",
    "spec_of_variable",
    "value_of",
    "within",
]


def is_variable(candidate: object) -> bool:
    """Return whether something holds one tensor that can be assigned.

    A Keras 3 variable is not a ``tf.Variable``, so what it can do decides.

    Example:
      >>> import tensorflow as tf
      >>> is_variable(tf.Variable(1.0)), is_variable(tf.constant(1.0))
      (True, False)
    """
    return all(hasattr(candidate, name) for name in ("assign", "dtype", "shape"))


def name_of(variable: Any) -> str:
    """Return the name under which a name-based checkpoint would have a variable.

    Example:
      >>> import tensorflow as tf
      >>> name_of(tf.Variable(1.0, name="net/w"))
      'net/w'
    """
    name = getattr(variable, "path", None)  # Keras 3, whose .name is the last part
    if isinstance(name, str):
        return name
    shards = getattr(variable, "variables", None)  # all whole ones are called alike
    part = parse_partition(name_of(shards[0])) if shards else None
    return part[0] if part else variable.name.partition(":")[0]


def spec_of_variable(variable: Any) -> TensorSpec:
    """Return dtype and shape; of a variable whose shape may change, the present one.

    Example:
      >>> import tensorflow as tf
      >>> str(spec_of_variable(tf.Variable([[1, 2]])))
      'int32[1, 2]'
    """
    if is_keras_variable(variable):
        return TensorSpec(DType[variable.dtype], tuple(map(int, variable.shape)))
    tf = tensorflow()
    dtype = DType(tf.as_dtype(variable.dtype).base_dtype.as_datatype_enum)
    shape = tf.TensorShape(variable.shape)
    if not shape.is_fully_defined():
        shape = tf.shape(variable).numpy()
    return TensorSpec(dtype, tuple(map(int, shape)))


def value_of(tensor: Any) -> Array:
    """Return the value of a variable or tensor as an array.

    Example:
      >>> import tensorflow as tf
      >>> value_of(tf.Variable(["a"])).tolist()
      [b'a']
    """
    import numpy as np

    keras = keras_without_tensorflow()
    if keras is not None and is_keras_variable(tensor):
        return np.asarray(keras.ops.convert_to_numpy(tensor.value))
    tf = tensorflow()
    value = tf.convert_to_tensor(tensor)
    array = value.numpy()
    if value.dtype == tf.string:  # of a scalar TensorFlow gives the bytes themselves
        whole = np.empty(value.shape, object)
        whole[...] = array
        return whole
    return np.asarray(array)


def assign(variable: Any, value: Array) -> None:
    """Give a variable its value; it is copied.

    Example:
      >>> import numpy as np, tensorflow as tf
      >>> variable = tf.Variable([0.0])
      >>> assign(variable, np.ones(1, np.float32))
      >>> variable.numpy().tolist()
      [1.0]
    """
    if is_keras_variable(variable) or not isinstance(variable, tensorflow().Variable):
        variable.assign(value)
    else:
        variable.assign(value, read_value=False)


def within(variable: Any) -> Any:
    """Return the ``tf.Variable`` in a variable of Keras 3; anything else as it is.

    Example:
      >>> import tensorflow as tf
      >>> variable = tf.Variable(1.0)
      >>> within(variable) is variable
      True
    """
    if not is_keras_variable(variable):
        return variable
    inner = variable.value  # an array where the backend is another than TensorFlow
    return inner if is_variable(inner) else variable
