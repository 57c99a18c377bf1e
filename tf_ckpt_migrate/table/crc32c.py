"""CRC-32C, and the mask under which the file formats store it.

The mask (rotate right by 15, add a constant) comes from LevelDB's ``util/crc32c.h``: a
checksum stored among the bytes that a checksum covers would otherwise weaken it.
"""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import google_crc32c

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from tf_ckpt_migrate.table.block import Buffer

__all__ = ["combined", "extend", "mask", "unlocked", "unmask", "value"]


_MASK_DELTA = 0xA282EAD8
_UINT32 = 0xFFFFFFFF
_POLYNOMIAL = 0x82F63B78  # of Castagnoli, the bit of the highest power last
_LARGE = 1 << 16  # bytes from which on it is worth letting other threads run
_ONE, _BYTE = 1 << 31, 1 << 23  # 1 and x**8, written so

# The library has no type stubs.
_extend = cast(
    "Callable[..., int]",
    google_crc32c.extend,  # pyright: ignore[reportUnknownMemberType]
)


def extend(crc: int, data: Buffer | np.ndarray[Any, Any]) -> int:
    """Return the CRC-32C of what ``crc`` covers followed by ``data``.

    Example:
      >>> extend(value(b"1234"), b"56789") == value(b"123456789")
      True
    """
    if isinstance(data, bytes):
        return _extend(crc, data)
    import numpy as np

    # The C library takes arrays and bytes without a copy, but no memoryview.
    array = np.frombuffer(data, np.uint8) if isinstance(data, memoryview) else data
    is_large = array.nbytes >= _LARGE and array.flags.c_contiguous
    if is_large and (function := unlocked()) is not None:
        return function(crc, array.ctypes.data, array.nbytes)
    return _extend(crc, array)


def combined(first: int, second: int, size: int) -> int:
    """Return the CRC-32C of two parts, one behind the other, from those of each.

    Args:
      first: Of the first part.
      second: Of the second.
      size: Bytes of the second.

    Example:
      >>> combined(value(b"1234"), value(b"56789"), 5) == value(b"123456789")
      True
    """
    return _product(_power(size), first) ^ second


@lru_cache(maxsize=4096)
def _power(size: int) -> int:
    """Return x**(8 * size) modulo the polynomial: what ``size`` zeros do to a CRC."""
    if not size:
        return _ONE
    half = _power(size // 2)
    square = _product(half, half)
    return _product(square, _BYTE) if size % 2 else square


def _product(a: int, b: int) -> int:
    """Return the product of two polynomials over GF(2), modulo the CRC's."""
    found = 0
    while a:
        if a & _ONE:
            found ^= b
        a = a << 1 & _UINT32
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return found


def value(data: Buffer | np.ndarray[Any, Any]) -> int:
    """Return the CRC-32C of ``data``.

    Example:
      >>> hex(value(b"123456789"))
      '0xe3069283'
    """
    return extend(0, data)


def mask(crc: int) -> int:
    """Return the stored form of a checksum.

    Example:
      >>> unmask(mask(0xE3069283)) == 0xE3069283
      True
    """
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _UINT32


def unmask(masked: int) -> int:
    """Return the checksum that is stored as ``masked``."""
    rotated = (masked - _MASK_DELTA) & _UINT32
    return (rotated >> 17 | rotated << 15) & _UINT32


_KNOWN, _CRC = b"123456789", 0xE3069283  # the check value of CRC-32C


@cache
def unlocked() -> Callable[[int, int, int], int] | None:
    """Return the function that extends a checksum by bytes at an address.

    Returns:
      It, or None where it cannot be found: the library is Python's own then, or is
      linked in another way.

    Example:
      >>> extend = unlocked()
      >>> extend is None or hex(extend(0, b"123456789", 9))
      '0xe3069283'
    """
    try:
        # The extension's own file finds the library that it is linked to.
        extension: Any = import_module("google_crc32c._crc32c")
        function = ctypes.CDLL(extension.__file__).crc32c_extend
    except (ImportError, OSError, AttributeError):
        return None
    function.restype = ctypes.c_uint32
    function.argtypes = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t)
    return function if function(0, _KNOWN, len(_KNOWN)) == _CRC else None
