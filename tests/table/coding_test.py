import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import CorruptCheckpointError, TruncatedFileError
from tf_ckpt_migrate.table.block import get_varint, put_varint

# LevelDB's util/coding_test.cc looks at each power of two and its neighbours.
EDGES = sorted({0, *(2**k + d for k in range(65) for d in (-1, 0, 1))})
EDGES = [value for value in EDGES if value < 2**64]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (255, "ff01"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2**32 - 1, "ffffffff0f"),
        (2**64 - 1, "ffffffffffffffffff01"),
    ],
)
def test_known_answers(value, stored):
    assert put_varint(value).hex() == stored
    assert get_varint(bytes.fromhex(stored), 0, "t") == (value, len(stored) // 2)


@pytest.mark.parametrize("value", EDGES)
def test_edges_come_back(value):
    stored = put_varint(value)
    assert len(stored) == max(1, -(-value.bit_length() // 7))
    assert get_varint(b"\xff" + stored + b"\xff", 1, "t") == (value, 1 + len(stored))


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_a_sequence_comes_back(values):
    data = memoryview(b"".join(map(put_varint, values)))
    position, found = 0, []
    while position < len(data):
        value, position = get_varint(data, position, "t")
        found.append(value)
    assert found == values


@pytest.mark.parametrize("value", [128, 2**32, 2**64 - 1])
def test_every_cut_is_reported(value):
    stored = put_varint(value)
    for length in range(len(stored)):
        with pytest.raises(TruncatedFileError, match="f: ends within a varint at 0"):
            get_varint(stored[:length], 0, "f")


@pytest.mark.parametrize(
    "stored", ["ffffffffffffffffff02", "80808080808080808002", "80" * 10 + "01"]
)
def test_more_than_64_bits_is_reported(stored):
    with pytest.raises(CorruptCheckpointError, match="f: the varint at 0 exceeds 64"):
        get_varint(bytes.fromhex(stored), 0, "f")
