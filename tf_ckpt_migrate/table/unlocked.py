"""The CRC-32C of the C library under google-crc32c, while other threads run.

The function that google-crc32c gives to Python holds the lock of the interpreter, so
that two threads sum up no faster than one. ``ctypes`` gives the lock up for as long as
a call takes. What is called is one function of the library that is loaded already.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["unlocked"]

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
