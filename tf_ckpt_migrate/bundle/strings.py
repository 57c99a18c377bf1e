"""String tensors in a data shard.

::

    varint length of each element, uint32 masked CRC-32C of the lengths, the elements

The checksum in the entry covers the lengths as fixed integers (uint32, or uint64 for an
element of 4 GiB and more), the stored checksum of the lengths, and the elements. The
integers are of the byte order of the file.

Source: ``WriteStringTensor`` and ``ReadStringTensor`` in
``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import get_varint, put_varint

__all__ = ["check_variants", "decode_strings", "encode_strings"]


_UINT32_MAX = 0xFFFFFFFF


def _crc_of_lengths(lengths: Sequence[int], order: str) -> int:
    if not lengths or max(lengths) <= _UINT32_MAX:
        return crc32c.value(struct.pack(f"{order}{len(lengths)}I", *lengths))
    fixed = (struct.pack(order + "IQ"[n > _UINT32_MAX], n) for n in lengths)
    return crc32c.value(b"".join(fixed))


def encode_strings(elements: Sequence[bytes], *, order: str = "<") -> tuple[bytes, int]:
    """Return the bytes of a string tensor and their masked checksum.

    Args:
      elements: The elements in row-major order.
      order: Byte order, ``<`` or ``>``.

    Example:
      >>> data, crc = encode_strings([b"ab", b""])
      >>> decode_strings(data, 2, crc, "example")
      [b'ab', b'']
    """
    lengths = [len(element) for element in elements]
    crc = _crc_of_lengths(lengths, order)
    checksum = struct.pack(order + "I", crc32c.mask(crc))
    contents = b"".join(elements)
    crc = crc32c.extend(crc32c.extend(crc, checksum), contents)
    return b"".join([*map(put_varint, lengths), checksum, contents]), crc32c.mask(crc)


def decode_strings(
    data: bytes, count: int, crc: int | None, where: str, *, order: str = "<"
) -> list[bytes]:
    """Return the elements of a string tensor.

    Args:
      data: All bytes that the entry names.
      count: Number of elements.
      crc: Masked checksum of the entry; None skips that check.
      where: What to name in an error: the file and the key.
      order: Byte order, ``<`` or ``>``.

    Returns:
      The elements in row-major order.

    Raises:
      ChecksumError: If a checksum does not fit.
      CorruptCheckpointError: If the lengths do not add up to ``data``.
    """
    lengths, position = _lengths(data, count, where)
    start = position + 4
    if start + sum(lengths) != len(data):
        raise CorruptCheckpointError(
            f"{where}: {count} strings of together {sum(lengths):,} bytes do not fill "
            f"the {len(data):,} bytes of the tensor"
        )
    checksum = data[position:start]
    computed = _crc_of_lengths(lengths, order)
    if checksum != struct.pack(order + "I", crc32c.mask(computed)):
        raise ChecksumError(f"{where}: checksum of the string lengths does not fit")
    if crc is not None:
        computed = crc32c.extend(crc32c.extend(computed, checksum), data[start:])
        if crc32c.mask(computed) != crc:
            raise ChecksumError(f"{where}: checksum mismatch; the file is damaged")
    elements: list[bytes] = []
    for length in lengths:
        elements.append(data[start : start + length])
        start += length
    return elements


def _lengths(data: bytes, count: int, where: str) -> tuple[list[int], int]:
    lengths: list[int] = []
    position = 0
    for _ in range(count):
        length, position = get_varint(data, position, where)
        lengths.append(length)
    if position + 4 > len(data):
        raise TruncatedFileError(f"{where}: ends before the checksum of its lengths")
    return lengths, position


def check_variants(
    data: bytes, count: int, crc: int, where: str, *, order: str = "<"
) -> None:
    """Check the bytes of a variant tensor against its checksums.

    Args:
      data: All bytes that the entry names.
      count: Number of elements.
      crc: Masked checksum of the entry.
      where: What to name in an error: the file and the key.
      order: Byte order, ``<`` or ``>``.

    Raises:
      ChecksumError: If a checksum does not fit.
      CorruptCheckpointError: If the lengths do not add up to ``data``.

    Example:
      >>> check_variants(b"", 0, crc32c.mask(0), "example")
    """
    running = position = 0
    for number in range(count):
        length, start = get_varint(data, position, where)
        position = start + length + 4
        if position > len(data):
            raise TruncatedFileError(f"{where}: element {number} exceeds the tensor")
        running = crc32c.extend(running, struct.pack(f"{order}Q", length))
        running = crc32c.extend(running, data[start : position - 4])
        stored = data[position - 4 : position]
        if stored != struct.pack(f"{order}I", crc32c.mask(running)):
            raise ChecksumError(f"{where}: checksum of element {number} does not fit")
        running = crc32c.extend(running, stored)
    if position != len(data):
        raise CorruptCheckpointError(
            f"{where}: {count} variants take {position:,} bytes, but the tensor has "
            f"{len(data):,}"
        )
    if crc32c.mask(running) != crc:
        raise ChecksumError(f"{where}: checksum mismatch; the file is damaged")
