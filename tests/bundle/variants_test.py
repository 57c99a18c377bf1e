<<<<<<< HEAD
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
=======
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.files import GOLDENS
from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.variants import check_variants
from tf_ckpt_migrate.errors import CorruptCheckpointError, UnsupportedDTypeError
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.coding import put_varint


def encoded(elements, order="<"):
    """Return the bytes of a variant tensor and their checksum, by the layout."""
    data, covered = b"", b""
    for element in elements:
        covered += struct.pack(f"{order}Q", len(element)) + element
        stored = struct.pack(f"{order}I", crc32c.mask(crc32c.value(covered)))
        covered += stored
        data += put_varint(len(element)) + element + stored
    return data, crc32c.mask(crc32c.value(covered))


@pytest.mark.parametrize("order", ["<", ">"])
@given(elements=st.lists(st.binary(max_size=200), max_size=5))
def test_good_variants_pass(order, elements):
    data, crc = encoded(elements, order)
    check_variants(data, len(elements), crc, "t", order=order)


def test_every_flipped_bit_is_found():
    data, crc = encoded([b"one", b""])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptCheckpointError, match="^t: "):
            check_variants(bytes(damaged), 2, crc, "t")


@pytest.mark.parametrize("count", [0, 1, 3, 2**60])
def test_a_wrong_number_of_variants_is_found(count):
    data, crc = encoded([b"one", b"two"])
    with pytest.raises(CorruptCheckpointError, match="^t: "):
        check_variants(data, count, crc, "t")


def test_a_checksum_of_the_entry_that_does_not_fit_is_found():
    data, crc = encoded([b"one"])
    with pytest.raises(CorruptCheckpointError, match="checksum mismatch"):
        check_variants(data, 1, crc ^ 1, "t")


def test_variants_that_tensorflow_wrote_pass_and_have_no_values():
    prefix = next((GOLDENS / "tf2_21" / "variants").glob("*.index")).with_suffix("")
    reader = BundleReader(str(prefix))
    variants = [
        key for key in reader.index if reader.index[key].spec.dtype is DType.variant
    ]
    assert variants
    for key in variants:
        reader.check(key)
        with pytest.raises(UnsupportedDTypeError, match="variant"):
            reader.read(key)
>>>>>>> bundletests
