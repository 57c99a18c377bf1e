import re

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bundle.files import sliced_entry
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.proto import (
    BundleEntryProto,
    Entry,
    moved_to_shard,
    parse_entry,
    scan_entries,
    serialized_entry,
)
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.errors import CorruptCheckpointError

FLOATS = TensorSpec(DType.float32, (2, 3))
GOOD = Entry(FLOATS, 1, 4, 24, 0xAAD5B0C0)
RAW = bytes.fromhex("08011208120208021202080318012004281835c0b0d5aa")


def plain_entry(raw, shards):
    """Return what a scan takes a usual entry for, or None."""
    specs, ends, unusual = scan_entries({"w": raw}, shards)
    if unusual:
        assert (specs, set(ends), unusual) == ({}, {0}, ["w"])
        return None
    return specs["w"], *max((end, shard) for shard, end in enumerate(ends))[::-1]


def plain(entry, shards):
    """Return what a scan should take an entry for."""
    end = entry.offset + entry.size
    return entry.spec, entry.shard if end else shards - 1, end


def where():
    return "m.index, key 'w'"


def proto(**fields):
    dims = fields.pop("shape", (2, 3))
    message = BundleEntryProto(**{"dtype": 1, "size": 24, **fields})
    for length in dims:
        message.shape.dim.add(size=length)
    return message.SerializeToString(deterministic=True)


def test_bytes_of_an_entry():
    assert serialized_entry(GOOD) == RAW
    assert parse_entry(RAW, 2, where) == GOOD
    assert plain_entry(RAW, 2) == (FLOATS, 1, 28)


def test_bytes_of_a_scalar_name_its_empty_shape_as_tensorflow_does():
    scalar = Entry(TensorSpec(DType.int64, ()), 0, 0, 8, 1)
    assert serialized_entry(scalar).hex() == "0809120028083501000000"
    assert parse_entry(serialized_entry(scalar), 1, where) == scalar


@given(
    st.sampled_from([dtype for dtype in DType if dtype.itemsize]),
    st.lists(st.integers(0, 300), max_size=4),
    st.integers(0, 999),
    st.integers(0, 2**62),
    st.integers(0, 2**32 - 1),
)
def test_entries_come_back(dtype, shape, shard, offset, crc):
    spec = TensorSpec(dtype, tuple(shape))
    entry = Entry(spec, shard, offset, spec.nbytes, crc)
    raw = serialized_entry(entry)
    assert parse_entry(raw, 1_000, where) == entry
    if b":" not in raw:
        assert plain_entry(raw, 1_000) == plain(entry, 1_000)


def test_an_entry_of_a_partitioned_variable():
    pieces = (TensorSlice((0, 0), (1, -1)), TensorSlice((1, 0), (1, -1)))
    raw = sliced_entry(FLOATS, pieces)
    assert parse_entry(raw, 1, where) == Entry(FLOATS, 0, 0, 0, 0, pieces)
    assert plain_entry(raw, 1) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": 0}, "0 is not the number of a dtype"),
        ({"dtype": 101}, "101 is not the number of a dtype"),
        ({"shape": (2, -1)}, "impossible shape [2, -1]"),
        ({"shape": (1,) * 255}, "impossible shape [1, 1"),
        ({"shape": (2**40, 2**40)}, "impossible shape [1099511627776"),
        ({"shape": (0, 2**62)}, "impossible shape [0"),
        ({"shard_id": 2}, "shard 2 of 2 (numbered from 0)"),
        ({"shard_id": -1}, "shard -1 of 2"),
        ({"offset": -1}, "impossible place: 24 bytes at offset -1"),
        ({"size": -24}, "impossible place: -24 bytes"),
        ({"dtype": 7, "size": -1}, "impossible place: -1 bytes"),
        ({"size": 23}, "float32[2, 3] takes 24 bytes, but the index says 23"),
        ({"size": 2**62}, "float32[2, 3] takes 24 bytes"),
        ({"dtype": 7, "shape": (25,)}, "string[25] cannot be stored in 24 bytes"),
    ],
)
def test_an_impossible_entry_is_refused(fields, message):
    expected = f"^m.index, key 'w': {re.escape(message)}"
    with pytest.raises(CorruptCheckpointError, match=expected):
        parse_entry(proto(**fields), 2, where)
    assert plain_entry(proto(**fields), 2) is None


def test_an_entry_that_is_no_message_is_refused():
    with pytest.raises(CorruptCheckpointError, match="key 'w': not a BundleEntryProto"):
        parse_entry(RAW[:-1], 2, where)
    assert plain_entry(RAW[:-1], 2) is None


