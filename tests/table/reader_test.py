import contextlib
import io
import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import (
    FOOTER_SIZE,
    BlockHandle,
    built_block,
    sealed,
    write_footer,
)
from tf_ckpt_migrate.table.reader import TableReader
from tf_ckpt_migrate.table.writer import write_table

ENTRIES = st.dictionaries(st.binary(max_size=40), st.binary(max_size=40))
SMALL = [(b"", b"header"), (b"dense/bias", b"1"), (b"dense/kernel", b"22")]


def table(entries, block_size=64):
    file = io.BytesIO()
    write_table(file, entries, block_size=block_size)
    return file.getvalue()


def block(*entries):
    return built_block(entries)[0]


def snappy(contents):
    typed = bytes(cramjam.snappy.compress_raw(contents)) + b"\x01"
    return typed + struct.pack("<I", crc32c.mask(crc32c.value(typed)))


def assembled(blocks, seal=sealed):
    """Return a table of blocks given as (last key, entries), wrong ones too."""
    data, index = b"", []
    for last_key, entries in blocks:
        stored = seal(block(*entries))
        index.append((last_key, BlockHandle(len(data), len(stored) - 5).serialized()))
        data += stored
    stored = seal(block(*index))
    handle = BlockHandle(len(data), len(stored) - 5)
    return data + stored + write_footer(handle, handle)


@pytest.mark.parametrize("block_size", [1, 64, 262_144])
@given(entries=ENTRIES)
def test_entries_come_back(block_size, entries):
    data = table(sorted(entries.items()), block_size)
    reader = TableReader(data, "t")
    assert dict(reader) == entries
    assert [key for key, _ in reader] == sorted(entries)
    assert {key: reader.get(key) for key in entries} == entries


@pytest.mark.parametrize("block_size", [1, 64, 262_144])
@given(entries=ENTRIES, key=st.binary(max_size=3))
def test_a_key_is_found_exactly_if_it_is_there(block_size, entries, key):
    reader = TableReader(table(sorted(entries.items()), block_size), "t")
    assert reader.get(key) == entries.get(key)


def test_a_mapped_file_gives_parts_of_itself():
    data = memoryview(table(SMALL))
    for _, value in TableReader(data, "t"):
        assert isinstance(value, memoryview)
        assert value.obj is data.obj


def test_an_empty_table():
    reader = TableReader(table([]), "t")
    assert list(reader) == []
    assert reader.get(b"") is None


def test_snappy_blocks():
    whole = [(b"b", SMALL[:2]), (b"dense/kernel", SMALL[2:])]
    data = assembled([(entries[-1][0], entries) for _, entries in whole], snappy)
    reader = TableReader(data, "t")
    assert list(reader) == SMALL
    assert reader.get(b"dense/bias") == b"1"


@pytest.mark.parametrize("second", [b"a", b"b"])
def test_keys_that_do_not_ascend(second):
    within = assembled([(b"b", [(b"b", b""), (second, b"")])])
    across = assembled([(b"b", [(b"b", b"")]), (b"c", [(second, b"")])])
    for data in (within, across):
        message = f"f: key b'{second.decode()}' follows b'b', but a table is sorted"
        with pytest.raises(CorruptCheckpointError, match=message):
            list(TableReader(data, "f"))


@pytest.mark.parametrize("second", [b"a", b"b"])
def test_an_index_that_does_not_ascend(second):
    data = assembled([(b"b", [(b"b", b"")]), (second, [(b"c", b"")])])
    with pytest.raises(CorruptCheckpointError, match=r"f \(index block\): key b'"):
        TableReader(data, "f")


def test_every_flipped_bit_is_noticed_or_changes_nothing():
    data = table(SMALL, block_size=24)
    unread = noticed = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            reader = TableReader(bytes(damaged), "t")
            assert list(reader) == SMALL
            assert [(key, reader.get(key)) for key, _ in SMALL] == SMALL
            unread += 1
        except CorruptCheckpointError:
            noticed += 1
    # Nobody reads the metaindex (13 bytes), its handle, or the padding of the footer.
    assert unread <= 8 * (13 + FOOTER_SIZE - 8)
    assert noticed >= 8 * (len(data) - 13 - FOOTER_SIZE + 8)


@pytest.mark.parametrize("block_size", [24, 262_144])
def test_every_cut_is_noticed(block_size):
    data = table(SMALL, block_size)
    for length in range(len(data)):
        with pytest.raises(CorruptCheckpointError):
            TableReader(data[:length], "t")


@given(st.binary(max_size=80), st.binary(max_size=40), st.integers(0, 90))
def test_hostile_blocks_with_right_checksums_raise_errors_of_ours(data, index, offset):
    stored = sealed(data) + sealed(index)
    handle = BlockHandle(min(offset, len(data) + 5), len(index))
    with contextlib.suppress(CorruptCheckpointError):
        reader = TableReader(stored + write_footer(handle, handle), "t")
        list(reader)
        reader.get(b"k")


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([(b"a", [(b"a", b""), (b"b", b"")])], "cannot find key b'b'"),
        ([(b"c", [(b"a", b"")]), (b"d", [(b"b", b""), (b"d", b"")])], "key b'b'"),
    ],
)
def test_index_keys_that_lead_to_another_block(blocks, text):
    reader = TableReader(assembled(blocks), "t")
    with pytest.raises(CorruptCheckpointError, match=text):
        reader.check_searchable()


@pytest.mark.parametrize("block_size", [1, 64, 262_144])
@given(entries=ENTRIES)
def test_tables_that_are_written_can_be_searched(block_size, entries):
    TableReader(table(sorted(entries.items()), block_size), "t").check_searchable()
