import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import CorruptCheckpointError, TruncatedFileError
from tf_ckpt_migrate.table.block import (
    FOOTER_SIZE,
    MAGIC,
    BlockHandle,
    read_footer,
    write_footer,
)

OFFSETS = st.integers(0, 2**64 - 1)
HANDLES = st.builds(BlockHandle, OFFSETS, OFFSETS)


def test_bytes_of_a_footer():
    footer = write_footer(BlockHandle(26, 8), BlockHandle(39, 300))
    assert footer == (
        bytes([26, 8, 39]) + b"\xac\x02" + bytes(35) + bytes.fromhex("57fb808b247547db")
    )


@given(HANDLES, HANDLES)
def test_the_index_handle_comes_back(metaindex, index):
    footer = write_footer(metaindex, index)
    assert len(footer) == FOOTER_SIZE
    assert read_footer(b"blocks" + footer, "t") == (metaindex, index)


@pytest.mark.parametrize("length", [0, 1, FOOTER_SIZE - 1])
def test_a_file_shorter_than_a_footer(length):
    with pytest.raises(TruncatedFileError, match=f"f: {length} bytes are too few"):
        read_footer(bytes(length), "f")


def test_another_magic_number():
    footer = write_footer(BlockHandle(0, 8), BlockHandle(13, 8))
    message = r"f: ends in 0057fb808b247547, not in a table's magic number 57fb"
    with pytest.raises(CorruptCheckpointError, match=message):
        read_footer(b"\0" + footer[:-8] + b"\0" + MAGIC[:-1], "f")


def test_handles_that_are_no_varints():
    with pytest.raises(CorruptCheckpointError, match="exceeds 64 bits"):
        read_footer(b"\xff" * (FOOTER_SIZE - 8) + MAGIC, "f")


@pytest.mark.parametrize(
    "handle", [BlockHandle(0, 6), BlockHandle(6, 0), BlockHandle(2**64 - 1, 2**64 - 1)]
)
def test_a_handle_beyond_the_file(handle):
    table = bytes(10) + bytes(FOOTER_SIZE)  # room for a block of 5 and its trailer
    assert len(BlockHandle(0, 5).stored_in(table, "f")) == 10
    with pytest.raises(TruncatedFileError, match=r"f: a block of .* exceeds"):
        handle.stored_in(table, "f")
