"""Serialized index entries under new keys: what a renaming comes down to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.proto import Entry, moved_to_shard
from tf_ckpt_migrate.bundle.slices import slice_key

__all__ = ["raw_entries", "same_bytes", "stored_entries"]


def stored_entries(
    index: BundleIndex, key: str, new_key: str
) -> list[tuple[bytes, Entry, bytes]]:
    """Return the entries of a tensor under a new key: its own, and its slices'.

    Args:
      index: Of the checkpoint that has it.
      key: Its key there.
      new_key: The key to write.

    Returns:
      The bytes to write as key, the entry, and the entry serialized. The entry of a
      partitioned variable has slices, but no bytes of its own.

    Raises:
      CorruptCheckpointError: If an entry is impossible, or a slice is missing.
    """
    entry = index[key]
    found = [(new_key.encode(), entry, index.raw[key])]
    for piece in entry.slices:
        raw = index.raw_slice(key, piece)
        found.append((slice_key(new_key, piece), index.slice_entry(key, piece), raw))
    return found


def raw_entries(
    index: BundleIndex, key: str, new_key: str, shards: Mapping[int, int] | None = None
) -> list[tuple[bytes, bytes]]:
    """Return the serialized entries of a tensor under a new key, its slices' too.

    Args:
      index: Of the checkpoint that has it.
      key: Its key there.
      new_key: The key to write.
      shards: Old to new shard numbers; None if they stay.

    Raises:
      CorruptCheckpointError: If a slice is missing.
    """
    found = stored_entries(index, key, new_key)
    if shards is None:
        return [(name, kept) for name, _, kept in found]
    where = f"{index.path}, key {key!r}"
    return [
        # That of a partitioned variable names a shard too, though it has no bytes.
        (name, moved_to_shard(kept, 0 if e.slices else shards[e.shard], None, where))
        if e.shard or not e.slices
        else (name, kept)
        for name, e, kept in found
    ]


def same_bytes(
    index: BundleIndex, names: Iterable[str], keys: Iterable[str]
) -> dict[str, str]:
    """Return which tensors are those of other keys: the same bytes, not equal ones.

    Args:
      index: Of the checkpoint.
      names: The keys to look up.
      keys: The keys to find them among.

    Returns:
      For each of ``names`` that has one, the key with the same bytes.
    """
    places = {_place(index, key): key for key in keys}
    found = ((name, places.get(_place(index, name))) for name in names)
    return {name: key for name, key in found if key is not None}


def _place(index: BundleIndex, key: str) -> tuple[tuple[object, ...], ...]:
    """Return what tells where the bytes of a tensor are; empty ones are nowhere."""
    return tuple(
        (e.spec, e.slices, e.size and (e.shard, e.offset), e.size, e.crc32c)
        for _, e, _ in stored_entries(index, key, key)
    )
