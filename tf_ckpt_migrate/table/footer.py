"""The last 48 bytes of a table, and the handles that say where a block lies.

::

    handle = varint64 offset, varint64 size      (the size is without the trailer)
    footer = metaindex handle, index handle, zeros up to 40 bytes, uint64 magic
"""

from __future__ import annotations

from typing import NamedTuple

from tf_ckpt_migrate.errors import CorruptCheckpointError, TruncatedFileError
from tf_ckpt_migrate.table.block import TRAILER_SIZE
from tf_ckpt_migrate.table.coding import Buffer, Stored, get_varint, put_varint

__all__ = ["FOOTER_SIZE", "MAGIC", "BlockHandle", "read_footer", "write_footer"]

FOOTER_SIZE = 48
# kTableMagicNumber of tensorflow/core/lib/io/format.h; LevelDB's own.
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


class BlockHandle(NamedTuple):
    """Where a block lies in its file.

    Attributes:
      offset: Of the block's first byte.
      size: Bytes of the block, trailer excluded.
    """

    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset of what follows the block and its trailer."""
        return self.offset + self.size + TRAILER_SIZE

    @classmethod
    def parse(cls, data: Buffer, position: int, where: str) -> tuple[BlockHandle, int]:
        """Read a handle; return it and the offset behind it."""
        offset, position = get_varint(data, position, where)
        size, position = get_varint(data, position, where)
        return cls(offset, size), position

    def serialized(self) -> bytes:
        """Return the bytes that ``parse`` reads.

        Example:
          >>> BlockHandle.parse(BlockHandle(5, 300).serialized(), 0, "example")
          (BlockHandle(offset=5, size=300), 3)
        """
        return put_varint(self.offset) + put_varint(self.size)

    def stored_in(self, table: Stored, where: str) -> Buffer:
        """Return the block with its trailer out of the bytes of its table.

        Raises:
          TruncatedFileError: If the handle points beyond them.
        """
        if self.end > len(table) - FOOTER_SIZE:
            raise TruncatedFileError(
                f"{where}: a block of {self.size:,} bytes at {self.offset:,} exceeds "
                f"the file of {len(table):,}"
            )
        return table[self.offset : self.end]


def read_footer(table: Stored, where: str) -> tuple[BlockHandle, BlockHandle]:
    """Return the handles of the metaindex block and of the index block.

    Raises:
      TruncatedFileError: If the file is shorter than a footer.
      CorruptCheckpointError: If the magic number is not a table's.
    """
    if len(table) < FOOTER_SIZE:
        raise TruncatedFileError(
            f"{where}: {len(table)} bytes are too few for a table ({FOOTER_SIZE}); a "
            "copy or an upload broke off: copy the file again from where it is whole"
        )
    footer = table[-FOOTER_SIZE:]
    if footer[-8:] != MAGIC:
        raise CorruptCheckpointError(
            f"{where}: ends in {bytes(footer[-8:]).hex()}, not in a table's magic "
            f"number {MAGIC.hex()}: cut off, or not a checkpoint index at all; copy "
            "the file again from where it is whole"
        )
    metaindex, position = BlockHandle.parse(footer, 0, where)
    index, _ = BlockHandle.parse(footer, position, where)
    return metaindex, index


def write_footer(metaindex: BlockHandle, index: BlockHandle) -> bytes:
    """Return the footer of a table.

    Example:
      >>> footer = write_footer(BlockHandle(0, 8), BlockHandle(13, 20))
      >>> len(footer), read_footer(bytes(40) + footer, "example")
      (48, (BlockHandle(offset=0, size=8), BlockHandle(offset=13, size=20)))
    """
    handles = metaindex.serialized() + index.serialized()
    return handles.ljust(FOOTER_SIZE - len(MAGIC), b"\0") + MAGIC
