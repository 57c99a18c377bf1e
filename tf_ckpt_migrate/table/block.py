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
    "block_columns",
    "block_contents",
    "built_block",
    "sealed",
    "search_of",
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
