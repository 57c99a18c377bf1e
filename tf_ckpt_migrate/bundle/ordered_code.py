"""Writes values as bytes that sort as the values do (TensorFlow's ``OrderedCode``).

The index holds the slices of a partitioned variable under keys so written. Reading one
back is never needed: the entry of the whole variable lists its slices, and from each
the key is written again and looked up.

Source: ``tensorflow/core/lib/strings/ordered_code.cc``.
"""

from __future__ import annotations

__all__ = ["number", "signed_number", "string"]

# A signed number of n bytes holds 7n - 1 bits; the n high bits of the first bytes,
# xored over the sign, tell n (kLengthToHeaderBits).
_BITS_PER_BYTE = 7


def number(value: int) -> bytes:
    """Return a number from 0 on: one byte of length, then big-endian bytes.

    Example:
      >>> number(0).hex(), number(258).hex()
      ('00', '020102')
    """
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def string(value: bytes) -> bytes:
    """Return a string with its 0 and 255 bytes escaped, ended by 0, 1.

    Example:
      >>> string(b"w").hex()
      '770001'
    """
    return b"".join(_ESCAPED[byte] for byte in value) + b"\0\x01"


_ESCAPED = [bytes([byte]) for byte in range(256)]
_ESCAPED[0] = b"\0\xff"
_ESCAPED[255] = b"\xff\0"


def signed_number(value: int) -> bytes:
    """Return a number of 64 bits with its sign.

    Example:
      >>> signed_number(0).hex(), signed_number(-1).hex(), signed_number(64).hex()
      ('80', '7f', 'c040')
    """
    magnitude = ~value if value < 0 else value
    size = magnitude.bit_length() // _BITS_PER_BYTE + 1
    header = ((1 << size) - 1) << (8 * size - size)
    return ((value ^ header) & ((1 << 8 * size) - 1)).to_bytes(size, "big")
