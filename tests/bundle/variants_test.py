import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.files import GOLDENS
from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.strings import check_variants
from tf_ckpt_migrate.errors import CorruptCheckpointError, UnsupportedDTypeError
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import put_varint


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
        with pytest.raises(CorruptCheckpointError, match=r"^t: "):
            check_variants(bytes(damaged), 2, crc, "t")


@pytest.mark.parametrize("count", [0, 1, 3, 2**60])
def test_a_wrong_number_of_variants_is_found(count):
    data, crc = encoded([b"one", b"two"])
    with pytest.raises(CorruptCheckpointError, match=r"^t: "):
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
