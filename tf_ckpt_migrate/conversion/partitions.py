"""Tensors stored in other slices than they were: what stays, and what is written.

A slice whose bytes lie in one piece in the source is referred to there. The others are
written, a few rows at a time, so that memory is bounded whatever the tensor weighs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import Ranges, TensorSlice
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Item, Partitioned, Stored, Stream, Value
from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.transforms import Partition, StorePart
from tf_ckpt_migrate.transforms.partition import even_sizes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "StoredBox",
    "check_released",
    "divided",
    "entry_of",
    "lengths",
    "places",
    "repartitioned",
    "stored",
    "with_layouts",
]


class StoredBox(NamedTuple):
    """A box of a tensor, and the bytes that hold it.

    Attributes:
      ranges: The box.
      piece: Which slice it is; None for the whole tensor.
    """

    ranges: Ranges
    piece: TensorSlice | None


def places(reader: CheckpointReader, key: str) -> list[StoredBox]:
    """Return of which boxes a tensor consists, in order."""
    shape, where = reader.specs[key].shape, f"{reader.prefix}, tensor {key!r}"
    whole = tuple((0, length) for length in shape)
    found: list[StoredBox] = []
    for place in reader.places(key):
        piece = place.piece
        box = whole if piece is None else piece.ranges(shape, where)
        found.append(StoredBox(box, piece))
    return sorted(found, key=lambda each: each.ranges)


class _Run(NamedTuple):
    """Boxes of a tensor, one after the other, whose bytes are so too.

    Attributes:
      ranges: All of them together.
      entries: Of each.
    """

    ranges: Ranges
    entries: tuple[Entry, ...]

    def continues(self, ranges: Ranges, entry: Entry) -> bool:
        """Whether a box, with its bytes, comes next."""
        last = self.entries[-1]
        return (
            (last.shard, last.offset + last.size) == (entry.shard, entry.offset)
            and self.ranges[0][1] == ranges[0][0]
            and self.ranges[1:] == ranges[1:]
        )


def _runs(bundle: BundleReader, reader: CheckpointReader, key: str) -> list[_Run]:
    runs: list[_Run] = []
    for place in places(reader, key):
        entry, ranges = entry_of(bundle, key, place), place.ranges
        if runs and ranges and runs[-1].continues(ranges, entry):
            before = runs.pop()
            ends = (before.ranges[0][0], ranges[0][1])
            runs.append(_Run((ends, *ranges[1:]), (*before.entries, entry)))
        else:
            runs.append(_Run(ranges, (entry,)))
    return runs


def entry_of(bundle: BundleReader, key: str, box: StoredBox) -> Entry:
    """Return the entry of one of the boxes of which a tensor consists.

    Raises:
      CorruptCheckpointError: If it is of another shape or dtype than the box.
    """
    index = bundle.index
    if box.piece is None:
        return index[key]
    entry, spec = index.slice_entry(key, box.piece), index[key].spec
    if entry.spec != TensorSpec(spec.dtype, lengths(box.ranges)):
        raise CorruptCheckpointError(
            f"{index.path}, key {key!r}: slice {box.piece} of {spec} is {entry.spec}"
        )
    return entry


def stored(reader: CheckpointReader, key: str, box: Ranges) -> Stored | None:
    """Return the bytes of a box where they lie in one piece; None where they do not."""
    bundle = reader.bundle
    if bundle is None:
        return None
    for place in places(reader, key):
        if place.ranges == box:
            return Stored(bundle, entry_of(bundle, key, place))
    for run in _runs(bundle, reader, key):
        if _is_within(box, run.ranges) and _is_run(lengths(box), lengths(run.ranges)):
            made = _range(bundle, key, run, box)
            return None if made is None else Stored(bundle, made)
    return None


def _is_within(box: Ranges, outer: Ranges) -> bool:
    pairs = zip(box, outer, strict=True)
    return all(low <= start and end <= high for (start, end), (low, high) in pairs)


def _is_run(inner: Sequence[int], outer: Sequence[int]) -> bool:
    """Whether a box of these lengths is one run of the bytes of another."""
    axis = next((i for i, length in enumerate(inner) if length != 1), len(inner))
    return [*inner[axis + 1 :]] == [*outer[axis + 1 :]]


def _range(bundle: BundleReader, key: str, run: _Run, box: Ranges) -> Entry | None:
    """Return the entry of a box within a run; its bytes are read for the checksum."""
    first = run.entries[0]
    width = first.spec.dtype.itemsize
    if not width:
        return None  # strings have lengths before them
    at = 0
    for (start, _), (low, high) in zip(box, run.ranges, strict=True):
        at = at * (high - low) + start - low
    spec = TensorSpec(first.spec.dtype, lengths(box))
    made = Entry(spec, first.shard, first.offset + at * width, spec.nbytes, 0)
    where = f"tensor {key!r}"
    for entry in run.entries if bundle.verify else ():
        if entry.offset < made.offset + made.size and made.offset < (
            entry.offset + entry.size
        ):
            check_released(bundle, entry, where)
    crc = bundle.checksum(made, where, lambda _: bundle.shards.release())
    return made._replace(crc32c=crc)


def check_released(bundle: BundleReader, entry: Entry, what: str) -> None:
    """Check bytes against their checksum, and hold no memory for them."""
    bundle.check_stored(entry, what, lambda _: bundle.shards.release())


def lengths(box: Ranges) -> tuple[int, ...]:
    """Return the lengths of a box along its dimensions.

    Example:
      >>> lengths(((2, 5), (0, 4)))
      (3, 4)
    """
    return tuple(high - low for low, high in box)


_BAND = 4 << 20  # bytes that are read and written at a time


def with_layouts(reader: CheckpointReader, moves: Iterable[Move]) -> tuple[Move, ...]:
    """Return moves whose partitions know how their sources are stored.

    So they can be undone; and one that would change nothing is none.
    """
    return tuple(
        move if move.transform is None else _with_layout(reader, move) for move in moves
    )


def _with_layout(reader: CheckpointReader, move: Move) -> Move:
    partition = move.transform
    if not isinstance(partition, Partition) or len(move.sources) != 1:
        return move
    source = move.sources[0]
    was = _layout_of(reader, source)
    if was is None:
        return move
    pieces = partition.slices(move.spec)
    decoded = reader.bundle is None and pieces  # a V1 file is written anew, whole
    if pieces == was.slices(move.spec) and not decoded:
        return move._replace(transform=None)
    known = replace(partition, was=None if was.parts == 1 else was)
    return move._replace(transform=known)


def _layout_of(reader: CheckpointReader, key: str) -> Partition | None:
    """Return how a tensor is stored; None if not in slices along one axis."""
    shape = reader.specs[key].shape
    boxes = [ranges for ranges, _ in places(reader, key)]
    if len(boxes) == 1:
        return Partition(0, 1)
    for axis, length in enumerate(shape):
        sizes = tuple(box[axis][1] - box[axis][0] for box in boxes)
        if sum(sizes) == length and min(sizes):
            is_even = sizes == even_sizes(length, len(sizes))
            given = {"parts": len(sizes)} if is_even else {"sizes": sizes}
            found = Partition(axis, **given)  # pyright: ignore[reportArgumentType] one of the two
            pieces = found.slices(reader.specs[key])
            if [piece.ranges(shape, key) for piece in pieces] == boxes:
                return found
    return None


def repartitioned(
    reader: CheckpointReader, key: str, partition: Partition | StorePart
) -> Item:
    """Return how a tensor of a checkpoint comes into an output in other slices.

    Args:
      reader: The checkpoint, of the byte order of the output.
      key: Of the tensor.
      partition: The slices.

    Raises:
      CheckpointError: If its bytes are damaged.
    """
    spec = reader.specs[key]
    whole = tuple((0, length) for length in spec.shape)
    pieces = partition.slices(spec)
    if not pieces:
        return stored(reader, key, whole) or _read(reader, key, whole)
    where = f"{reader.prefix}, tensor {key!r}"
    boxes = {piece: piece.ranges(spec.shape, where) for piece in pieces}
    parts = {
        piece: stored(reader, key, box) or _read(reader, key, box)
        for piece, box in boxes.items()
    }
    return Partitioned(spec, parts)


def _read(reader: CheckpointReader, key: str, box: Ranges) -> Stream:
    spec = TensorSpec(reader.specs[key].dtype, lengths(box))
    return Stream(spec, lambda: _bands(reader, key, box))


def divided(whole: Value, partition: Partition | StorePart) -> Value | Partitioned:
    """Return a value that is computed, in slices; it is computed once for them."""
    pieces = partition.slices(whole.spec)
    if not pieces:
        return whole
    shared = _Shared(whole, len(pieces))
    return Partitioned(whole.spec, {piece: shared.part(piece) for piece in pieces})


class _Shared:
    """A value that is held from when its first part is asked for to the last."""

    def __init__(self, whole: Value, uses: int) -> None:
        self._whole, self._left = whole, uses
        self._array: Array | None = None

    def part(self, piece: TensorSlice) -> Stream:
        """Return what a slice of it holds."""
        box = piece.ranges(self._whole.spec.shape, "a computed tensor")
        spec = TensorSpec(self._whole.spec.dtype, lengths(box))
        return Stream(spec, lambda: self._pieces(box))

    def _pieces(self, box: Ranges) -> Iterator[Array]:
        array = self._whole.compute() if self._array is None else self._array
        self._left -= 1
        self._array = array if self._left else None
        yield array[tuple(slice(*ends) for ends in box)]


def _bands(reader: CheckpointReader, key: str, box: Ranges) -> Iterator[Array]:
    """Yield a box of a tensor a few rows at a time, its bytes checked before."""
    _check(reader, key, box)
    for first, last in _cuts(reader, key, box):
        index = (slice(first, last), *(slice(*ends) for ends in box[1:]))
        yield reader.read(key, index)
        if reader.bundle is not None:
            reader.bundle.shards.release()


def _check(reader: CheckpointReader, key: str, box: Ranges) -> None:
    """Check what a box is read from, which reading parts of tensors does not."""
    bundle = reader.bundle
    if bundle is None or not bundle.verify:
        return
    for place in places(reader, key):
        pairs = zip(box, place.ranges, strict=True)
        if all(start < high and low < end for (start, end), (low, high) in pairs):
            piece = "" if place.piece is None else f", slice {place.piece}"
            what = f"tensor {key!r}{piece}"
            check_released(bundle, entry_of(bundle, key, place), what)


def _cuts(reader: CheckpointReader, key: str, box: Ranges) -> Iterator[tuple[int, int]]:
    """Yield the rows to read at a time.

    In a V1 file a slice is decoded whole for every row of it, so that rows are taken
    as they are stored.
    """
    (first, last), rest = box[0], box[1:]
    spec = reader.specs[key]
    if reader.bundle is None:
        ends = {end for ranges, _ in places(reader, key) for end in ranges[0]}
        inner = sorted(end for end in ends if first < end < last)
        yield from zip([first, *inner], [*inner, last], strict=True)
    elif spec.dtype is DType.string:
        yield first, last
    else:
        row = math.prod(lengths(rest)) * spec.dtype.itemsize
        step = max(1, _BAND // max(1, row))
        for start in range(first, last, step):
            yield start, min(start + step, last)
