"""Variants are checked as TensorFlow writes them."""

from __future__ import annotations

import pytest

from tf_ckpt_migrate.bundle.variants import check_variants, encode_variants
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
    UnsupportedDTypeError,
)

ELEMENTS = [b"one", b"", b"x" * 300]


@pytest.mark.parametrize("order", "<>")
def test_every_bit_is_covered(order):
    data, crc = encode_variants(ELEMENTS, order=order)
    check_variants(data, 3, crc, "here", order=order)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        with pytest.raises(CorruptCheckpointError, match="^here"):
            check_variants(bytes(flipped), 3, crc, "here", order=order)


def test_another_checksum_of_the_whole():
    data, crc = encode_variants(ELEMENTS)
    with pytest.raises(ChecksumError, match="checksum mismatch"):
        check_variants(data, 3, crc ^ 1, "here")


def test_a_truncated_one_and_one_that_is_too_long():
    data, crc = encode_variants(ELEMENTS)
    with pytest.raises(TruncatedFileError, match="element 2 ends beyond the tensor"):
        check_variants(data[:-1], 3, crc, "here")
    with pytest.raises(CorruptCheckpointError, match="3 elements take"):
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
