import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.bundle.files import (
    entry_of,
    sliced_entry,
    spec_of,
    strings,
    write_checkpoint,
    write_index,
    write_partitioned,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    MissingShardError,
    TensorNotFoundError,
    UnsupportedDTypeError,
)
from tf_ckpt_migrate.table import crc32c

CUBE = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
ROWS = [TensorSlice((0, 0), (4, -1)), TensorSlice((4, 0), (6, -1))]
EMB = np.arange(30, dtype=np.float32).reshape(10, 3)


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "m")


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Return readers of CUBE, whole and in slices along its second axis."""
    folder = tmp_path_factory.mktemp("cubes")
    pieces = [TensorSlice((0, at, 0), (-1, 2, -1)) for at in (0, 2)]
    write_checkpoint(folder / "whole", {"w": CUBE})
    write_checkpoint(folder / "big", {"w": CUBE}, big_endian=True)
    write_partitioned(folder / "sliced", "w", CUBE, pieces)
    return [BundleReader(str(folder / name)) for name in ("whole", "big", "sliced")]


def shard(prefix, number=0, count=1):
    return Path(f"{prefix}.data-{number:05d}-of-{count:05d}")


def flip(path, position=-1):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.fixture
def checksums(monkeypatch):
    """Return the sizes of what checksums are computed of."""
    sizes = []
    compute = crc32c.extend

    def recorded(crc, data):
        sizes.append(len(data))
        return compute(crc, data)

    monkeypatch.setattr(crc32c, "extend", recorded)
    return sizes


def test_arrays_are_the_mapped_file_and_read_only(prefix):
    write_checkpoint(prefix, {"w": CUBE})
    array = BundleReader(prefix).read("w")
    with shard(prefix).open("r+b") as file:
        file.write(b"\x07\x00")  # what changes in the file, changes in the array
    assert array[0, 0, 0] == 7
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


@pytest.mark.parametrize("index", [None, 1, (1, 2, 0), ..., (slice(None), 0)])
def test_every_array_is_read_only(cubes, index):
    for reader in cubes:
        array = reader.read("w", index)
        assert isinstance(array, np.ndarray)
        assert not array.flags.writeable


def test_a_checksum_is_computed_once_when_a_tensor_is_first_read(prefix, checksums):
    write_checkpoint(prefix, {"w": CUBE, "x": CUBE[0]})
    checksums.clear()
    reader = BundleReader(prefix)
    checksums.clear()
    reader.read("w", slice(0, 2))
    assert checksums == []
    reader.read("w")
    reader.read("w")
    reader.check("w")
    assert checksums == [CUBE.nbytes]


def test_two_keys_of_the_same_bytes_are_checked_once(prefix, checksums):
    write_checkpoint(prefix, {"w": CUBE})
    write_index(prefix, {b"w": entry_of(CUBE), b"other/name": entry_of(CUBE)})
    reader = BundleReader(prefix)
    checksums.clear()
    assert np.array_equal(reader.read("w"), reader.read("other/name"))
    assert checksums == [CUBE.nbytes]


def test_two_keys_of_the_same_bytes_must_both_have_their_checksum(prefix):
    write_checkpoint(prefix, {"w": CUBE})
    entry = Entry(spec_of(CUBE), 0, 0, CUBE.nbytes, 1)
    write_index(prefix, {b"a": entry_of(CUBE), b"b": serialized_entry(entry)})
    reader = BundleReader(prefix)
    reader.read("a")
    with pytest.raises(ChecksumError, match="tensor 'b'"):
        reader.read("b")


def test_damage_is_named_with_file_key_and_place(prefix):
    write_checkpoint(prefix, {"v": CUBE, "w": CUBE})
    flip(shard(prefix))
    reader = BundleReader(prefix)
    reader.read("v")
    expected = (
        re.escape(str(shard(prefix)))
        + r": the checksum of tensor 'w' \(120 bytes at 120\) is 0x.*verify=False"
    )
    for look in (reader.read, reader.check):
        with pytest.raises(ChecksumError, match=expected):
            look("w")
    assert reader.read("w", (0, 0)).shape == (3,)  # a part is not checked


def test_damage_can_be_looked_at(prefix):
    write_checkpoint(prefix, {"w": CUBE, "s": strings(b"a")})
    flip(shard(prefix))
    reader = BundleReader(prefix, verify=False)
    assert reader.read("s").tolist() == [b"`"]
    assert np.array_equal(reader.read("w"), CUBE)
    with pytest.raises(ChecksumError, match="tensor 's'"):
        reader.check("s")


def test_a_missing_key(prefix):
    write_checkpoint(prefix, {"w": CUBE})
    for look in (BundleReader(prefix).read, BundleReader(prefix).check):
        with pytest.raises(TensorNotFoundError, match="Key x not found in checkpoint"):
            look("x")


def test_a_missing_shard_hinders_only_its_own_tensors(prefix):
    write_partitioned(prefix, "emb", EMB, ROWS)
    shard(prefix, 1, 2).unlink()
    reader = BundleReader(prefix)
    assert np.array_equal(reader.read("emb", slice(1, 4)), EMB[1:4])
    with pytest.raises(MissingShardError, match=r"m\.data-00001-of-00002"):
        reader.read("emb")


def test_damage_of_a_slice_is_named(prefix):
    write_partitioned(prefix, "emb", EMB, ROWS)
    flip(shard(prefix, 1, 2))
    for look in (BundleReader(prefix).read, BundleReader(prefix).check):
        with pytest.raises(ChecksumError, match="tensor 'emb', slice 4,6:-"):
            look("emb")


def test_slices_that_leave_a_gap_are_found(prefix):
    gap = [ROWS[0], TensorSlice((5, 0), (5, -1))]
    write_partitioned(prefix, "emb", EMB, gap)
    for look in (BundleReader(prefix).read, BundleReader(prefix).check):
        with pytest.raises(
            CorruptCheckpointError, match="'emb': its slices hold 27 of 30 elements"
        ):
            look("emb")


def test_a_slice_outside_of_its_variable_is_named_with_the_file(prefix):
    piece = TensorSlice((4, 0), (6, -1))
    entries = {
        b"emb": sliced_entry(TensorSpec(DType.float32, (9, 3)), [piece]),
        slice_key("emb", piece): entry_of(EMB[4:]),
    }
    write_index(prefix, entries)
    with pytest.raises(
        CorruptCheckpointError, match=r"m\.index, key 'emb': slice 4,6:- does not lie"
    ):
        BundleReader(prefix).read("emb")


@pytest.mark.parametrize(
    ("index", "numbers"), [(0, {0}), (-1, {1}), (slice(3, 5), {0, 1}), (None, {0, 1})]
)
def test_only_the_shards_of_overlapping_slices_are_opened(prefix, index, numbers):
    write_partitioned(prefix, "emb", EMB, ROWS)
    reader = BundleReader(prefix)
    opened = set()
    read = reader.shards.read

    def recorded(number, *place):
        opened.add(number)
        return read(number, *place)

    reader.shards.read = recorded
    reader.read("emb", index)
    assert opened == numbers


@given(npst.basic_indices(CUBE.shape, allow_newaxis=False))
def test_a_part_is_that_part_of_the_whole(cubes, index):
    for reader in cubes:
        part = reader.read("w", index)
        assert part.dtype == CUBE.dtype
        assert part.shape == CUBE[index].shape
        assert np.array_equal(part, CUBE[index])


@given(npst.basic_indices((3,), allow_newaxis=False))
def test_a_part_of_strings_is_that_part_of_the_whole(tmp_path_factory, index):
    prefix = tmp_path_factory.mktemp("strings") / "m"
    value = strings(b"a", b"", b"\xff" * 200)
    write_checkpoint(prefix, {"s": value})
    assert np.array_equal(BundleReader(str(prefix)).read("s", index), value[index])


# The newest are not in the ml-dtypes that TensorFlow 2.15 needs.
_NEWEST = ("float4_e2m1fn", "int2", "uint2")
_WITH_VALUES = [
    dtype
    for dtype in DType
    if dtype.itemsize and (dtype.name not in _NEWEST or hasattr(ml_dtypes, dtype.name))
]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("dtype", _WITH_VALUES, ids=lambda dtype: dtype.name)
def test_every_dtype_comes_back(tmp_path, dtype, big_endian):
    bits = np.arange(6 * dtype.itemsize, dtype=np.uint8)
    if dtype is DType.bool:
        bits %= 2
    value = bits.view(dtype.as_numpy_dtype).reshape(2, 3)
    spec = TensorSpec(dtype, value.shape)
    with BundleWriter(str(tmp_path / "m"), big_endian=big_endian) as writer:
        entry = writer.append(writer.new_shard(), value, spec)
        writer.commit({b"w": entry})
    reader = BundleReader(str(tmp_path / "m"))
    found = reader.read("w")
    reader.check("w")
    assert reader.index.big_endian is big_endian
    assert reader.index["w"].spec == spec
    assert found.dtype == value.dtype
    assert found.tobytes() == value.tobytes()


_ARRAYS = npst.arrays(
    npst.integer_dtypes(endianness="<")
    | npst.unsigned_integer_dtypes(endianness="<")
    | npst.floating_dtypes(endianness="<", sizes=(16, 32, 64))
    | npst.complex_number_dtypes(endianness="<", sizes=(64, 128))
    | npst.boolean_dtypes(),
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
_STRINGS = npst.arrays(
    object,
    npst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3),
    elements=st.binary(max_size=40),
    fill=st.nothing(),
)
_KEYS = st.text(min_size=1).filter(lambda key: key[0] != "\0")


@given(
    tensors=st.dictionaries(_KEYS, _ARRAYS | _STRINGS, max_size=4),
    big_endian=st.booleans(),
)
def test_what_is_written_comes_back(tmp_path_factory, tensors, big_endian):
    prefix = str(tmp_path_factory.mktemp("round") / "m")
    write_checkpoint(prefix, tensors, big_endian=big_endian)
    reader = BundleReader(prefix)
    assert sorted(reader.index) == sorted(tensors)
    for key, value in tensors.items():
        found = reader.read(key)
        reader.check(key)
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
        if value.dtype == object:
            assert found.tolist() == value.tolist()
        else:
            assert found.tobytes() == value.tobytes()


def test_bytes_of_a_big_endian_file(prefix):
    value = np.array([1 + 2j], np.complex64)
    write_checkpoint(prefix, {"w": value, "s": strings(b"ab")}, big_endian=True)
    data = shard(prefix).read_bytes()
    assert data[:8].hex() == "3f80000040000000"  # each half for itself
    lengths = (2).to_bytes(4, "big")
    stored = crc32c.mask(crc32c.value(lengths)).to_bytes(4, "big")
    assert data[8:] == b"\x02" + stored + b"ab"


@pytest.mark.parametrize("dtype", [DType.resource, DType.variant])
def test_a_value_without_a_numpy_form_is_refused(prefix, dtype):
    entry = Entry(TensorSpec(dtype, (1,)), 0, 0, 3, crc32c.mask(crc32c.value(b"abc")))
    write_index(prefix, {b"w": serialized_entry(entry)})
    shard(prefix).write_bytes(b"abc")
    with pytest.raises(UnsupportedDTypeError, match=dtype.name):
        BundleReader(prefix).read("w")


def test_more_dimensions_than_numpy_has_are_refused(prefix):
    entry = Entry(TensorSpec(DType.int8, (1,) * 40), 0, 0, 1, 0)
    write_index(prefix, {b"w": serialized_entry(entry)})
    shard(prefix).write_bytes(b"\0")
    reader = BundleReader(prefix, verify=False)
    with pytest.raises(UnsupportedDTypeError, match=r"m\.index.*'w': 40 dimensions"):
        reader.read("w")


def test_a_huge_partitioned_variable_takes_no_memory_before_it_is_there(prefix):
    piece = TensorSlice((0,), (-1,))
    huge = TensorSpec(DType.int8, (2**50,))
    entry = Entry(huge, 0, 0, huge.nbytes, 0)
    entries = {
        b"emb": sliced_entry(huge, [piece]),
        slice_key("emb", piece): serialized_entry(entry),
    }
    write_index(prefix, entries)
    shard(prefix).write_bytes(b"abc")
    with pytest.raises(CorruptCheckpointError, match="but the file ends at 3"):
        BundleReader(prefix).read("emb")
