import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table import crc32c as unlocked

ISCSI_READ = bytes.fromhex(
    "01c00000000000000000000000000000"
    "14000000000004000000001400000018"
    "28000000000000000200000000000000"
)


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (ISCSI_READ, 0xD9963A56),
    ],
)
def test_known_answers(data, crc):
    assert crc32c.value(data) == crc
    assert crc32c.value(memoryview(data)) == crc
    assert crc32c.value(np.frombuffer(data, np.uint8)) == crc


def test_mask_rotates_and_adds():
    # By hand: 0x8A9136AA rotated right by 15 is 0x6D551522, plus 0xA282EAD8.
    assert crc32c.mask(0x8A9136AA) == 0x0FD7FFFA
    assert crc32c.mask(0) == 0xA282EAD8


@given(st.integers(0, 2**32 - 1))
def test_unmask_is_the_inverse(crc):
    assert crc32c.unmask(crc32c.mask(crc)) == crc
    assert crc32c.mask(crc32c.unmask(crc)) == crc
    assert 0 <= crc32c.mask(crc) < 2**32


@given(st.binary(), st.binary())
def test_extend_continues(head, tail):
    whole = crc32c.value(head + tail)
    assert crc32c.extend(crc32c.value(head), tail) == whole


def test_an_array_of_any_dtype_is_its_bytes():
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    assert crc32c.value(array) == crc32c.value(array.tobytes())


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_checksums_of_parts_make_that_of_the_whole(first, second):
    both = crc32c.combined(crc32c.value(first), crc32c.value(second), len(second))
    assert both == crc32c.value(first + second)


def test_large_data_of_every_kind():
    # RFC 3720's 32 zeros again, as the beginning of many.
    zeros, crc = np.zeros(1 << 20, np.uint8), 0x8A9136AA
    for size in (1 << n for n in range(5, 20)):
        crc = crc32c.combined(crc, crc, size)
    assert crc32c.value(zeros) == crc32c.value(memoryview(zeros)) == crc
    assert crc32c.value(bytes(zeros)) == crc
    assert crc32c.extend(5, zeros) == crc32c.extend(5, bytes(zeros))


def test_large_data_needs_no_c_library(monkeypatch):
    data = bytes(range(256)) * 4096
    monkeypatch.setattr(unlocked, "unlocked", lambda: None)
    assert crc32c.value(memoryview(data)) == crc32c.value(data)


@pytest.mark.skipif(google_crc32c.implementation != "c", reason="no C library here")
def test_the_c_library_is_found_under_googles():
    function = unlocked.unlocked()
    assert function is not None
    assert function(0, bytes(32), 32) == 0x8A9136AA
