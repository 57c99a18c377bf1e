"""Reads the values of a tensor a piece at a time, so that memory stays bounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.checkpoint.reader import CheckpointReader

    Array = np.ndarray[Any, Any]

__all__ = ["as_numbers", "flat_pieces", "is_partitioned", "pieces"]

_PIECE = 1 << 20  # elements: 8 MB as float64


def is_partitioned(reader: CheckpointReader, key: str) -> bool:
    """Return whether a tensor lies in several places."""
    return len(reader.places(key)) > 1


def pieces(
    reader: CheckpointReader, key: str, *, by_rows: bool = False
) -> Iterator[Array]:
    """Yield the values of a tensor as flat arrays of bounded size, in row-major order.

    Args:
      reader: Of the checkpoint.
      key: Of the tensor; its checksum is checked first.
      by_rows: Whether to divide between rows, as a partitioned variable must be. Two
        tensors of one shape are then divided alike.

    Raises:
      UnsupportedDTypeError: If it is a resource or variant.
      CorruptCheckpointError: If its bytes are damaged, or end too soon.
    """
    shape = reader.specs[key].shape
    if reader.part_of(key) is not None:
        yield from flat_pieces(reader.part(key))
        return
    partitioned = is_partitioned(reader, key)
    if not shape or not (by_rows or partitioned):
        yield from flat_pieces(reader[key])
        return
    whole: Array | None = None
    if partitioned and reader.bundle is not None:
        reader.check(key)  # assembled whole, it would take memory of its size
    else:
        whole = reader[key]
    rows = max(1, _PIECE // max(1, math.prod(shape[1:])))
    for first in range(0, shape[0], rows):
        part = slice(first, first + rows)
        yield from flat_pieces(reader.read(key, part) if whole is None else whole[part])


def flat_pieces(array: Array) -> Iterator[Array]:
    """Yield the values of an array as flat arrays of bounded size.

    Example:
      >>> import numpy as np
      >>> [piece.tolist() for piece in flat_pieces(np.ones((1, 2)))]
      [[1.0, 1.0]]
    """
    flat = array.reshape(-1)
    for first in range(0, flat.size, _PIECE):
        yield flat[first : first + _PIECE]


def as_numbers(array: Array) -> Array:
    """Return values as integers or float64, which order and subtract.

    Args:
      array: Values of any dtype of numbers; of complex numbers come the magnitudes.
    """
    import numpy as np

    if array.dtype.names:  # quantized: a structure of one integer
        array = array[array.dtype.names[0]]
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind == "c":
        return np.abs(array)
    return array.astype(np.float64)
