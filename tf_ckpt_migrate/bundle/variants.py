"""Variant tensors in a data shard: what tf.data iterators save.

::

    for each element: varint length, a serialized VariantTensorDataProto, uint32 masked
    CRC-32C of all before it, lengths taken as uint64

The checksum in the entry covers the same and the last of those checksums. Integers are
of the byte order of the file. The values mean something to TensorFlow alone; that they
are undamaged can be told without it.

Source: ``WriteVariantTensor`` and ``ReadVariantTensor`` in
``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``.
"""

from __future__ import annotations

import struct

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import get_varint, put_varint

__all__ = ["check_variants", "encode_variants"]


def encode_variants(elements: list[bytes], *, order: str = "<") -> tuple[bytes, int]:
    """Return the bytes of a variant tensor and their masked checksum.

    Args:
      elements: The serialized elements in row-major order.
      order: Byte order, ``<`` or ``>``.

    Example:
      >>> data, crc = encode_variants([b"ab", b""])
      >>> check_variants(data, 2, crc, "example")
    """
    parts: list[bytes] = []
    crc = 0
    for element in elements:
        crc = _extended(crc, element, order)
        checksum = struct.pack(f"{order}I", crc32c.mask(crc))
        crc = crc32c.extend(crc, checksum)
        parts += [put_varint(len(element)), element, checksum]
    return b"".join(parts), crc32c.mask(crc)


def _extended(crc: int, element: bytes, order: str) -> int:
    length = struct.pack(f"{order}Q", len(element))
    return crc32c.extend(crc32c.extend(crc, length), element)


def check_variants(
    data: bytes, count: int, crc: int, where: str, *, order: str = "<"
) -> None:
    """Check every byte of a variant tensor.

    Args:
      data: All bytes that the entry names.
      count: Number of elements.
      crc: Masked checksum of the entry.
      where: What to name in an error: the file and the key.
      order: Byte order, ``<`` or ``>``.

    Raises:
      ChecksumError: If a checksum does not fit.
      CorruptCheckpointError: If the lengths do not add up to ``data``.
    """
    position, computed = 0, 0
    for number in range(count):
        length, start = get_varint(data, position, where)
        end = start + length
        position = end + 4
        if position > len(data):
            raise TruncatedFileError(
                f"{where}: element {number} ends beyond the tensor"
            )
        computed = _extended(computed, data[start:end], order)
        checksum = data[end:position]
        if checksum != struct.pack(f"{order}I", crc32c.mask(computed)):
            raise ChecksumError(
                f"{where}: the checksum of element {number} does not fit"
            )
        computed = crc32c.extend(computed, checksum)
    if position != len(data):
        raise CorruptCheckpointError(
            f"{where}: {count} elements take {position:,} of {len(data):,} bytes"
        )
    if crc32c.mask(computed) != crc:
        raise ChecksumError(f"{where}: checksum mismatch; the file is damaged")
