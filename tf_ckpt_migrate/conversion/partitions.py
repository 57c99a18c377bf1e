"""Tensors stored in other slices than they were: what stays, and what is written.

A slice whose bytes lie in one piece in the source is referred to there. The others are
written, a few rows at a time, so that memory is bounded whatever the tensor weighs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.slices import Ranges, TensorSlice
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.boxes import (
    check_released,
    entry_of,
    lengths,
    places,
    stored,
)
from tf_ckpt_migrate.conversion.contents import Item, Partitioned, Stream, Value
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.transforms import Partition, StorePart
from tf_ckpt_migrate.transforms.partition import even_sizes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["divided", "repartitioned", "with_layouts"]

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
