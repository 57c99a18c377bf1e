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
    "BINS",
    "Bins",
    "NumberStatistics",
    "StringStatistics",
    "bins_for",
    "counts_of",
    "number_statistics",
    "sampling_step",
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


BINS = 32
_MOST_COUNTED = 1 << 22  # more values make no better picture


class Bins(NamedTuple):
    """Intervals of equal width.

    Attributes:
      low: Where the first begins.
      high: Where the last ends, which is in it.
      number: How many there are.
    """

    low: float
    high: float
    number: int


def bins_for(least: float, greatest: float, *, whole_numbers: bool = False) -> Bins:
    """Return the intervals for values between two.

    Args:
      least: The smallest value.
      greatest: The largest value.
      whole_numbers: Whether there are only such, each of which then has an interval
        where they are few.

    Example:
      >>> bins_for(0, 3, whole_numbers=True).number, bins_for(0.0, 3.0).number
      (4, 32)
      >>> bins_for(1.0, 1.0).number
      1
    """
    low, high = float(least), float(greatest)
    # Halves, as what is between two numbers may be more than any number.
    if not high / 2 - low / 2 > 0:
        return Bins(low, high, 1)
    if whole_numbers and high - low < BINS:
        return Bins(low, high, int(high - low) + 1)
    return Bins(low, high, BINS)


def sampling_step(elements: int) -> int:
    """Return which of the values are counted: of so many every so-many-th.

    It is odd, as the rows of most tensors are of even length: of each it takes others.

    Example:
      >>> sampling_step(1_000_000), sampling_step(100_000_000)
      (1, 25)
    """
    step = -(-elements // _MOST_COUNTED)
    return step if step % 2 else step + 1


def counts_of(parts: Iterable[Array], bins: Bins, step: int = 1) -> tuple[int, ...]:
    """Return how many finite values are in each interval.

    Args:
      parts: The values, as flat arrays; of complex numbers the magnitudes count.
      bins: The intervals.
      step: Which to count: every so-many-th.

    Example:
      >>> import numpy as np
      >>> counts_of([np.array([0.0, 1.0, 2.0, 2.0, np.nan])], Bins(0.0, 2.0, 2))
      (1, 3)
    """
    import numpy as np

    counts = np.zeros(bins.number, np.int64)
    width = bins.high / 2 - bins.low / 2
    for part in parts:
        values = as_numbers(part[::step]).astype(np.float64)
        values = values[np.isfinite(values)]
        if bins.number == 1:
            counts[0] += values.size
            continue
        share = (values / 2 - bins.low / 2) / width
        places = np.clip((share * bins.number).astype(np.int64), 0, bins.number - 1)
        counts += np.bincount(places, minlength=bins.number)
    return tuple(counts.tolist())
