"""Changes of dtype, and whether they round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, dtype_named

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Cast"]


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
_FLOATS = {
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
    if wide in _FLOATS:
        return _float_holds(wide, narrow)
    bits, of_wide = _integer_bits(narrow), _integer_bits(wide)
    if bits is None or of_wide is None or wide is DType.bool:
        return False
    return bits[0] <= of_wide[0] and bits[1] <= of_wide[1]


def _float_holds(wide: DType, narrow: DType) -> bool:
    digits, low, high = _FLOATS[wide]
    bits = _integer_bits(narrow)
    if bits:
        return bits[0] <= digits
    if narrow.name.startswith("float8"):
        return wide in (DType.float32, DType.float64)
    if narrow not in _FLOATS:
        return False
    of_narrow = _FLOATS[narrow]
    return of_narrow[0] <= digits and low <= of_narrow[1] and of_narrow[2] <= high
