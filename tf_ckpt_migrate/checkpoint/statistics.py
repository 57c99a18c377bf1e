"""Statistics of a tensor's values, read a piece at a time to bound the memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.pieces import as_numbers, pieces

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.checkpoint.reader import CheckpointReader

    Array = np.ndarray[Any, Any]

__all__ = [
    "NumberStatistics",
    "StringStatistics",
    "number_statistics",
    "statistics_of",
    "string_statistics",
]


class NumberStatistics(NamedTuple):
    """What the numbers of a tensor are like.

    Of complex numbers these are the magnitudes. ``least`` to ``deviation`` are of the
    finite values, and None where there are none.

    Attributes:
      least: The smallest value.
      greatest: The largest value.
      mean: Their mean.
      deviation: Their standard deviation, as of a whole population.
      zeros: How many are zero.
      nans: How many are not a number.
      infinities: How many are infinite.
    """

    least: float | int | None
    greatest: float | int | None
    mean: float | None
    deviation: float | None
    zeros: int
    nans: int
    infinities: int


class StringStatistics(NamedTuple):
    """What the strings of a tensor are like.

    Attributes:
      elements: How many there are.
      total_length: Their bytes together.
    """

    elements: int
    total_length: int


def statistics_of(
    reader: CheckpointReader, key: str
) -> NumberStatistics | StringStatistics | None:
    """Return the statistics of a tensor; None for a resource or variant.

    Args:
      reader: Of the checkpoint.
      key: Of the tensor.

    Raises:
      CorruptCheckpointError: If its bytes are damaged, or end too soon.
    """
    dtype = reader.specs[key].dtype
    if dtype in (DType.resource, DType.variant):
        return None
    if dtype is DType.string:
        return string_statistics(pieces(reader, key))
    return number_statistics(pieces(reader, key))


def string_statistics(parts: Iterable[Array]) -> StringStatistics:
    """Return the statistics of strings, given as flat arrays of bytes."""
    lengths = [len(element) for piece in parts for element in piece]
    return StringStatistics(len(lengths), sum(lengths))


def number_statistics(parts: Iterable[Array]) -> NumberStatistics:
    """Return the statistics of numbers.

    Args:
      parts: The values, as flat arrays.

    Example:
      >>> import numpy as np
      >>> number_statistics([np.array([1.0, 3.0]), np.array([np.nan])]).mean
      2.0
    """
    import numpy as np

    count = zeros = nans = infinities = 0
    mean = squares = 0.0
    ends: list[Any] = []
    for part in parts:
        values = as_numbers(part)
        finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
        nan = 0 if finite is values else int(np.isnan(values).sum())
        nans += nan
        infinities += values.size - finite.size - nan
        if not finite.size:
            continue
        zeros += int((finite == 0).sum())
        ends += [finite.min().item(), finite.max().item()]
        # Means and sums of squares of pieces, joined as Chan, Golub and LeVeque do.
        wide = finite.astype(np.float64)
        added, of_piece = wide.size, float(wide.mean())
        shift = of_piece - mean
        squares += float(((wide - of_piece) ** 2).sum())
        squares += shift * shift * count * added / (count + added)
        mean += shift * added / (count + added)
        count += added
    if not count:
        return NumberStatistics(None, None, None, None, zeros, nans, infinities)
    deviation = math.sqrt(squares / count)
    return NumberStatistics(
        min(ends), max(ends), mean, deviation, zeros, nans, infinities
    )
