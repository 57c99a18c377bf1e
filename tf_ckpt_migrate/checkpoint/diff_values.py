"""Compares the values of two tensors of one dtype and shape, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.checkpoint.pieces import as_numbers

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Difference", "Tolerance", "difference"]


class Tolerance(NamedTuple):
    """How far numbers may be apart: ``abs(a - b) <= absolute + relative * abs(b)``."""

    relative: float = 0.0
    absolute: float = 0.0


class Difference(NamedTuple):
    """How far two tensors are apart.

    Attributes:
      elements: How many elements differ.
      max_abs: The largest difference; None where no finite one was found.
      max_rel: The largest difference, relative to the larger of the two magnitudes.
      not_finite: How many of the elements are NaN or infinite in one of the two.
    """

    elements: int
    max_abs: float | None = None
    max_rel: float | None = None
    not_finite: int = 0


def difference(
    pairs: Iterator[tuple[Array, Array]], tolerance: Tolerance
) -> Difference:
    """Return how far two tensors are apart.

    Elements of the same bits are equal, NaN included, and so are 0.0 and -0.0.

    Args:
      pairs: Their values, as flat arrays of equal length and dtype.
      tolerance: How far elements may be apart and still be equal.
    """
    elements = not_finite = 0
    absolute: list[float] = []
    relative: list[float] = []
    for a, b in pairs:
        found = _of_objects(a, b) if a.dtype.hasobject else _of_bits(a, b, tolerance)
        elements += found.elements
        not_finite += found.not_finite
        absolute += [] if found.max_abs is None else [found.max_abs]
        relative += [] if found.max_rel is None else [found.max_rel]
    return Difference(
        elements, max(absolute, default=None), max(relative, default=None), not_finite
    )


def _of_objects(a: Array, b: Array) -> Difference:
    return Difference(int((a != b).sum()))


def _of_bits(a: Array, b: Array, tolerance: Tolerance) -> Difference:
    import numpy as np

    if not a.size:
        return Difference(0)
    bits_a, bits_b = (np.ascontiguousarray(x).view(np.uint8) for x in (a, b))
    if np.array_equal(bits_a, bits_b):
        return Difference(0)
    differs = (bits_a != bits_b).reshape(a.size, -1).any(axis=1)
    return _of_numbers(a[differs], b[differs], tolerance)


def _of_numbers(a: Array, b: Array, tolerance: Tolerance) -> Difference:
    import numpy as np

    with np.errstate(all="ignore"):  # NaN and infinity are told apart below
        if a.dtype.kind == "c":
            unequal, distance = a != b, np.abs(a - b).astype(np.float64)
        else:
            numbers_a, numbers_b = as_numbers(a), as_numbers(b)
            unequal = numbers_a != numbers_b
            distance = np.abs(
                numbers_a.astype(np.float64) - numbers_b.astype(np.float64)
            )
        size_a, size_b = (np.abs(as_numbers(x).astype(np.float64)) for x in (a, b))
        if tolerance != Tolerance():
            near = distance <= tolerance.absolute + tolerance.relative * size_b
            unequal &= ~(near & np.isfinite(distance))
        relative = distance / np.maximum(size_a, size_b)
    finite = unequal & np.isfinite(distance)
    count, numbers = int(unequal.sum()), int(finite.sum())
    if not numbers:
        return Difference(count, not_finite=count)
    return Difference(
        count,
        float(distance[finite].max()),
        float(relative[finite].max()),
        count - numbers,
    )
