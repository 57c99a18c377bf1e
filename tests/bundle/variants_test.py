"""Variants are checked as TensorFlow writes them."""

from __future__ import annotations

import struct

import pytest

from tf_ckpt_migrate.bundle.variants import check_variants
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
    UnsupportedDTypeError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import put_varint

ELEMENTS = [b"one", b"", b"x" * 300]


def encode_variants(elements, *, order="<"):
    """What WriteVariantTensor writes, with the masked checksum of the entry."""
    parts, crc = [], 0
    for element in elements:
        crc = crc32c.extend(crc, struct.pack(f"{order}Q", len(element)) + element)
        checksum = struct.pack(f"{order}I", crc32c.mask(crc))
        crc = crc32c.extend(crc, checksum)
        parts += [put_varint(len(element)), element, checksum]
    return b"".join(parts), crc32c.mask(crc)


@pytest.mark.parametrize("order", "<>")
def test_every_bit_is_covered(order):
    data, crc = encode_variants(ELEMENTS, order=order)
    check_variants(data, 3, crc, "here", order=order)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        with pytest.raises(CorruptCheckpointError, match=r"^here"):
            check_variants(bytes(flipped), 3, crc, "here", order=order)


def test_another_checksum_of_the_whole():
    data, crc = encode_variants(ELEMENTS)
    with pytest.raises(ChecksumError, match="checksum mismatch"):
        check_variants(data, 3, crc ^ 1, "here")


def test_a_truncated_one_and_one_that_is_too_long():
    data, crc = encode_variants(ELEMENTS)
    with pytest.raises(TruncatedFileError, match="element 2 exceeds the tensor"):
        check_variants(data[:-1], 3, crc, "here")
    with pytest.raises(CorruptCheckpointError, match="3 variants take"):
        check_variants(data + b"\0", 3, crc, "here")


def test_the_state_of_an_iterator_of_tensorflow(tf, tmp_path):
    iterator = iter(tf.data.Dataset.range(10).map(lambda x: x + 1))
    next(iterator)
    prefix = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "m"))
    reader = load_checkpoint(prefix)
    (key,) = (key for key, spec in reader.specs.items() if spec.dtype.name == "variant")
    reader.check(key)
    with pytest.raises(UnsupportedDTypeError, match="have no NumPy form"):
        reader.get_tensor(key)
    (place,) = reader.places(key)
    with open(place.file, "r+b") as file:
        file.seek(place.offset + 20)
        file.write(b"!")
    with pytest.raises(ChecksumError):
        load_checkpoint(prefix).check(key)
