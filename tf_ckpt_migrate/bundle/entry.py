"""One entry of an index, taken apart and checked, and put together."""

from __future__ import annotations

from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec, dtype_of
from tf_ckpt_migrate.bundle.messages import BundleEntryProto, parsed
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = ["Entry", "moved_to_shard", "parse_entry", "serialized_entry"]

_MAX_RANK = 254  # TensorShape::MaxDimensions
_MAX_INT64 = 2**63 - 1


class Entry(NamedTuple):
    """Where and what a tensor is.

    Attributes:
      spec: Its dtype and shape.
      shard: Number of the data shard that holds it.
      offset: Of its first byte there.
      size: Bytes it takes there.
      crc32c: Masked checksum of those bytes.
      slices: The slices of a partitioned variable. Its bytes are theirs: shard, offset
        and size are then 0.
    """

    spec: TensorSpec
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[TensorSlice, ...] = ()


def parse_entry(raw: bytes, shards: int, where: str) -> Entry:
    """Take an entry apart and check it.

    Args:
      raw: The serialized ``BundleEntryProto``.
      shards: Number of shards of the checkpoint.
      where: What to name in an error: the file and the key.

    Returns:
      The entry.

    Raises:
      CorruptCheckpointError: If it is no such message, or its numbers are impossible.
    """
    proto = parsed(BundleEntryProto, raw, where)
    dtype = dtype_of(proto.dtype, where)
    shape = tuple([dim.size for dim in proto.shape.dim])
    if shape and (min(shape) < 0 or len(shape) > _MAX_RANK):
        raise CorruptCheckpointError(f"{where}: impossible shape {list(shape)[:10]}")
    spec = TensorSpec(dtype, shape)
    slices = tuple([TensorSlice.from_proto(piece) for piece in proto.slices])
    entry = Entry(spec, proto.shard_id, proto.offset, proto.size, proto.crc32c, slices)
    _check_place(entry, shards, where)
    return entry


def _check_place(entry: Entry, shards: int, where: str) -> None:
    if not 0 <= entry.shard < shards:
        raise CorruptCheckpointError(
            f"{where}: shard {entry.shard} of {shards} (numbered from 0)"
        )
    if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > _MAX_INT64:
        raise CorruptCheckpointError(
            f"{where}: impossible place: {entry.size} bytes at offset {entry.offset}"
        )
    if entry.slices:
        return
    if entry.spec.dtype.itemsize:
        if entry.size != entry.spec.nbytes:
            raise CorruptCheckpointError(
                f"{where}: {entry.spec} takes {entry.spec.nbytes} bytes, but the index "
                f"says {entry.size}"
            )
    elif entry.spec.dtype is DType.string and entry.size < entry.spec.size:
        # Each length takes a byte at least; a larger promise would only cost memory.
        raise CorruptCheckpointError(
            f"{where}: {entry.spec} cannot be stored in {entry.size} bytes"
        )


def serialized_entry(entry: Entry) -> bytes:
    """Return the ``BundleEntryProto`` of a tensor that is not sliced.

    Example:
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> parse_entry(serialized_entry(Entry(spec, 0, 4, 8, 7)), 1, "example").offset
      4
    """
    proto = BundleEntryProto(
        dtype=int(entry.spec.dtype),
        shard_id=entry.shard,
        offset=entry.offset,
        size=entry.size,
        crc32c=entry.crc32c,
    )
    proto.shape.SetInParent()
    for length in entry.spec.shape:
        proto.shape.dim.add(size=length)
    return proto.SerializeToString(deterministic=True)


def moved_to_shard(raw: bytes, shard: int, offset: int | None, where: str) -> bytes:
    """Return a serialized entry with another place; all else stays, unknown fields too.

    Args:
      raw: The serialized ``BundleEntryProto``.
      shard: The number of the shard that now holds the bytes.
      offset: Where in it; None leaves the offset.
      where: What to name in an error.
    """
    proto = parsed(BundleEntryProto, raw, where)
    proto.shard_id = shard
    if offset is not None:
        proto.offset = offset
    return proto.SerializeToString(deterministic=True)
