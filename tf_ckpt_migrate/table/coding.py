"""Variable-length integers: seven bits a byte, low bits first, high bit for "more"."""

from __future__ import annotations

from typing import Protocol

from tf_ckpt_migrate.errors import CorruptCheckpointError, TruncatedFileError

__all__ = ["Buffer", "Stored", "get_varint", "put_varint"]

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
