import io
import struct

import pytest

from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import (
    BlockHandle,
    block_columns,
    block_contents,
    read_footer,
)
from tf_ckpt_migrate.table.writer import BLOCK_SIZE, write_table


def table(entries, **options):
    file = io.BytesIO()
    write_table(file, entries, **options)
    return file.getvalue()


def index_of(data):
    """Return the keys of the index block and the blocks that they lead to."""
    index = block_contents(read_footer(data, "t")[1].stored_in(data, "t"), "t")
    return {
        key: BlockHandle.parse(handle, 0, "t")[0]
        for key, handle in zip(*block_columns(index, "t"), strict=True)
    }


def trailer(block):
    return b"\0" + struct.pack("<I", crc32c.mask(crc32c.value(block + b"\0")))


def test_bytes_of_a_table():
    one_restart = struct.pack("<II", 0, 1)
    data = b"\x00\x00\x06header" + b"\x00\x01\x05wentry" + one_restart
    metaindex = one_restart
    index = b"\x00\x01\x02x" + bytes([0, len(data)]) + one_restart
    blocks = b"".join(part + trailer(part) for part in (data, metaindex, index))
    handles = bytes([31, 8, 44, 14])
    footer = handles + bytes(36) + bytes.fromhex("57fb808b247547db")
    assert table([(b"", b"header"), (b"w", b"entry")]) == blocks + footer


# LevelDB's FindShortestSeparator and FindShortSuccessor, as its tests state them.
@pytest.mark.parametrize(
    ("low", "high", "separator"),
    [
        (b"foo", b"hello", b"g"),
        (b"abc1xyz", b"abc3xy", b"abc2"),
        (b"foo", b"foobar", b"foo"),  # a prefix
        (b"w1", b"w2", b"w1"),  # no key between
        (b"a\xff", b"c", b"b"),
        (b"\xff", b"\xff\xff", b"\xff"),
        (b"a\xfe\x01", b"a\xff", b"a\xfe\x01"),
        (b"", b"a", b""),
    ],
)
def test_the_index_separates_blocks_by_the_shortest_key(low, high, separator):
    data = table([(low, b"1"), (high, b"2")], block_size=1)
    assert next(iter(index_of(data))) == separator
    assert low <= separator < high


@pytest.mark.parametrize(
    ("last", "successor"),
    [
        (b"foo", b"g"),
        (b"\xff\xffa", b"\xff\xffb"),
        (b"\xff\xff", b"\xff\xff"),
        (b"", b""),
    ],
)
def test_the_index_ends_in_a_short_key(last, successor):
    assert list(index_of(table([(last, b"")]))) == [successor]


def test_a_block_closes_when_it_is_full():
    entries = [(b"%04d" % i, bytes(100)) for i in range(100)]
    handles = list(index_of(table(entries, block_size=1_000)).values())
    sizes = [handle.size for handle in handles]
    assert all(1_000 <= size < 1_120 for size in sizes[:-1])
    assert sizes[-1] < 1_120
    ends = [handle.offset + handle.size + 5 for handle in handles]
    assert [handle.offset for handle in handles] == [0, *ends[:-1]]


def test_an_entry_of_two_blocks_stands_alone():
    small, huge = bytes(10), bytes(2_000)
    entries = [(b"a", small), (b"b", huge), (b"c", small)]
    handles = index_of(table(entries, block_size=1_000))
    assert [handle.size > 1_000 for handle in handles.values()] == [False, True, False]


def test_the_block_size_is_tensorflows():
    entries = [(b"%06d" % i, bytes(1_000)) for i in range(300)]
    first = next(iter(index_of(table(entries)).values()))
    assert BLOCK_SIZE == 256 * 1024
    assert BLOCK_SIZE <= first.size < BLOCK_SIZE + 1_100


def test_a_table_may_begin_anywhere_in_a_file():
    file = io.BytesIO()
    file.write(b"before")
    write_table(file, [(b"k", b"v")])
    assert file.getvalue() == b"before" + table([(b"k", b"v")])
