"""Reads a table: every entry in order, or the one entry of a key."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain

from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.table.block import block_contents, iterate_block
from tf_ckpt_migrate.table.coding import Buffer
from tf_ckpt_migrate.table.footer import BlockHandle, read_footer

__all__ = ["TableReader"]

_Entry = tuple[bytes, Buffer]


class TableReader:
    """The entries of a table.

    Args:
      data: The bytes of the whole file; a ``memoryview`` of a mapped file for a large
        one, of which then only the blocks asked for are read.
      where: The file, for messages.

    Raises:
      CorruptCheckpointError: If the footer or the index block is damaged.

    Example:
      >>> import io
      >>> from tf_ckpt_migrate.table.writer import write_table
      >>> file = io.BytesIO()
      >>> write_table(file, [(b"a", b"1"), (b"b", b"2")])
      >>> TableReader(file.getvalue(), "example").get(b"b")
      b'2'
    """

    def __init__(self, data: Buffer, where: str) -> None:
        """Read the footer and the index block."""
        self._data = data
        self._where = where
        index = self._block(read_footer(data, where))
        self._last_keys: list[bytes] = []
        self._handles: list[BlockHandle] = []
        inner = f"{where} (index block)"
        for last_key, handle in _ascending(iterate_block(index, inner), inner):
            self._last_keys.append(last_key)
            self._handles.append(BlockHandle.parse(handle, 0, where)[0])

    def _block(self, handle: BlockHandle) -> Buffer:
        stored = handle.stored_in(self._data, self._where)
        return block_contents(stored, f"{self._where}, block at {handle.offset:,}")

    def _entries(self, handle: BlockHandle) -> Iterator[_Entry]:
        return iterate_block(self._block(handle), f"{self._where}, at {handle.offset}")

    def __iter__(self) -> Iterator[_Entry]:
        """Return an iterator over every key and value in order.

        Raises:
          CorruptCheckpointError: If a block is damaged or keys are out of order.
        """
        blocks = map(self._entries, self._handles)
        return _ascending(chain.from_iterable(blocks), self._where)

    def get(self, key: bytes) -> Buffer | None:
        """Return the value of ``key``, or None; one block is read.

        Raises:
          CorruptCheckpointError: If that block is damaged.
        """
        i = bisect_left(self._last_keys, key)
        if i == len(self._handles):
            return None
        found = (value for k, value in self._entries(self._handles[i]) if k == key)
        return next(found, None)


def _ascending(entries: Iterable[_Entry], where: str) -> Iterator[_Entry]:
    previous: bytes | None = None
    for entry in entries:
        key = entry[0]
        if previous is not None and key <= previous:
            raise CorruptCheckpointError(
                f"{where}: key {key!r} follows {previous!r}, but a table is sorted "
                "and has each key once"
            )
        previous = key
        yield entry
