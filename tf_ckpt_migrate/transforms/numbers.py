"""Transforms of numbers: cast, scale, shift, fill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import (
    Transform,
    dtype_named,
    integers,
    real_number,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["INITIALIZERS", "RANDOM", "Cast", "Fill", "Scale", "Shift", "initial_values"]


_FLOATS = {DType.float16, DType.bfloat16, DType.float32, DType.float64}
_INTEGERS = {DType.int32, DType.int64}


@dataclass(frozen=True)
class Fill(Transform, op="fill"):
    """Makes a tensor of the same dtype and shape in which every element is one number.

    Attributes:
      value: The number.

    Raises:
      TransformError: If it is none.

    Example:
      >>> import numpy as np
      >>> Fill(0.0)(np.float32([2.0, 4.0])).tolist()
      [0.0, 0.0]
    """

    value: float

    def __post_init__(self) -> None:
        """Check ``value``."""
        real_number("value", self.value)

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec as it is."""
        spec = self._only(*specs)
        if spec.dtype not in _FLOATS | _INTEGERS:
            raise self._misfit("it takes numbers", spec)
        return spec

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.full_like(arrays[0], self.value)


@dataclass(frozen=True)
class Scale(Transform, op="scale"):
    """Multiplies a tensor of floats by a number.

    The product is rounded once, from float64, to the tensor's dtype.

    Attributes:
      factor: The number, not 0.

    Raises:
      TransformError: If it is 0 or no finite number.

    Example:
      >>> import numpy as np
      >>> Scale(-0.5)(np.float32([2.0, 4.0])).tolist()
      [-1.0, -2.0]
    """

    factor: float

    def __post_init__(self) -> None:
        """Check ``factor``."""
        real_number("factor", self.factor)
        if not 0 < abs(self.factor) < float("inf"):
            raise TransformError(f"factor {self.factor!r} must be finite and not 0")

    @property
    def exact(self) -> bool:
        """Whether the factor is a power of 2, which rounds nothing."""
        import math

        return abs(math.frexp(self.factor)[0]) == 0.5

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec as it is."""
        spec = self._only(*specs)
        if spec.dtype not in _FLOATS:
            raise self._misfit("it takes floats", spec)
        return spec

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        values = np.asarray(arrays[0], np.float64) * self.factor
        return np.asarray(values.astype(arrays[0].dtype))

    def inverse(self, *specs: TensorSpec) -> Scale:
        """Return the scale by the reciprocal; it undoes all but the rounding."""
        del specs
        return Scale(1 / self.factor)


@dataclass(frozen=True)
class Shift(Transform, op="shift"):
    """Adds an integer to a tensor of integers, such as a count of steps.

    Attributes:
      offset: The integer.

    Raises:
      TransformError: If it is none.

    Example:
      >>> import numpy as np
      >>> int(Shift(10)(np.int64(7)))
      17
    """

    offset: int

    def __post_init__(self) -> None:
        """Check ``offset``."""
        integers("offset", [self.offset])

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec as it is."""
        spec = self._only(*specs)
        if spec.dtype not in _INTEGERS:
            raise self._misfit("it takes int32 or int64", spec)
        return spec

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.asarray(arrays[0] + arrays[0].dtype.type(self.offset))

    def inverse(self, *specs: TensorSpec) -> Shift:
        """Return the shift back."""
        del specs
        return Shift(-self.offset)


@dataclass(frozen=True)
class Cast(Transform, op="cast"):
    """Converts the values to another dtype, as ``np.ndarray.astype``.

    Attributes:
      dtype: The new dtype, or its name.

    Raises:
      TransformError: If ``dtype`` is no dtype, or one that values cannot be cast to.

    Example:
      >>> half = Cast("bfloat16")
      >>> half
      Cast('bfloat16')
      >>> half.exact_for(TensorSpec(DType.float32, ()))
      False
      >>> half.exact_for(TensorSpec(DType.uint8, ()))
      True
    """

    dtype: DType

    def __post_init__(self) -> None:
        """Look the dtype up."""
        object.__setattr__(self, "dtype", dtype_named(self.dtype))
        if not _is_number(self.dtype):
            raise TransformError(f"values cannot be cast to {self.dtype.name}")

    def __repr__(self) -> str:
        return f"Cast({self.dtype.name!r})"

    @property
    def exact(self) -> bool:
        """False: whether values are rounded depends on what they were."""
        return False

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether every value of the input's dtype is a value of this one."""
        return _holds(self.dtype, self._only(*specs).dtype)

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the new dtype."""
        spec = self._only(*specs)
        if not _is_number(spec.dtype):
            raise self._misfit(f"{spec.dtype.name} holds no numbers", spec)
        return TensorSpec(self.dtype, spec.shape)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].astype(self.dtype.as_numpy_dtype)

    def inverse(self, *specs: TensorSpec) -> Cast | None:
        """Return the cast back, if nothing was rounded."""
        if not specs or not self.exact_for(*specs):
            return None
        return Cast(specs[0].dtype)


# Significant bits and the powers of two between which magnitudes lie (IEEE 754;
# bfloat16 is float32 cut short). What is not here, is not known to hold anything.
_FLOAT_RANGES = {
    DType.float16: (11, -24, 16),
    DType.bfloat16: (8, -133, 128),
    DType.float32: (24, -149, 128),
    DType.float64: (53, -1074, 1024),
}
_PARTS = {DType.complex64: DType.float32, DType.complex128: DType.float64}


def _is_number(dtype: DType) -> bool:
    return dtype not in (DType.string, DType.resource, DType.variant) and (
        "qint" not in dtype.name and "quint" not in dtype.name
    )


def _integer_bits(dtype: DType) -> tuple[int, bool] | None:
    """Return the bits of magnitude and whether it is signed; None for no integer."""
    if dtype is DType.bool:
        return 1, False
    signed = dtype.name.startswith("int")
    digits = dtype.name.removeprefix("u").removeprefix("int")
    return (int(digits) - signed, signed) if digits.isdecimal() else None


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``."""
    if narrow in _PARTS and wide not in _PARTS:
        return False
    wide, narrow = _PARTS.get(wide, wide), _PARTS.get(narrow, narrow)
    if wide is narrow:
        return True
    if wide in _FLOAT_RANGES:
        return _float_holds(wide, narrow)
    bits, of_wide = _integer_bits(narrow), _integer_bits(wide)
    if bits is None or of_wide is None or wide is DType.bool:
        return False
    return bits[0] <= of_wide[0] and bits[1] <= of_wide[1]


