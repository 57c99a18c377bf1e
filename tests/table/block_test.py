import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    TruncatedFileError,
)
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import (
    TRAILER_SIZE,
    block_columns,
    block_contents,
    built_block,
    put_varint,
    sealed,
    search_of,
)

ENTRIES = st.dictionaries(st.binary(max_size=300), st.binary(max_size=300))


def built(entries, restart_interval=16):
    block, end = built_block(entries, restart_interval=restart_interval)
    assert end == len(entries)
    return block


def entries_of(block, where):
    return list(zip(*block_columns(block, where), strict=True))


def stored(contents: bytes, kind: int) -> bytes:
    typed = contents + bytes([kind])
    return typed + struct.pack("<I", crc32c.mask(crc32c.value(typed)))


def uint32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def test_bytes_of_a_block():
    block = built([(b"dense/bias", b"B"), (b"dense/kernel", b"K")])
    first = b"\x00\x0a\x01dense/biasB"
    second = b"\x06\x06\x01kernelK"
    assert block == first + second + uint32(0, 1)


def test_an_empty_block_has_one_restart():
    assert built_block([]) == (uint32(0, 1), 0)


def test_a_restart_begins_with_a_whole_key():
    block = built([(b"a1", b""), (b"a2", b""), (b"a3", b"")], restart_interval=2)
    third = b"\x00\x02\x00a3"
    assert block == b"\x00\x02\x00a1" + b"\x01\x01\x002" + third + uint32(0, 9, 2)


@pytest.mark.parametrize("interval", [1, 2, 16])
@given(entries=ENTRIES)
def test_entries_come_back(interval, entries):
    entries = sorted(entries.items())
    block = built(entries, interval)
    assert (entries_of(block, "t")) == entries
    view = memoryview(block)
    assert [(k, bytes(v)) for k, v in entries_of(view, "t")] == entries


@given(ENTRIES, st.integers(1, 2_000))
def test_blocks_go_on_where_the_one_before_was_full(entries, limit):
    entries, found, end = sorted(entries.items()), [], 0
    while end < len(entries):
        start = end
        block, end = built_block(entries, start, limit=limit)
        found += entries_of(block, "t")
        one_less = built_block(entries[: end - 1], start)[0]
        assert len(one_less) < limit or end == start + 1
        huge = end < len(entries) and sum(map(len, entries[end])) >= 2 * limit
        assert len(block) >= limit or huge or end == len(entries)
    assert found == entries


@given(st.binary(), st.binary(), st.binary())
def test_a_key_shares_what_it_has_in_common_with_the_one_before(prefix, a, b):
    expected = len(prefix)
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        expected += 1
    first, second = sorted([prefix + a, prefix + b])
    block = built([(first, b"")])[:-8] + put_varint(expected)
    assert built([(first, b""), (second, b"")]).startswith(block)


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (b"", TruncatedFileError, "f: a block of 0 bytes"),
        (uint32(2), CorruptCheckpointError, "f: 2 restarts do not fit 4 bytes"),
        (uint32(2**32 - 1), CorruptCheckpointError, "4,294,967,295 restarts"),
        (b"\x01\x01\x00k" + uint32(0, 1), CorruptCheckpointError, "at 0 shares more"),
        (b"\x00\x02\x00k" + uint32(0, 1), TruncatedFileError, "at 0 exceeds"),
        (b"\x00\x01\x02kv" + uint32(0, 1), TruncatedFileError, "at 0 exceeds"),
        (b"\x00\x00" + uint32(0, 1), TruncatedFileError, "at 0 exceeds"),
        (b"\x80" * 10 + uint32(0, 1), CorruptCheckpointError, "exceeds 32 bits"),
    ],
)
def test_a_block_that_contradicts_itself(block, error, message):
    with pytest.raises(error, match=message):
        (entries_of(block, "f"))


@given(st.binary(max_size=60))
def test_any_bytes_give_entries_or_an_error_of_ours(block):
    try:
        entries = entries_of(block, "t")
    except CorruptCheckpointError:
        return
    assert sum(len(value) for _, value in entries) <= len(block)


def test_a_sealed_block_is_plain_and_comes_back():
    block = built([(b"k", b"v")])
    on_disk = sealed(block)
    assert on_disk == stored(block, 0)
    assert len(on_disk) == len(block) + TRAILER_SIZE
    assert block_contents(on_disk, "t") == block
    assert block_contents(memoryview(on_disk), "t") == block


