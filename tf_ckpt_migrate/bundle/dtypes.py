"""The dtypes a checkpoint can hold, by TensorFlow's numbers and names.

The numbers are those of ``tensorflow/core/framework/types.proto`` (``DataType``), the
member names those of ``tf.DType.name``. Because a member is its number, it compares
equal to TensorFlow's own dtype object: ``DType.float32 == tf.float32``.
"""

from __future__ import annotations

import enum
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import CorruptCheckpointError, UnsupportedDTypeError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DType", "TensorSpec", "dtype_of", "is_possible", "parse_spec"]

_MAX_RANK = 254  # TensorShape::MaxDimensions
_MAX_NUMPY_RANK = 32  # before NumPy 2
_MAX_ELEMENTS = 1 << 59  # of 16 bytes: NumPy's arrays, empty ones too, have no more
_LENGTH = re.compile(r"\d{1,19}", re.ASCII)
_SPEC = re.compile(r"(\w+)\[((?:\d{1,19}(?:, ?\d{1,19})*)?)\]", re.ASCII)


class DType(enum.IntEnum):
    """A tensor's dtype, numbered and named as TensorFlow does.

    Example:
      >>> DType.bfloat16.itemsize
      2
      >>> DType(1).name
      'float32'
    """

    float32 = 1
    float64 = 2
    int32 = 3
    uint8 = 4
    int16 = 5
    int8 = 6
    string = 7
    complex64 = 8
    int64 = 9
    bool = 10
    qint8 = 11
    quint8 = 12
    qint32 = 13
    bfloat16 = 14
    qint16 = 15
    quint16 = 16
    uint16 = 17
    complex128 = 18
    float16 = 19
    resource = 20
    variant = 21
    uint32 = 22
    uint64 = 23
    float8_e5m2 = 24
    float8_e4m3fn = 25
    float8_e4m3fnuz = 26
    float8_e4m3b11fnuz = 27
    float8_e5m2fnuz = 28
    int4 = 29
    uint4 = 30
    int2 = 31
    uint2 = 32
    float4_e2m1fn = 33

    @property
    def itemsize(self) -> int:
        """Bytes of one element in a data shard; 0 where elements have no fixed size."""
        return _ITEMSIZE[self]

    @property
    def as_numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of values read, as ``tf.DType.as_numpy_dtype`` gives it.

        Raises:
          UnsupportedDTypeError: For resource and variant, and for a dtype that the
            installed ml-dtypes is too old to know.
        """
        return _numpy_dtype(self)


# Sub-byte types are stored one element to the byte.
_ITEMSIZE = {
    **dict.fromkeys(DType, 1),
    **dict.fromkeys([DType.string, DType.resource, DType.variant], 0),
    **dict.fromkeys(
        [
            *[DType.int16, DType.uint16, DType.qint16, DType.quint16],
            *[DType.float16, DType.bfloat16],
        ],
        2,
    ),
    **dict.fromkeys([DType.float32, DType.int32, DType.uint32, DType.qint32], 4),
    **dict.fromkeys([DType.float64, DType.int64, DType.uint64, DType.complex64], 8),
    DType.complex128: 16,
}

# Quantized values come as TensorFlow's reader gives them: plain integers.
_QUANTIZED = {
    DType.qint8: "i1",
    DType.quint8: "u1",
    DType.qint16: "<i2",
    DType.quint16: "<u2",
    DType.qint32: "<i4",
}


class TensorSpec(NamedTuple):
    """What is known of a tensor without its values.

    Attributes:
      dtype: Its dtype.
      shape: Its static shape, one length per dimension.

    Example:
      >>> str(TensorSpec(DType.float32, (2, 3)))
      'float32[2, 3]'
    """

    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values in a data shard; 0 for strings: the file knows."""
        return self.size * self.dtype.itemsize

    def check_rank(self, where: str) -> None:
        """Refuse to make an array of more dimensions than NumPy's have.

        Args:
          where: What to name in an error: the tensor.

        Raises:
          UnsupportedDTypeError: If there are more.
        """
        if len(self.shape) > _MAX_NUMPY_RANK:
            raise UnsupportedDTypeError(
                f"{where}: {len(self.shape)} dimensions; a NumPy array has at most "
                f"{_MAX_NUMPY_RANK}"
            )

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


def _numpy_dtype(dtype: DType) -> np.dtype[Any]:
    import numpy as np  # a listing of names never needs it

    if dtype in (DType.resource, DType.variant):
        raise UnsupportedDTypeError(
            f"values of dtype {dtype.name} have no NumPy form; only the TensorFlow "
            "program that saved them can restore them"
        )
    if dtype is DType.string:
        return np.dtype(object)
    if dtype in _QUANTIZED:
        return np.dtype(_QUANTIZED[dtype])
    try:
        return np.dtype(dtype.name)
    except TypeError:
        return _ml_dtype(dtype)


def _ml_dtype(dtype: DType) -> np.dtype[Any]:
    import ml_dtypes
    import numpy as np

    # ml-dtypes before 0.4 knew this one under its first name.
    names = [dtype.name, "float8_e4m3b11"] if "b11" in dtype.name else [dtype.name]
    for name in names:
        if hasattr(ml_dtypes, name):
            return np.dtype(getattr(ml_dtypes, name))
    raise UnsupportedDTypeError(
        f"ml-dtypes {ml_dtypes.__version__} does not know {dtype.name}; "
        "run `pip install -U ml-dtypes` to read such values"
    )


def parse_spec(text: str) -> TensorSpec | None:
    """Return the spec that ``str(spec)`` gave; None for other text.

    Example:
      >>> print(parse_spec("float32[2, 3]"), parse_spec("float33[2, 3]"))
      float32[2, 3] None
    """
    found = _SPEC.fullmatch(text)
    if not found or found[1] not in DType.__members__:
        return None
    return TensorSpec(DType[found[1]], tuple(map(int, _LENGTH.findall(found[2]))))


def is_possible(shape: tuple[int, ...]) -> bool:
    """Return whether a tensor can have this shape.

    Example:
      >>> is_possible((2, 0)), is_possible((-1,)), is_possible((2**40, 2**40))
      (True, False, False)
    """
    return (
        len(shape) <= _MAX_RANK
        and min(shape, default=0) >= 0
        and math.prod(length or 1 for length in shape) < _MAX_ELEMENTS
    )


def dtype_of(number: int, where: str) -> DType:
    """Return the dtype of a number found in a file.

    Args:
      number: The value of a ``DataType`` field.
      where: What to name in the error: the file and the key.

    Returns:
      The dtype.

    Raises:
      CorruptCheckpointError: For a number that is no dtype.
    """
    try:
        return DType(number)
    except ValueError:
        raise CorruptCheckpointError(
            f"{where}: {number} is not the number of a dtype TensorFlow can save"
        ) from None