def _float_holds(wide: DType, narrow: DType) -> bool:
    digits, low, high = _FLOAT_RANGES[wide]
    bits = _integer_bits(narrow)
    if bits:
        return bits[0] <= digits
    if narrow.name.startswith("float8"):
        return wide in (DType.float32, DType.float64)
    if narrow not in _FLOAT_RANGES:
        return False
    of_narrow = _FLOAT_RANGES[narrow]
    return of_narrow[0] <= digits and low <= of_narrow[1] and of_narrow[2] <= high


_DEFAULT = 0.05  # of Keras' RandomUniform, RandomNormal and TruncatedNormal
# Of a normal distribution that is cut off at two deviations.
_DEVIATION_OF_TRUNCATED = 0.87962566103423978

# Name of a variance scaling: factor, and whether the mean of both fans counts.
_SCALED = {"glorot": (1.0, True), "he": (2.0, False), "lecun": (1.0, False)}
RANDOM = (
    *("uniform", "normal", "truncated_normal"),
    *(f"{name}_{kind}" for name in _SCALED for kind in ("uniform", "normal")),
)
INITIALIZERS = ("zeros", "ones", "constant", "mean", *RANDOM)


def initial_values(  # noqa: PLR0913 what initializers take, by keyword
    kind: str,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    whole: Sequence[int],
    scale: float | None = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Return values as an initializer of TensorFlow makes them.

    Args:
      kind: One of `INITIALIZERS`, but "mean", which needs the tensor.
      shape: How many.
      dtype: Of what dtype.
      whole: The shape of the tensor that they are for, which tells the fans.
      scale: The limit of "uniform", the deviation of "normal" and "truncated_normal"
        (0.05 if None), the value of "constant".
      seed: Of the random numbers.

    Example:
      >>> import numpy as np
      >>> initial_values("constant", (2,), np.dtype("f4"), whole=(9,), scale=0.5)
      array([0.5, 0.5], dtype=float32)
    """
    import numpy as np

    if kind not in RANDOM:
        value = {"zeros": 0, "ones": 1}.get(kind, scale or 0)
        return np.full(shape, value, dtype)
    # Its numbers are the same in every release of NumPy, unlike those of a Generator.
    random = np.random.RandomState(seed)
    name, _, form = kind.rpartition("_")
    if name in _SCALED:
        factor, both = _SCALED[name]
        fan_in, fan_out = _fans(whole)
        variance = factor / max(1.0, (fan_in + fan_out) / 2 if both else fan_in)
        if form == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(-limit, limit, shape).astype(dtype)
        deviation = math.sqrt(variance) / _DEVIATION_OF_TRUNCATED
        return (_truncated(random, shape) * deviation).astype(dtype)
    width = _DEFAULT if scale is None else scale
    if kind == "uniform":
        return random.uniform(-width, width, shape).astype(dtype)
    drawn = (
        random.standard_normal(shape)
        if kind == "normal"
        else (_truncated(random, shape))
    )
    return (drawn * width).astype(dtype)


def _truncated(random: Any, shape: Sequence[int]) -> NDArray[Any]:
    """Return normal numbers; what is beyond two deviations is drawn again."""
    import numpy as np

    values: NDArray[Any] = random.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = random.standard_normal(int(beyond.sum()))
    return values


def _fans(shape: Sequence[int]) -> tuple[float, float]:
    """Return how many inputs and outputs a unit has, as TensorFlow counts them."""
    if len(shape) < 2:
        return (float(shape[0]), float(shape[0])) if shape else (1.0, 1.0)
    field = math.prod(shape[:-2])
    return float(field * shape[-2]), float(field * shape[-1])
