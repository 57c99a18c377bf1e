"""Sums up bytes with all cores: each a piece, whose checksums are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from tf_ckpt_migrate.bundle.parallel import in_order, suits_a_thread
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import Buffer, Stored

__all__ = ["Summed", "checksum", "checksums"]

_CHUNK = 16 << 20  # of bytes to sum up before telling that they are

_T = TypeVar("_T")


# Bytes to sum up, and what makes something of their masked checksum.
Summed: TypeAlias = "tuple[Stored, Callable[[int], _T]]"


def checksums(
    items: Iterable[Summed[_T]], progress: Callable[[int], None] | None = None
) -> Iterator[_T]:
    """Yield what each item makes of its checksum, in the order of the items.

    Args:
      items: What to sum up, each with what to call with its masked checksum. They are
        taken as they are needed, and somewhat ahead.
      progress: Called with the number of bytes summed up since the last call.

    Example:
      >>> list(checksums([(memoryview(b"ab"), hex), (memoryview(b""), hex)]))
      ['0xf4f0b01c', '0xa282ead8']
    """
    crc = 0
    for size, found, result in in_order(_sum, _pieces(items), _suits_a_thread):
        crc = crc32c.combined(crc, found, size) if crc else found
        if progress is not None:
            progress(size)
        if result is not None:
            yield result(crc32c.mask(crc))
            crc = 0


def checksum(data: Stored, progress: Callable[[int], None] | None = None) -> int:
    """Return the masked checksum of bytes.

    Args:
      data: The bytes.
      progress: Called with the number of bytes summed up since the last call.

    Example:
      >>> hex(checksum(memoryview(b"ab")))
      '0xf4f0b01c'
    """
    if len(data) > _CHUNK:
        return next(checksums([(data, int)], progress))
    found = crc32c.mask(crc32c.value(data[:]))  # one piece: no thread has a part in it
    if progress is not None:
        progress(len(data))
    return found


# What is to be called comes with the last one of an item.
_Piece: TypeAlias = "tuple[Buffer, Callable[[int], _T] | None]"


def _pieces(items: Iterable[Summed[_T]]) -> Iterator[_Piece[_T]]:
    for data, result in items:
        last = max(0, len(data) - 1) // _CHUNK * _CHUNK
        for start in range(0, last, _CHUNK):
            yield data[start : start + _CHUNK], None
        yield data[last:], result


def _suits_a_thread(piece: _Piece[_T]) -> bool:
    return suits_a_thread(len(piece[0]))


def _sum(piece: _Piece[_T]) -> tuple[int, int, Callable[[int], _T] | None]:
    data, result = piece
    return len(data), crc32c.value(data), result