def test_fields_may_come_in_another_order():
    head, tail = RAW[:12], RAW[12:]
    assert parse_entry(tail + head, 2, where) == GOOD
    assert plain_entry(tail + head, 2) == (FLOATS, 1, 28)


INTS = TensorSpec(DType.int32, (2, 3))
OVERLONG_SLICES = b"\xba\x00\x06\x0a\x00\x0a\x02\x08\x01"  # the tag in two bytes


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b"\x08\x03", GOOD._replace(spec=INTS)),
        (b"\x08\x09\x08\x03", GOOD._replace(spec=INTS)),
        (
            b"\x12\x04\x12\x02\x08\x01",
            GOOD._replace(spec=FLOATS._replace(shape=(2, 3, 1))),
        ),
        (b"\x12\x02\x12\x00", "takes 0 bytes"),
        (b"\x12\x02\x18\x01", "the shape has no rank"),
        (b"\x18\x00\x20\x08", GOOD._replace(shard=0, offset=8)),
        (OVERLONG_SLICES, GOOD._replace(slices=(TensorSlice((0, 1), (-1, -1)),))),
    ],
    ids=["dtype", "dtype_twice", "shape", "empty_dim", "no_rank", "place", "slices"],
)
def test_of_a_field_that_comes_twice_the_last_holds_and_messages_merge(more, expected):
    if isinstance(expected, str):
        with pytest.raises(CorruptCheckpointError, match=expected):
            parse_entry(RAW + more, 2, where)
        assert plain_entry(RAW + more, 2) is None
        return
    assert parse_entry(RAW + more, 2, where) == expected
    if not expected.slices:
        assert plain_entry(RAW + more, 2) == plain(expected, 2)


def test_shapes_of_equal_length_in_bytes_are_told_apart():
    """Two dims of overlong numbers and an empty one: as long as the two and merged."""
    overlong = b"\x12\x03\x08\x84\x00"
    raw = b"\x08\x01\x12\x0a" + overlong * 2 + b"\x12\x02\x12\x00"
    assert parse_entry(raw, 1, where).spec.shape == (4, 4, 0)
    assert plain_entry(raw, 1) == (TensorSpec(DType.float32, (4, 4, 0)), 0, 0)


FIELDS = st.binary(max_size=6) | st.sampled_from(
    [RAW[:2], RAW[2:12], RAW[12:14], RAW[14:16], RAW[16:18], RAW[18:], b"\x28\x18"]
)


@given(st.lists(FIELDS, max_size=9))
def test_an_entry_is_read_as_protobuf_reads_it(parts):
    raw = b"".join(parts)
    try:
        canonical = BundleEntryProto.FromString(raw).SerializeToString()
        expected = parse_entry(canonical, 2, where)
    except (DecodeError, CorruptCheckpointError):
        assert plain_entry(raw, 2) is None
        return
    assert parse_entry(raw, 2, where) == expected
    assert plain_entry(raw, 2) in (None, plain(expected, 2))


@given(st.binary(max_size=40) | st.builds(bytes.__add__, st.just(RAW[:3]), st.binary()))
@example(b"\x08\x81\x12")  # a dtype of two bytes, the second as the tag of a shape
@example(b"\x08\x01\x12")  # a shape cut off
@example(b"\x08\x81\x12\x28\x18")
def test_hostile_bytes_are_refused_or_read(raw):
    try:
        entry = parse_entry(raw, 2, where)
    except CorruptCheckpointError:
        assert plain_entry(raw, 2) is None
        return
    assert plain_entry(raw, 2) in (None, plain(entry, 2))


def test_a_scan_tells_what_every_shard_must_hold():
    far = serialized_entry(Entry(FLOATS, 0, 400, 24, 0))
    near = serialized_entry(Entry(FLOATS, 0, 4, 24, 0))
    scan = scan_entries({"a": far, "b": near, "c": RAW, "d": RAW[:-1]}, 2)
    assert scan == ({"a": FLOATS, "b": FLOATS, "c": FLOATS}, [424, 28], ["d"])


def test_moving_an_entry_keeps_all_else():
    unknown = bytes.fromhex("a21f0161")  # field 500, "a"
    moved = moved_to_shard(RAW + unknown, 5, 100, "t")
    assert moved.endswith(unknown)
    assert parse_entry(moved, 6, where) == GOOD._replace(shard=5, offset=100)
    assert parse_entry(moved_to_shard(RAW, 0, None, "t"), 1, where).offset == 4


def test_moving_what_is_no_entry_is_refused():
    with pytest.raises(CorruptCheckpointError, match=r"^t: not a BundleEntryProto"):
        moved_to_shard(b"\xff", 0, None, "t")
