"""Steps of training: TF1's Adam counts them by powers of its betas.

It begins with ``beta2_power = beta2`` and multiplies by beta2 at every step, in the
dtype of the variables. The same products, one after the other, tell the count exactly,
where a logarithm would be off by the rounding of all of them. A power that has become
denormal is flushed to 0 and tells nothing any more: with 0.9 that is after 828 steps,
with 0.999 after some 87,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, dtype_named, real_number
from tf_ckpt_migrate.transforms.numbers import Cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["CastSteps", "PowerCount", "PowerOfSteps", "StepsOfPowers", "steps_of_power"]

_MOST = 10_000_000  # products: 40 MB, a beta of 0.99999
_DTYPES = (DType.float32, DType.float64)
_COUNTS = (DType.int32, DType.int64)


class PowerCount(NamedTuple):
    """What a power says.

    Attributes:
      steps: The count whose power is the nearest.
      fits: Whether that power is this one, so that beta must be right.
    """

    steps: int
    fits: bool


def steps_of_power(power: Array, beta: float) -> PowerCount | None:
    """Return how many steps a power of beta stands for; None if it is 0.

    Args:
      power: A scalar, as TF1 saved it.
      beta: What it is a power of.

    Raises:
      TransformError: If ``beta`` is not between 0 and 1, or the power is no power.

    Example:
      >>> import numpy as np
      >>> steps_of_power(np.float32(0.9) * np.float32(0.9), 0.9)
      PowerCount(steps=1, fits=True)
    """
    import numpy as np

    value = float(power)
    if not 0 <= value < 1:
        raise TransformError(f"{value!r} is no power of {beta!r}")
    if value < np.finfo(power.dtype).tiny:
        return None
    products = _products(beta, power.dtype, value)
    at = int(np.searchsorted(-products, -value))
    near = [i for i in (at - 1, at) if 0 <= i < len(products)]
    steps = min(near, key=lambda i: abs(float(products[i]) - value))
    return PowerCount(steps, bool(products[steps] == power))


def _products(beta: float, dtype: np.dtype[Any], lowest: float) -> NDArray[Any]:
    """Return beta, beta * beta and so on, rounded each time, to below ``lowest``."""
    import math

    import numpy as np

    if not 0 < beta < 1 or not 0 < float(dtype.type(beta)) < 1:
        raise TransformError(f"beta {beta!r} must be between 0 and 1")
    count = math.ceil(1.01 * math.log(lowest) / math.log(float(dtype.type(beta)))) + 2
    count = min(max(count, 2), _MOST)
    return np.multiply.accumulate(np.full(count, beta, dtype))


@dataclass(frozen=True)
class StepsOfPowers(Transform, op="steps_of_powers"):
    """Makes the count of steps out of powers; the first that is not 0 tells it.

    A count itself may come after the powers, and tells it when they are all 0.

    Attributes:
      betas: What each power is one of: give beta2 first, whose power lasts longer.

    Raises:
      TransformError: If one is not between 0 and 1.

    Example:
      >>> import numpy as np
      >>> int(StepsOfPowers((0.999, 0.9))(np.float32(0.999), np.float32(0.9)))
      0
    """

    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the betas."""
        betas = (real_number("each of betas", beta) for beta in self.betas)
        object.__setattr__(self, "betas", tuple(map(float, betas)))
        if not self.betas or not all(0 < beta < 1 for beta in self.betas):
            raise TransformError(f"betas {self.betas} must be between 0 and 1")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return an int64 scalar."""
        count = len(self.betas)
        powers, counts = specs[:count], specs[count:]
        fit = [spec.dtype in _DTYPES for spec in powers]
        fit += [spec.dtype in _COUNTS for spec in counts]
        scalar = not any(spec.shape for spec in specs)
        if len(powers) < count or len(counts) > 1 or not (scalar and all(fit)):
            raise self._misfit(
                "it takes a float scalar for each beta, and then a count or none",
                *specs,
            )
        return TensorSpec(DType.int64, ())

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        for power, beta in zip(arrays, self.betas, strict=False):
            count = steps_of_power(power, beta)
            if count is not None:
                return np.asarray(count.steps, np.int64)
        if len(arrays) > len(self.betas):
            return np.asarray(arrays[-1], np.int64)
        raise TransformError(f"{self!r}: every power is 0, which tells no steps")

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...]:
        """Return what makes each of the powers, and the count, out of the count."""
        pairs = zip(self.betas, specs, strict=False)
        powers = [PowerOfSteps(beta, spec.dtype) for beta, spec in pairs]
        counts = [Cast(spec.dtype) for spec in specs[len(powers) :]]
        return (*powers, *counts)


@dataclass(frozen=True)
class PowerOfSteps(Transform, op="power_of_steps"):
    """Makes the power of beta that TF1 has after a count of steps.

    Attributes:
      beta: The base.
      dtype: Of the power: float32, or float64 where the variables are.

    Raises:
      TransformError: If one of them is none.

    Example:
      >>> import numpy as np
      >>> float(PowerOfSteps(0.5)(np.int64(2)))
      0.125
    """

    beta: float
    dtype: DType = DType.float32

    def __post_init__(self) -> None:
        """Check beta and dtype."""
        object.__setattr__(self, "dtype", dtype_named(self.dtype))
        if not 0 < self.beta < 1 or self.dtype not in _DTYPES:
            raise TransformError(f"{self!r}: beta is between 0 and 1, dtype a float")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return a scalar of ``dtype``."""
        spec = self._only(*specs)
        if spec.shape or spec.dtype not in _COUNTS:
            raise self._misfit("it takes a count of steps", spec)
        return TensorSpec(self.dtype, ())

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        dtype, steps = np.dtype(self.dtype.name), int(arrays[0])
        tiny = float(np.finfo(dtype).tiny)
        products = _products(self.beta, dtype, tiny)
        value = products[steps] if 0 <= steps < len(products) else dtype.type(0)
        return np.asarray(value if value >= tiny else dtype.type(0), dtype)

    def inverse(self, *specs: TensorSpec) -> StepsOfPowers:
        """Return what makes the count of the power, while that is not 0."""
        del specs
        return StepsOfPowers((self.beta,))


@dataclass(frozen=True)
class CastSteps(Transform, op="cast_steps"):
    """Converts a count of steps to another integer dtype, which must hold it.

    Attributes:
      dtype: The new dtype, or its name.

    Raises:
      TransformError: If ``dtype`` is not int32 or int64, or cannot hold the count.

    Example:
      >>> import numpy as np
      >>> CastSteps("int32")(np.int64(7)).dtype
      dtype('int32')
    """

    dtype: DType

    def __post_init__(self) -> None:
        """Check the dtype."""
        object.__setattr__(self, "dtype", dtype_named(self.dtype))
        if self.dtype not in _COUNTS:
            raise TransformError(f"steps are int32 or int64, not {self.dtype.name}")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return a scalar of the new dtype."""
        spec = self._only(*specs)
        if spec.dtype not in _COUNTS or spec.shape:
            raise self._misfit("it takes a count of steps", spec)
        return TensorSpec(self.dtype, ())

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        count, dtype = int(arrays[0]), self.dtype.as_numpy_dtype
        if count > np.iinfo(dtype).max:
            raise TransformError(
                f"{count:,} steps are more than {self.dtype.name} can hold, the dtype "
                "of the target's counter"
            )
        return np.asarray(count, dtype)

    def inverse(self, *specs: TensorSpec) -> CastSteps | None:
        """Return the conversion to the dtype that the count had."""
        return CastSteps(specs[0].dtype) if specs else None
