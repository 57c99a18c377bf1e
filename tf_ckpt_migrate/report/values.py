"""Reads the values that a report shows, a tensor at a time.

Only what is asked for is read: by ``"changed"`` the tensors that a transform changes,
and of two checkpoints those whose bytes are not one and the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.writer import Meter, Progress
from tf_ckpt_migrate.checkpoint.pieces import as_numbers, flat_pieces, pieces
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.statistics import (
    Bins,
    NumberStatistics,
    StringStatistics,
    bins_for,
    counts_of,
    number_statistics,
    sampling_step,
    string_statistics,
)
from tf_ckpt_migrate.checkpoint.value_comparison import (
    Comparison,
    Difference,
    Tolerance,
    difference,
)
from tf_ckpt_migrate.report.content import Row, Values, WhichValues
from tf_ckpt_migrate.transforms.partition import parted

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.names.moves import Move

    Array = np.ndarray[Any, Any]

__all__ = ["with_values"]

# Values that only TensorFlow understands.
_OPAQUE = (DType.resource, DType.variant)


class _Stream(NamedTuple):
    """Values that can be gone through several times.

    Attributes:
      dtype: Their dtype.
      elements: How many there are.
      parts: Yields them, as flat arrays.
    """

    dtype: DType
    elements: int
    parts: Callable[[], Iterator[Array]]


def with_values(
    rows: Iterable[Row],
    moves: Mapping[str, Move],
    readers: tuple[CheckpointReader, CheckpointReader | None],
    which: WhichValues,
    progress: Progress | None = None,
) -> tuple[Row, ...]:
    """Return rows with the values that are asked for.

    Args:
      rows: Without values.
      moves: Those that targets are made by, by the target's key.
      readers: Of the first checkpoint, and of the second if there is one.
      which: Which values to read.
      progress: Called with the bytes read so far and those there are.

    Raises:
      CorruptCheckpointError: If a tensor that is read is damaged.
      MissingShardError: If a file that must be read is not there.
    """
    reading = _Reading(moves, *readers)
    found = [reading.shared(row) for row in rows]
    meter = Meter(progress)
    wanted = [reading.wants(row, which) for row in found]
    meter.total = sum(
        _size(row) for row, read in zip(found, wanted, strict=True) if read
    )
    made: list[Row] = []
    for row, read in zip(found, wanted, strict=True):
        made.append(reading.read(row) if read else row)
        if read:
            meter.advance(_size(row))
    return tuple(made)


def _size(row: Row) -> int:
    return sum(tensor.nbytes for tensor in (*row.sources, row.target) if tensor)


class _Reading(NamedTuple):
    moves: Mapping[str, Move]
    a: CheckpointReader
    b: CheckpointReader | None

    def shared(self, row: Row) -> Row:
        """Return a row that says whether both sides are the same bytes of one file."""
        move = self._move(row)
        if self.b is None or move is None or not self._is_pair(row):
            return row
        if move.transform is not None:
            return row._replace(shared=False)
        same = Comparison(self.a, self.b).shares_bytes(move.sources[0], move.target)
        return row._replace(shared=same)

    def wants(self, row: Row, which: WhichValues) -> bool:
        """Return whether values of a row are to be read."""
        if which != "changed":
            return which == "all"
        return row.shared is False or (self.b is None and self._is_changed(row))

    def _is_changed(self, row: Row) -> bool:
        """Return whether a value changes, not only how it is divided into slices."""
        move = self._move(row)
        transform = None if move is None else move.transform
        return transform is not None and parted(transform)[0] is not None

    def read(self, row: Row) -> Row:
        """Return a row with its values."""
        before = self._before(row)
        after = before if row.shared else self._after(row)
        row = _pictured(row, before, after)
        return row._replace(difference=self._difference(row, after))

    def _move(self, row: Row) -> Move | None:
        return None if row.target is None else self.moves.get(row.target.key)

    def _is_pair(self, row: Row) -> bool:
        return row.status in ("renamed", "kept", "computed") and not row.found

    def _before(self, row: Row) -> _Stream | None:
        keys = [tensor.key for tensor in row.sources]
        if not keys or any(self.a.specs[key].dtype in _OPAQUE for key in keys):
            return None
        return _Stream(
            self.a.specs[keys[0]].dtype,
            sum(self.a.specs[key].size for key in keys),
            lambda: chain.from_iterable(pieces(self.a, key) for key in keys),
        )

    def _after(self, row: Row) -> _Stream | None:
        if row.target is None or row.status == "missing":
            return None
        key = row.target.key
        if self.b is not None:
            spec = self.b.specs[key]
            if spec.dtype in _OPAQUE:
                return None
            b = self.b
            return _Stream(spec.dtype, spec.size, lambda: pieces(b, key))
        move = self._move(row)
        if move is None or move.transform is None:
            return None
        array = move.transform(*(self.a.part(each) for each in move.sources))
        return _Stream(move.spec.dtype, move.spec.size, lambda: flat_pieces(array))

    def _difference(self, row: Row, after: _Stream | None) -> Difference | None:
        move = self._move(row)
        if move is None or not self._is_pair(row):
            return None
        if self.b is not None:
            both = Comparison(self.a, self.b)
            return both.difference(move.sources, move.target, move.transform)
        if row.exact or after is None or len(move.sources) != 1:
            return None
        before = self.a[move.sources[0]]
        if before.shape != move.spec.shape:
            return None
        pairs = zip(flat_pieces(before), after.parts(), strict=True)
        return difference(map(_as_one_dtype, pairs), Tolerance())


def _as_one_dtype(pair: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return numbers of two dtypes as those of one, which has room for both."""
    a, b = pair
    return as_numbers(a).astype("f8"), as_numbers(b).astype("f8")


def _pictured(row: Row, before: _Stream | None, after: _Stream | None) -> Row:
    """Return a row with statistics, and counts in the same intervals on both sides."""
    first = None if before is None else _statistics(before)
    second = first if after is before else after and _statistics(after)
    bins = _bins([each for each in (first, second) if each is not None])
    sizes = [each.elements for each in (before, after) if each is not None]
    step = sampling_step(max(sizes, default=0))

    def values(
        stream: _Stream | None, statistics: NumberStatistics | StringStatistics | None
    ) -> Values | None:
        if stream is None or statistics is None:
            return None
        # Text may stand on one side, and numbers on the other.
        if bins is None or isinstance(statistics, StringStatistics):
            return Values(statistics)
        return Values(statistics, counts_of(stream.parts(), bins, step))

    shown = values(before, first)
    return row._replace(
        before=shown,
        after=shown if after is before else values(after, second),
        interval=None if bins is None else (bins.low, bins.high),
        step=1 if bins is None else step,
    )


def _statistics(stream: _Stream) -> NumberStatistics | StringStatistics:
    if stream.dtype is DType.string:
        return string_statistics(stream.parts())
    return number_statistics(stream.parts())


def _bins(found: list[NumberStatistics | StringStatistics]) -> Bins | None:
    """Return intervals for the values of both sides; None where there are none."""
    ends = [
        end
        for each in found
        if isinstance(each, NumberStatistics)
        for end in (each.least, each.greatest)
        if end is not None
    ]
    if not ends:
        return None
    whole = all(isinstance(end, int) for end in ends)
    return bins_for(min(ends), max(ends), whole_numbers=whole)
