"""Where the bytes of a tensor lie, box by box, and which boxes are one run of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import Ranges, TensorSlice
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Stored
from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = ["StoredBox", "check_released", "entry_of", "lengths", "places", "stored"]


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
