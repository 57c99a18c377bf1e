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
from collections.abc import Iterator

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import Buffer, get_varint, put_varint

__all__ = [
    "RESTART_INTERVAL",
    "TRAILER_SIZE",
    "BlockBuilder",
    "block_contents",
    "iterate_block",
    "sealed",
    "shared_prefix",
]

TRAILER_SIZE = 5
RESTART_INTERVAL = 16  # Options::block_restart_interval
_PLAIN, _SNAPPY = 0, 1

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


def iterate_block(block: Buffer, where: str) -> Iterator[tuple[bytes, Buffer]]:
    """Yield the entries of a block in order.

    Args:
      block: What ``block_contents`` returned.
      where: What to name in an error.

    Yields:
      Key and value; the value is a part of ``block``, of its type.

    Raises:
      TruncatedFileError: If an entry reaches beyond the block.
      CorruptCheckpointError: If an entry shares more bytes than the key before has.
    """
    end = _entries_end(block, where)
    position, key = 0, b""
    while position < end:
        # One byte serves for almost every length.
        shared, rest, size = block[position], block[position + 1], block[position + 2]
        if shared < 0x80 and rest < 0x80 and size < 0x80:
            start = position + 3
        else:
            shared, start = get_varint(block, position, where)
            rest, start = get_varint(block, start, where)
            size, start = get_varint(block, start, where)
        middle = start + rest
        following = middle + size
        if following > end or shared > len(key):
            raise _bad_entry(where, position, shared > len(key))
        key = key[:shared] + block[start:middle]
        yield key, block[middle:following]
        position = following


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


def _bad_entry(where: str, position: int, shares_too_much: bool) -> Exception:
    if shares_too_much:
        return CorruptCheckpointError(
            f"{where}: the entry at {position} shares more than the key before it has"
        )
    return TruncatedFileError(f"{where}: the entry at {position} exceeds its block")


class BlockBuilder:
    """Builds one block from sorted entries.

    Args:
      restart_interval: Number of entries from one whole key to the next.

    Example:
      >>> builder = BlockBuilder()
      >>> builder.add(b"ab", b"1"), builder.add(b"ac", b"2")
      (14, 19)
      >>> list(iterate_block(builder.finish(), "example"))
      [(b'ab', b'1'), (b'ac', b'2')]
    """

    def __init__(self, restart_interval: int = RESTART_INTERVAL) -> None:
        """Start an empty block."""
        self._interval = restart_interval
        self._parts: list[bytes] = []
        self._restarts = [0]
        self._since_restart = 0
        self._key = b""
        self._length = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, key: bytes, value: bytes) -> int:
        """Append an entry whose key is greater than all before it.

        Returns:
          Bytes of the block if it were finished now.
        """
        if self._since_restart < self._interval:
            shared = shared_prefix(self._key, key)
        else:
            shared = self._since_restart = 0
            self._restarts.append(self._length)
        rest = key[shared:]
        if shared < 0x80 and len(rest) < 0x80 and len(value) < 0x80:
            head = bytes((shared, len(rest), len(value)))
        else:
            head = b"".join(map(put_varint, (shared, len(rest), len(value))))
        entry = head + rest + value
        self._parts.append(entry)
        self._length += len(entry)
        self._since_restart += 1
        self._key = key
        return self._length + 4 * len(self._restarts) + 4

    def finish(self) -> bytes:
        """Return the block."""
        tail = struct.pack(
            f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts)
        )
        return b"".join([*self._parts, tail])


def shared_prefix(a: bytes, b: bytes) -> int:
    """Return the number of leading bytes that ``a`` and ``b`` have in common.

    Example:
      >>> shared_prefix(b"dense/kernel", b"dense/bias")
      6
    """
    length = min(len(a), len(b))
    # The first set bit of the difference, found by the integer code of the
    # interpreter: some ten times faster than a loop over the bytes.
    difference = int.from_bytes(a[:length], "big") ^ int.from_bytes(b[:length], "big")
    return length - (difference.bit_length() + 7) // 8
