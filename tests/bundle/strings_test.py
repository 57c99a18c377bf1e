import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle import strings
from tf_ckpt_migrate.bundle.strings import decode_strings, encode_strings
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c

ORDERS = pytest.mark.parametrize("order", ["<", ">"])


@ORDERS
def test_bytes_of_a_string_tensor(order):
    lengths = struct.pack(f"{order}II", 2, 0)
    inner = struct.pack(f"{order}I", crc32c.mask(crc32c.value(lengths)))
    data, crc = encode_strings([b"ab", b""], order=order)
    assert data == b"\x02\x00" + inner + b"ab"
    assert crc == crc32c.mask(crc32c.value(lengths + inner + b"ab"))


def test_a_length_of_4_gib_is_summed_as_64_bits(monkeypatch):
    monkeypatch.setattr(strings, "_UINT32_MAX", 2)
    lengths = struct.pack("<IQ", 2, 3)
    data, _ = encode_strings([b"ab", b"abc"])
    assert data[2:6] == struct.pack("<I", crc32c.mask(crc32c.value(lengths)))


@ORDERS
@given(elements=st.lists(st.binary(max_size=300), max_size=20))
def test_strings_come_back(order, elements):
    data, crc = encode_strings(elements, order=order)
    assert decode_strings(data, len(elements), crc, "t", order=order) == elements


def test_every_flipped_bit_is_found():
    data, crc = encode_strings([b"kernel", b"", b"bias"])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptCheckpointError, match=r"^t: "):
            decode_strings(bytes(damaged), 3, crc, "t")


def test_the_checksum_of_the_lengths_is_checked_even_without_that_of_the_entry():
    data, crc = encode_strings([b"ab", b"cd"])
    with pytest.raises(ChecksumError, match="checksum mismatch"):
        decode_strings(data, 2, crc ^ 1, "t")
    assert decode_strings(data, 2, None, "t") == [b"ab", b"cd"]
    swapped = b"\x01\x03" + data[2:]
    with pytest.raises(ChecksumError, match="checksum of the string lengths"):
        decode_strings(swapped, 2, None, "t")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_strings_is_found(count):
    data, crc = encode_strings([b"ab", b"cd"])
    with pytest.raises(CorruptCheckpointError):
        decode_strings(data, count, crc, "t")


def test_strings_that_end_too_soon_are_found():
    data, crc = encode_strings([b"ab"])
    with pytest.raises(TruncatedFileError, match="before the checksum"):
        decode_strings(data[:4], 1, crc, "t")
    with pytest.raises(TruncatedFileError, match="varint"):
        decode_strings(b"", 1, crc, "t")
    with pytest.raises(CorruptCheckpointError, match="do not fill"):
        decode_strings(data[:-1], 1, crc, "t")
