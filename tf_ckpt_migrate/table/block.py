"""One block: sorted entries, each key sharing a prefix with the one before.

::

    entry    = varint shared, varint rest, varint value_length, key[shared:], value
    block    = entry*, uint32 restart_offset*, uint32 number_of_restarts
    on disk  = block (plain or snappy), type byte (0 plain, 1 snappy),
               uint32 masked CRC-32C of all before it

At a restart offset ``shared`` is 0. All integers are little-endian.
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c

__all__ = [
    "FOOTER_SIZE",
    "MAGIC",
    "RESTART_INTERVAL",
    "TRAILER_SIZE",
    "BlockHandle",
    "Buffer",
    "Stored",
    "block_columns",
    "block_contents",
    "built_block",
    "get_varint",
    "put_varint",
    "read_footer",
    "sealed",
    "search_of",
    "write_footer",
]


TRAILER_SIZE = 5
RESTART_INTERVAL = 16  # Options::block_restart_interval
_HUGE = 2  # kOverlyLargeBlockRatio: an entry of so many limits stands alone
_PLAIN, _SNAPPY = 0, 1
_LENGTH_BYTES = 5  # the lengths of an entry have 32 bits

# Keys grow by what they share with the key before: few bytes could name as many as
# memory holds. With a whole key every 16 entries, as all writers have, an honest
# block's keys have 16 times its bytes at most.
_MAX_SHARED_RATIO = 64

# A snappy copy element makes at most 64 bytes out of 3, so an honest block cannot
# promise more; a promise beyond it would only make us allocate.
_SNAPPY_MAX_RATIO = 22


def sealed(block: bytes) -> bytes:
    """Return a plain block with the trailer that goes behind it on disk."""
    typed = block + bytes([_PLAIN])
    return typed + struct.pack("<I", crc32c.mask(crc32c.value(typed)))


def block_contents(stored: Buffer, where: str) -> Buffer:
    """Check a block as stored on disk and return its entries and restarts.

    Args:
      stored: The block with its trailer.
      where: What to name in an error: the file and the block's offset.

    Returns:
      The decompressed block; for a plain block a part of ``stored`` itself.

    Raises:
      ChecksumError: If the checksum in the trailer does not fit.
      CorruptCheckpointError: If the block is of unknown type or does not decompress.
    """
    covered, masked = stored[:-4], struct.unpack("<I", stored[-4:])[0]
    if crc32c.mask(crc32c.value(covered)) != masked:
        raise ChecksumError(
            f"{where}: checksum mismatch; the file is damaged, copy it again"
        )
    kind = covered[-1]
    if kind == _PLAIN:
        return covered[:-1]
    if kind == _SNAPPY:
        return _unsnappy(bytes(covered[:-1]), where)
    raise CorruptCheckpointError(
        f"{where}: compression type {kind} (known: 0 plain, 1 snappy)"
    )


def _unsnappy(packed: bytes, where: str) -> bytes:
    import cramjam  # one real checkpoint in four needs it, and an import costs

    length, _ = get_varint(packed, 0, where)
    if length > _SNAPPY_MAX_RATIO * len(packed):
        raise CorruptCheckpointError(
            f"{where}: {len(packed)} compressed bytes promise {length:,}; "
            "snappy cannot make so many"
        )
    try:
        return bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as error:
        raise CorruptCheckpointError(f"{where}: damaged snappy: {error}") from None


def block_columns(block: Buffer, where: str) -> tuple[list[bytes], list[Buffer]]:
    """Return the keys and the values of a block, in order.

    Args:
      block: What ``block_contents`` returned.
      where: What to name in an error.

    Returns:
      The keys, and as many values; a value is a part of ``block``, of its type.

    Raises:
      TruncatedFileError: If an entry reaches beyond the block.
      CorruptCheckpointError: If an entry shares more bytes than the key before has, or
        the keys have far more bytes than the block.
    """
    end = _entries_end(block, where)
    keys: list[bytes] = []
    values: list[Buffer] = []
    position, key = 0, b""
    room = _MAX_SHARED_RATIO * len(block)
    while position < end:
        # One byte serves for almost every length.
        shared, rest, size = block[position], block[position + 1], block[position + 2]
        if shared < 0x80 and rest < 0x80 and size < 0x80:
            start = position + 3
        else:
            shared, rest, size, start = _lengths(block, position, where)
            room -= shared  # below 0x80, there cannot be too many
            if room < 0:
                raise CorruptCheckpointError(
                    f"{where}: its keys have over {_MAX_SHARED_RATIO} times the "
                    f"{len(block):,} bytes of the block, as no writer makes them"
                )
        middle = start + rest
        following = middle + size
        if following > end or shared > len(key):
            raise _bad_entry(where, position, shared > len(key))
        key = key[:shared] + block[start:middle]
        keys.append(key)
        values.append(block[middle:following])
        position = following
    return keys, values


def _lengths(block: Buffer, position: int, where: str) -> tuple[int, int, int, int]:
    """Return the lengths that an entry begins with, and the offset behind them."""
    shared, position = get_varint(block, position, where, _LENGTH_BYTES)
    rest, position = get_varint(block, position, where, _LENGTH_BYTES)
    size, position = get_varint(block, position, where, _LENGTH_BYTES)
    return shared, rest, size, position


def _entries_end(block: Buffer, where: str) -> int:
    if len(block) < 4:
        raise TruncatedFileError(f"{where}: a block of {len(block)} bytes (least: 4)")
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise CorruptCheckpointError(
            f"{where}: {restarts:,} restarts do not fit {len(block)} bytes"
        )
    return end


def search_of(block: Buffer, where: str) -> Callable[[bytes], int | None]:
    """Return a function that searches a block for a key exactly as TensorFlow does.

    Args:
      block: What ``block_contents`` returned.
      where: What to name in an error.

    Returns:
      A function that takes a key and returns the number of the first entry that is not
      below it; None where a damaged restart array ends the search.

    Raises:
      CorruptCheckpointError: If the first restart does not lead to the first entry.
    """
    keys, _ = block_columns(block, where)
    end = _entries_end(block, where)
    count = (len(block) - end) // 4 - 1
    restarts = struct.unpack(f"<{count}I", block[end : end + 4 * count])
    if keys and restarts[:1] != (0,):
        raise CorruptCheckpointError(
            f"{where}: a damaged restart array: its first restart must be 0, but is "
            f"{restarts[0] if restarts else 'missing'}; TensorFlow does not read the "
            "first entries of this block"
        )
    whole_keys = _whole_keys(block, end, where)

    def search(key: bytes) -> int | None:
        low, high = 0, count - 1
        while low < high:
            middle = (low + high + 1) // 2
            number = whole_keys.get(restarts[middle])
            if number is None:
                return None
            low, high = (middle, high) if keys[number] < key else (low, middle - 1)
        return bisect_left(keys, key)  # from a lower key on, as TensorFlow scans

    return search


def _whole_keys(block: Buffer, end: int, where: str) -> dict[int, int]:
    """Return the number of every entry that has its whole key, by its offset."""
    found: dict[int, int] = {}
    position = number = 0
    while position < end:
        shared, rest, size, start = _lengths(block, position, where)
        if not shared:
            found[position] = number
        position, number = start + rest + size, number + 1
    return found


def _bad_entry(where: str, position: int, shares_too_much: bool) -> Exception:
    if shares_too_much:
        return CorruptCheckpointError(
            f"{where}: the entry at {position} shares more than the key before it has"
        )
    return TruncatedFileError(f"{where}: the entry at {position} exceeds its block")


def built_block(
    entries: Sequence[tuple[bytes, bytes]],
    start: int = 0,
    *,
    limit: int = sys.maxsize,
    restart_interval: int = RESTART_INTERVAL,
) -> tuple[bytes, int]:
    """Return a block of entries, and the number of the first that is not in it.

    Args:
      entries: Keys and values, by key in strictly ascending order.
      start: Number of the first to take.
      limit: Bytes from which on a block is full.
      restart_interval: Number of entries from one whole key to the next.

    Example:
      >>> block, end = built_block([(b"ab", b"1"), (b"ac", b"2")])
      >>> block_columns(block, "example"), end
      (([b'ab', b'ac'], [b'1', b'2']), 2)
    """
    # Most of the time of writing an index is spent in this loop: it calls little, and
    # makes each key an integer once. Of the difference of two, the first byte being
    # the lowest, the lowest set bit tells where they part.
    parts: list[bytes] = []
    restarts = [0]
    length, since, before, before_size = 0, 0, 0, 0
    number = start - 1
    for number in range(start, len(entries)):
        key, value = entries[number]
        size, value_size = len(key), len(value)
        if parts and size + value_size >= _HUGE * limit:
            return _closed(parts, restarts), number
        bits = int.from_bytes(key, "little")
        if since < restart_interval:
            parted = bits ^ before
            shared = ((parted & -parted).bit_length() - 1) // 8 if parted else size
            shared = min(shared, size, before_size)
        else:
            shared = since = 0
            restarts.append(length)
        rest = size - shared
        if shared < 0x80 and rest < 0x80 and value_size < 0x80:
            head = bytes((shared, rest, value_size))
        else:
            head = b"".join(map(put_varint, (shared, rest, value_size)))
        parts.append(head + key[shared:] + value)
        length += len(head) + rest + value_size
        if length + 4 * len(restarts) + 4 >= limit:
            break
        since, before, before_size = since + 1, bits, size
    return _closed(parts, restarts), number + 1


def _closed(parts: Iterable[bytes], restarts: Sequence[int]) -> bytes:
    tail = struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    return b"".join([*parts, tail])


Buffer = bytes | memoryview


class Stored(Protocol):
    """The bytes of a file: in memory, mapped, or fetched as they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: slice, /) -> Buffer: ...


