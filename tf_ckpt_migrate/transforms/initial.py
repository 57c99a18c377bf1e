"""Initial values for what is new in a tensor, the same for one seed everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["INITIALIZERS", "RANDOM", "initial_values"]

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
