"""Variant tensors in a data shard: their bytes can be checked, though not understood.

Element by element::

    varint length, the serialized VariantTensorData, uint32 masked CRC-32C so far

The checksum runs over all elements: each length as uint64, the element's bytes, and the
stored checksum itself; the entry holds its final value, masked.

Source: ``WriteVariantTensor`` of ``core/util/tensor_bundle/tensor_bundle.cc``.
"""

from __future__ import annotations

import struct

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import get_varint

__all__ = ["check_variants"]


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