def test_every_flipped_bit_of_a_stored_block_is_noticed():
    on_disk = sealed(built([(b"key", b"value")]))
    for bit in range(8 * len(on_disk)):
        damaged = bytearray(on_disk)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChecksumError, match="f: checksum mismatch"):
            block_contents(bytes(damaged), "f")


@given(entries=ENTRIES)
def test_a_snappy_block_comes_back(entries):
    block = built(sorted(entries.items()))
    packed = bytes(cramjam.snappy.compress_raw(block))
    assert block_contents(stored(packed, 1), "t") == block


def test_the_most_that_snappy_can_pack_is_not_refused():
    block = bytes(1 << 20)
    packed = bytes(cramjam.snappy.compress_raw(block))
    assert len(packed) < len(block) / 20
    assert block_contents(stored(packed, 1), "t") == block


def test_a_snappy_bomb_is_refused_before_it_is_unpacked():
    bomb = put_varint(2**32 - 1) + b"\x00a"
    with pytest.raises(CorruptCheckpointError, match="promise 4,294,967,295"):
        block_contents(stored(bomb, 1), "f")


@pytest.mark.parametrize("packed", [b"", b"\x05\x10abc", b"\x02\xfe\x01\x00"])
def test_damaged_snappy(packed):
    with pytest.raises(CorruptCheckpointError, match=r"^f"):
        block_contents(stored(packed, 1), "f")


@given(st.binary(max_size=60))
def test_any_snappy_bytes_give_a_block_or_an_error_of_ours(packed):
    try:
        block_contents(stored(packed, 1), "t")
    except CorruptCheckpointError:
        return


def test_an_unknown_compression_is_named():
    with pytest.raises(CorruptCheckpointError, match="f: compression type 2 "):
        block_contents(stored(b"", 2), "f")


WHOLE = [(b"a", b""), (b"b", b""), (b"c", b""), (b"d", b"")]  # 4 bytes each
SHARING = [(b"ka", b""), (b"kb", b""), (b"kc", b"")]  # at 0, 5 and 9


@pytest.mark.parametrize("restarts", [(0,), (0, 4), (0, 0), (0, 4, 8, 12), (0, 8, 4)])
def test_a_search_as_tensorflow_makes_it_finds_every_key(restarts):
    block = built(WHOLE)[:-8] + uint32(*restarts, len(restarts))
    search = search_of(block, "t")
    assert [search(key) for key, _ in WHOLE] == [0, 1, 2, 3]
    assert (search(b""), search(b"bb"), search(b"e")) == (0, 2, 4)


@pytest.mark.parametrize(
    ("restarts", "found"),
    [
        ((0, 1), [None] * 4),  # within an entry
        ((0, 16), [None] * 4),  # behind the entries
        ((0, 2**32 - 1), [None] * 4),
        ((0, 8, 1), [0, 1, 2, None]),  # asked for what is behind c alone
    ],
)
def test_a_damaged_restart_array_ends_a_search(restarts, found):
    block = built(WHOLE)[:-8] + uint32(*restarts, len(restarts))
    search = search_of(block, "t")
    assert [search(key) for key, _ in WHOLE] == found


def test_a_restart_at_a_key_that_is_not_whole_ends_a_search():
    block = built(SHARING)[:-8] + uint32(0, 5, 2)
    assert search_of(block, "t")(b"kb") is None


@pytest.mark.parametrize("restarts", [(), (4,), (4, 0)])
def test_a_block_that_does_not_begin_at_its_first_entry_is_refused(restarts):
    block = built(WHOLE)[:-8] + uint32(*restarts, len(restarts))
    with pytest.raises(CorruptCheckpointError, match="first restart must be 0"):
        search_of(block, "t")


def test_an_empty_block_finds_nothing():
    assert search_of(uint32(0, 1), "t")(b"a") == 0
    assert search_of(uint32(0), "t")(b"a") == 0


@given(ENTRIES, st.sampled_from([1, 2, 16]))
def test_a_search_in_a_right_block_finds_every_key(entries, interval):
    ordered = sorted(entries.items())
    search = search_of(built(ordered, interval), "t")
    assert [search(key) for key, _ in ordered] == [*range(len(ordered))]
