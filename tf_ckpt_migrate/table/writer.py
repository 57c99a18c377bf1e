"""Writes a table, byte for byte as TensorFlow's ``table::TableBuilder`` does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from tf_ckpt_migrate.table.block import BlockBuilder, sealed, shared_prefix
from tf_ckpt_migrate.table.footer import BlockHandle, write_footer

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
    writer = _TableWriter(file, block_size)
    for key, value in entries:
        writer.add(key, value)
    writer.finish()


class _TableWriter:
    def __init__(self, file: BinaryIO, block_size: int) -> None:
        self._file = file
        self._block_size = block_size
        self._offset = 0
        self._block = BlockBuilder()
        self._index = BlockBuilder(restart_interval=1)
        self._last_key = b""
        self._pending: BlockHandle | None = None

    def add(self, key: bytes, value: bytes) -> None:
        # kOverlyLargeBlockRatio of TensorFlow's builder: a huge entry stands alone.
        if len(key) + len(value) >= 2 * self._block_size:
            self._close_block()
        if self._pending is not None:
            # Not before the next key is known can the shortest separator be chosen.
            self._add_to_index(_separator(self._last_key, key), self._pending)
        self._last_key = key
        if self._block.add(key, value) >= self._block_size:
            self._close_block()

    def finish(self) -> None:
        self._close_block()
        metaindex = self._write_block(BlockBuilder())
        if self._pending is not None:
            self._add_to_index(_successor(self._last_key), self._pending)
        self._file.write(write_footer(metaindex, self._write_block(self._index)))

    def _close_block(self) -> None:
        if self._block:
            self._pending = self._write_block(self._block)
            self._block = BlockBuilder()

    def _write_block(self, block: BlockBuilder) -> BlockHandle:
        contents = block.finish()
        handle = BlockHandle(self._offset, len(contents))
        self._offset += self._file.write(sealed(contents))
        return handle

    def _add_to_index(self, key: bytes, handle: BlockHandle) -> None:
        self._index.add(key, handle.serialized())
        self._pending = None


def _separator(low: bytes, high: bytes) -> bytes:
    """Return a short key k with low <= k < high (FindShortestSeparator)."""
    at = shared_prefix(low, high)
    if at == min(len(low), len(high)) or low[at] + 1 >= high[at]:
        return low
    return low[:at] + bytes([low[at] + 1])


def _successor(key: bytes) -> bytes:
    """Return a short key that is at least ``key`` (FindShortSuccessor)."""
    rest = key.lstrip(b"\xff")
    if not rest:
        return key
    at = len(key) - len(rest)
    return key[:at] + bytes([key[at] + 1])