_MAX_VARINT_BYTES = 10  # ceil(64 / 7)


def put_varint(value: int) -> bytes:
    """Return ``value`` (0 to 2**64 - 1) as a varint.

    Example:
      >>> put_varint(300).hex()
      'ac02'
    """
    # Nearly all are short, and a loop takes its time.
    if value < 1 << 7:
        return bytes((value,))
    if value < 1 << 14:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 1 << 21:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def get_varint(
    data: Buffer, position: int, where: str, most: int = _MAX_VARINT_BYTES
) -> tuple[int, int]:
    r"""Read the varint at ``position``.

    Args:
      data: Bytes that hold the varint.
      position: Offset of its first byte in ``data``.
      where: What to name in an error, such as the file.
      most: How many bytes it may have: 5 where TensorFlow reads 32 bits.

    Returns:
      The value (below 2**64) and the offset of the byte after it.

    Raises:
      TruncatedFileError: If ``data`` ends within the varint.
      CorruptCheckpointError: If it has more bytes, or does not fit in 64 bits.

    Example:
      >>> get_varint(b"\xac\x02", 0, "example")
      (300, 2)
    """
    value = 0
    for i in range(most):
        if position + i >= len(data):
            raise TruncatedFileError(f"{where}: ends within a varint at {position}")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + i + 1
    bits = 64 if most == _MAX_VARINT_BYTES else 32
    raise CorruptCheckpointError(
        f"{where}: the varint at {position} exceeds {bits} bits"
    )


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
