"""Puts a tensor, or a part of it, together from a partitioned variable's slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.errors import CorruptCheckpointError, SliceError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["assembled", "bounding_box"]

_Ranges = tuple[tuple[int, int], ...]


def bounding_box(
    index: int | slice | EllipsisType | tuple[Any, ...] | None, shape: tuple[int, ...]
) -> tuple[_Ranges, tuple[Any, ...]]:
    """Split a NumPy basic index into a box and the index within that box.

    Args:
      index: The index; None for everything.
      shape: Of the tensor.

    Returns:
      First and last-plus-one index per dimension, and what to index the box with: it
      ends in an ellipsis, so that a single element comes as an array too.

    Raises:
      SliceError: If the index does not fit ``shape``.

    Example:
      >>> bounding_box((slice(2, 8, 3), 1), (10, 4))
      (((2, 6), (1, 2)), (slice(0, None, 3), 0, Ellipsis))
    """
    parts = [*index] if isinstance(index, tuple) else [... if index is None else index]
    if ... not in parts:
        parts.append(...)
    at = parts.index(...)
    missing = len(shape) - (len(parts) - 1)
    if missing < 0 or parts.count(...) > 1:
        raise SliceError(f"index {index!r} does not fit shape {list(shape)}")
    parts[at : at + 1] = [slice(None)] * missing
    boxed = [_boxed(part, size, index) for part, size in zip(parts, shape, strict=True)]
    return tuple(box for box, _ in boxed), (*(rest for _, rest in boxed), ...)


def _boxed(part: Any, size: int, index: object) -> tuple[tuple[int, int], Any]:
    if isinstance(part, slice):
        indices = range(*part.indices(size))
        if not indices:
            return (0, 0), slice(0, 0)
        low, high = sorted((indices[0], indices[-1]))
        return (low, high + 1), slice(indices[0] - low, None, indices.step)
    position = int(part)
    if not -size <= position < size:
        raise SliceError(f"index {index!r} is out of range for a dimension of {size}")
    return (position % size, position % size + 1), 0


def assembled(
    spec: TensorSpec,
    slices: Sequence[TensorSlice],
    piece_of: Callable[[int], Array],
    box: _Ranges,
    where: str,
) -> Array:
    """Return the part of a tensor within a box.

    Args:
      spec: Of the whole tensor.
      slices: Its slices.
      piece_of: Returns the values of one of ``slices`` by number; called only for
        those that overlap the box.
      box: First and last-plus-one index per dimension.
      where: What to name in an error: the file and the key.

    Returns:
      A new array.

    Raises:
      CorruptCheckpointError: If a slice has another shape than the index says, or the
        slices do not cover the box.
    """
    import numpy as np

    shape = tuple(high - low for low, high in box)
    overlaps = [
        (number, overlap)
        for number, piece in enumerate(slices)
        if (overlap := _overlap(piece.ranges(spec.shape), box)) is not None
    ]
    covered = sum(_volume(within) for _, (_, within) in overlaps)
    if covered != np.prod(shape, dtype=object):
        raise CorruptCheckpointError(
            f"{where}: the slices hold {covered} of {np.prod(shape, dtype=object)} "
            "elements: some are missing, or overlap"
        )
    whole = np.empty(shape, spec.dtype.as_numpy_dtype)
    for number, (source, within) in overlaps:
        ranges = slices[number].ranges(spec.shape)
        piece = piece_of(number)
        if piece.shape != tuple(high - low for low, high in ranges):
            raise CorruptCheckpointError(
                f"{where}: slice {slices[number]} has shape {list(piece.shape)}"
            )
        whole[within] = piece[source]
    return whole


def _overlap(
    ranges: _Ranges, box: _Ranges
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Return what to take of a slice and where to put it in the box; None: nothing."""
    common = [
        (max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(ranges, box, strict=True)
    ]
    if any(low >= high for low, high in common):
        return None
    return (
        tuple(
            slice(c[0] - r[0], c[1] - r[0]) for c, r in zip(common, ranges, strict=True)
        ),
        tuple(
            slice(c[0] - b[0], c[1] - b[0]) for c, b in zip(common, box, strict=True)
        ),
    )


def _volume(within: tuple[slice, ...]) -> int:
    volume = 1
    for part in within:
        volume *= part.stop - part.start
    return volume
