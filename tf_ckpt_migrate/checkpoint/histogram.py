"""Counts the values of a tensor by how large they are, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.checkpoint.pieces import as_numbers

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["BINS", "Bins", "bins_for", "counts_of", "sampling_step"]

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
