"""Writes a table, byte for byte as TensorFlow's ``table::TableBuilder`` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from tf_ckpt_migrate.table.block import (
    TRAILER_SIZE,
    BlockHandle,
    built_block,
    sealed,
    write_footer,
)

__all__ = ["BLOCK_SIZE", "write_table"]

BLOCK_SIZE = 262_144  # table::Options::block_size of TensorFlow


def write_table(
    file: BinaryIO,
    entries: Iterable[tuple[bytes, bytes]],
    *,
    block_size: int = BLOCK_SIZE,
) -> None:
    """Write ``entries`` as a table.

    Args:
      file: Where to write, from its present position, which becomes offset 0.
      entries: Keys and values, by key in strictly ascending order.
      block_size: Bytes after which a block is closed.

    Example:
      >>> import io
      >>> file = io.BytesIO()
      >>> write_table(file, [(b"", b"header"), (b"w", b"entry")])
      >>> len(file.getvalue())
      111
    """
    entries = list(entries)
    index: list[tuple[bytes, bytes]] = []
    offset = end = 0
    while end < len(entries):
        block, end = built_block(entries, end, limit=block_size)
        handle = _written(file, block, offset)
        offset += handle.size + TRAILER_SIZE
        index.append((_bound(entries, end), handle.serialized()))
    metaindex = _written(file, built_block([])[0], offset)
    offset += metaindex.size + TRAILER_SIZE
    contents, _ = built_block(index, restart_interval=1)
    file.write(write_footer(metaindex, _written(file, contents, offset)))


def _bound(entries: Sequence[tuple[bytes, bytes]], end: int) -> bytes:
    """Return a key between those of a block, which ends there, and the next one's."""
    last = entries[end - 1][0]
    return _separator(last, entries[end][0]) if end < len(entries) else _successor(last)


def _written(file: BinaryIO, contents: bytes, offset: int) -> BlockHandle:
    file.write(sealed(contents))
    return BlockHandle(offset, len(contents))


def _separator(low: bytes, high: bytes) -> bytes:
    """Return a short key k with low <= k < high (FindShortestSeparator)."""
    pairs = enumerate(zip(low, high, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), None)
    if at is None or low[at] + 1 >= high[at]:
        return low
    return low[:at] + bytes([low[at] + 1])


def _successor(key: bytes) -> bytes:
    """Return a short key that is at least ``key`` (FindShortSuccessor)."""
    rest = key.lstrip(b"\xff")
    if not rest:
        return key
    at = len(key) - len(rest)
    return key[:at] + bytes([key[at] + 1])
