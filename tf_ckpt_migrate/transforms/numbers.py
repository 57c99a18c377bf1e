"""Numbers: what an optimizer remembers, in another's measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers, real_number

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Fill", "Scale", "Shift"]

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
