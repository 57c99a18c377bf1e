import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.bundle.ordered_code import number, signed_number, string

INT64 = st.integers(-(2**63), 2**63 - 1)


# A byte of length, then the number: WriteNumIncreasing.
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "00"),
        (1, "0101"),
        (255, "01ff"),
        (256, "020100"),
        (2**64 - 1, "08ffffffffffffffff"),
    ],
)
def test_number(value, code):
    assert number(value).hex() == code


# 0 and 255 are escaped, 0 1 ends: WriteString.
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "0001"),
        (b"\0", "00ff0001"),
        (b"\xff", "ff000001"),
        (b"a\0\xffb", "6100ffff00620001"),
        (b"\1\xfe", "01fe0001"),
    ],
)
def test_string(value, code):
    assert string(value).hex() == code


# n leading bits tell n bytes, xored over the sign: WriteSignedNumIncreasing.
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "80"),
        (1, "81"),
        (-1, "7f"),
        (63, "bf"),
        (64, "c040"),
        (-64, "40"),
        (-65, "3fbf"),
        (8191, "dfff"),
        (8192, "e02000"),
        (-8193, "1fdfff"),
        (2**62 - 1, "ffbfffffffffffffff"),
        (2**62, "ffc04000000000000000"),
        (2**63 - 1, "ffc07fffffffffffffff"),
        (-(2**63), "003f8000000000000000"),
    ],
)
def test_signed_number(value, code):
    assert signed_number(value).hex() == code


@given(INT64, INT64)
def test_signed_numbers_sort_as_their_codes(a, b):
    assert (a < b) == (signed_number(a) < signed_number(b))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_numbers_sort_as_their_codes(a, b):
    assert (a < b) == (number(a) < number(b))


@given(st.binary(), st.binary(), st.binary(), st.binary())
def test_strings_sort_as_their_codes_whatever_follows(a, b, after_a, after_b):
    if a != b:
        assert (a < b) == (string(a) + after_a < string(b) + after_b)


@pytest.mark.parametrize("bits", range(64))
def test_codes_sort_around_every_power_of_two(bits):
    powers = [2**bits - 2, 2**bits - 1, 2**bits]
    values = sorted({*powers, *(~value for value in powers)})
    values = [value for value in values if -(2**63) <= value < 2**63]
    codes = [signed_number(value) for value in values]
    assert codes == sorted(codes)
    assert len(set(codes)) == len(values)
