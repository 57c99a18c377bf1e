"""Reads a table: every entry in order, or the one entry of a key."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from operator import lt

from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.table.block import (
    FOOTER_SIZE,
    BlockHandle,
    Buffer,
    Stored,
    block_columns,
    block_contents,
    read_footer,
    search_of,
    write_footer,
)

__all__ = ["TableReader"]


class TableReader:
    """The entries of a table.

    Args:
      data: The bytes of the whole file; a ``memoryview`` of a mapped file for a large
        one, or the like, of which then only the blocks asked for are read.
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

    def __init__(self, data: Stored, where: str) -> None:
        """Read the footer and the index block."""
        self._data = data
        self._where = where
        index = self._block(read_footer(data, where)[1])
        inner = f"{where} (index block)"
        self._last_keys, handles = block_columns(index, inner)
        _check_ascending(None, self._last_keys, inner)
        self._handles = [BlockHandle.parse(handle, 0, where)[0] for handle in handles]
        # So no byte is read twice: the cost of a file is bound by its size.
        if not all(a.end <= b.offset for a, b in pairwise(self._handles)):
            raise CorruptCheckpointError(
                f"{inner}: blocks overlap, or are out of order"
            )

    def check_searchable(self) -> None:
        """Check what only a search needs, as TensorFlow searches for a key.

        That is the restart array of every block, the index keys that say which block
        holds a key, the metaindex block, and the footer to the last bit.

        Raises:
          CorruptCheckpointError: If one of them is damaged.
        """
        metaindex, index = read_footer(self._data, self._where)
        self._block(metaindex)
        if self._data[-FOOTER_SIZE:] != write_footer(metaindex, index):
            raise CorruptCheckpointError(
                f"{self._where}: a damaged footer: its padding is not zero; the file "
                "is damaged, copy it again"
            )
        search_index = search_of(self._block(index), f"{self._where} (index block)")
        for number, handle in enumerate(self._handles):
            where = f"{self._where}, at {handle.offset}"
            keys, _ = self._columns(handle)
            search = search_of(self._block(handle), where)
            for at, key in enumerate(keys):
                if search_index(key) != number or search(key) != at:
                    raise CorruptCheckpointError(
                        f"{where}: TensorFlow cannot find key {key!r}: the restart "
                        "array of its block, or the index block, is damaged"
                    )

    def _block(self, handle: BlockHandle) -> Buffer:
        stored = handle.stored_in(self._data, self._where)
        return block_contents(stored, f"{self._where}, block at {handle.offset:,}")

    def _columns(self, handle: BlockHandle) -> tuple[list[bytes], list[Buffer]]:
        return block_columns(self._block(handle), f"{self._where}, at {handle.offset}")

    def columns(self) -> tuple[list[bytes], list[Buffer]]:
        """Return every key in order, and as many values.

        Raises:
          CorruptCheckpointError: If a block is damaged or keys are out of order.
        """
        keys: list[bytes] = []
        values: list[Buffer] = []
        for handle in self._handles:
            more, their_values = self._columns(handle)
            # At once: handles that lead to one block again and again end here.
            _check_ascending(keys[-1] if keys else None, more, self._where)
            keys += more
            values += their_values
        return keys, values

    def __iter__(self) -> Iterator[tuple[bytes, Buffer]]:
        """Return an iterator over every key and value in order.

        Raises:
          CorruptCheckpointError: If a block is damaged or keys are out of order.
        """
        return zip(*self.columns(), strict=True)

    def get(self, key: bytes) -> Buffer | None:
        """Return the value of ``key``, or None; one block is read.

        Raises:
          CorruptCheckpointError: If that block is damaged.
        """
        i = bisect_left(self._last_keys, key)
        if i == len(self._handles):
            return None
        return dict(zip(*self._columns(self._handles[i]), strict=True)).get(key)


def _check_ascending(before: bytes | None, keys: Sequence[bytes], where: str) -> None:
    keys = keys if before is None else [before, *keys]
    if all(map(lt, keys, islice(keys, 1, None))):
        return
    low, high = next(pair for pair in pairwise(keys) if pair[0] >= pair[1])
    raise CorruptCheckpointError(
        f"{where}: key {high!r} follows {low!r}, but a table is sorted and has each "
        "key once"
    )
