"""What each key of an output holds, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.proto import Entry, moved_to_shard
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.errors import TruncatedFileError
from tf_ckpt_migrate.storage.access import size_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "MOST_SHARDS",
    "Contents",
    "Item",
    "Partitioned",
    "Reference",
    "Stored",
    "StoredEntry",
    "Stream",
    "Value",
    "packed",
]


class Reference(NamedTuple):
    """A tensor whose bytes stay where they are, of a partitioned one all slices.

    Attributes:
      bundle: The checkpoint that has it.
      key: Its key there.
    """

    bundle: BundleReader
    key: str


class Value(NamedTuple):
    """A tensor whose bytes are written.

    Attributes:
      spec: Its dtype and shape.
      compute: Returns the value, when it is its turn to be written.
    """

    spec: TensorSpec
    compute: Callable[[], Array]


class Stream(NamedTuple):
    """A tensor whose bytes are written, a piece at a time.

    Attributes:
      spec: Its dtype and shape.
      pieces: Returns its elements in row-major order, when it is its turn.
    """

    spec: TensorSpec
    pieces: Callable[[], Iterable[Array]]


class Stored(NamedTuple):
    """Bytes that stay where they are, of whatever tensor of another checkpoint.

    Attributes:
      bundle: The checkpoint that has them.
      entry: What they are: shard and offset are those of that checkpoint.
    """

    bundle: BundleReader
    entry: Entry


class Partitioned(NamedTuple):
    """A tensor in slices.

    Attributes:
      spec: Of the whole.
      parts: What each slice holds, in their order.
    """

    spec: TensorSpec
    parts: Mapping[TensorSlice, Stored | Stream]


Item: TypeAlias = Reference | Value | Stored | Stream | Partitioned
Contents: TypeAlias = Mapping[str, Item]


MOST_SHARDS = 512  # each is open until all are written, and a process has 1,024 files


class StoredEntry(NamedTuple):
    """An entry to write, and the checkpoint that has its bytes.

    Attributes:
      name: The bytes to write as key.
      bundle: The checkpoint.
      entry: As it is there; of a partitioned variable it has no bytes of its own.
      raw: The same, serialized.
    """

    name: bytes
    bundle: BundleReader
    entry: Entry
    raw: bytes


class _Range(NamedTuple):
    """Bytes of a file, by which they sort."""

    path: str
    offset: int
    size: int


class _Place(NamedTuple):
    shard: int
    offset: int


def packed(
    writer: BundleWriter,
    entries: Iterable[StoredEntry],
    shards: int,
) -> dict[bytes, bytes]:
    """Copy the bytes of tensors into new shards of a writer.

    Bytes that several keys refer to are copied once. The order within the source files
    is kept, so that neighbours are copied together.

    Args:
      writer: Of the output; the shards are made in it.
      entries: What to copy, under new keys.
      shards: How many shards to spread the bytes over, 1 to 512.

    Returns:
      The serialized entries of the tensors.

    Raises:
      ValueError: If ``shards`` is no possible number.
      MissingShardError: If a source shard is not there.
      TruncatedFileError: If one ends too soon.
    """
    _check_number(shards)
    stored = [
        (name, _in_shard_0(name, entry, raw), None)
        if entry.slices
        else (name, raw, _range_of(bundle, entry))
        for name, bundle, entry, raw in entries
    ]
    numbers = [writer.new_shard() for _ in range(shards)]
    ranges = sorted({place for _, _, place in stored if place is not None})
    places = _copied(writer, ranges, numbers)
    return {
        name: raw
        if where is None
        else moved_to_shard(raw, *places[where], f"key {name!r}")
        for name, raw, where in stored
    }


def _in_shard_0(name: bytes, entry: Entry, raw: bytes) -> bytes:
    """Let the entry of a partitioned variable name a shard that there is."""
    if not entry.shard:
        return raw
    return moved_to_shard(raw, 0, None, f"key {name!r}")


def _check_number(shards: object) -> None:
    if not isinstance(shards, int) or not 1 <= shards <= MOST_SHARDS:
        raise ValueError(
            f"shards={shards!r}; expected a number from 1 to {MOST_SHARDS}"
        )


def _range_of(bundle: BundleReader, entry: Entry) -> _Range:
    path = bundle.shards.present(entry.shard)
    return _Range(path, entry.offset, entry.size)


def _copied(
    writer: BundleWriter, ranges: list[_Range], numbers: list[int]
) -> dict[_Range, _Place]:
    """Copy sorted ranges, neighbours in one go; return where each is now."""
    places: dict[_Range, _Place] = {}
    writer.expect(sum(each.size for each in ranges))
    for number, run in _runs(ranges, numbers):
        first, last = run[0], run[-1]
        size = last.offset + last.size - first.offset
        length = size_of(first.path)
        if first.offset + size > length:
            raise TruncatedFileError(
                f"{first.path!r} ends at byte {length:,}, but the index refers to "
                f"bytes up to {first.offset + size:,}; copy the file again"
            )
        at = writer.append_range(number, first.path, first.offset, size)
        for each in run:
            places[each] = _Place(number, at + each.offset - first.offset)
    return places


def _runs(
    ranges: list[_Range], numbers: list[int]
) -> Iterator[tuple[int, list[_Range]]]:
    """Yield neighbouring ranges together, with the number of the shard they go to."""
    share = sum(each.size for each in ranges) / len(numbers)
    run: list[_Range] = []
    taken = at = 0
    for each in ranges:
        number = min(int(taken / share), len(numbers) - 1) if share else 0
        if run and (number != at or not _follows(run[-1], each)):
            yield numbers[at], run
            run = []
        at = number
        run.append(each)
        taken += each.size
    if run:
        yield numbers[at], run


def _follows(before: _Range, after: _Range) -> bool:
    return after.path == before.path and after.offset == before.offset + before.size
