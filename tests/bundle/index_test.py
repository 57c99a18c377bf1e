import re
from pathlib import Path

import numpy as np
import pytest

from tests.bundle.files import (
    entry_of,
    sliced_entry,
    spec_of,
    table,
    write_checkpoint,
    write_index,
    write_partitioned,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import BundleIndex, serialized_header
from tf_ckpt_migrate.bundle.proto import BundleHeaderProto
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.errors import (
    CorruptCheckpointError,
    NotACheckpointError,
    TensorNotFoundError,
)

BIAS = np.array([1, 2], np.float32)
KERNEL = np.arange(6, dtype=np.float64).reshape(3, 2)
HALVES = (TensorSlice((0, 0), (2, -1)), TensorSlice((2, 0), (1, -1)))


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "m")


def header(**fields):
    version = fields.pop("version", {"producer": 1})
    message = BundleHeaderProto(**{"num_shards": 1, **fields})
    for name, value in version.items():
        if name == "bad_consumers":
            message.version.bad_consumers.extend(value)
        else:
            setattr(message.version, name, value)
    return message.SerializeToString()


def test_an_index_is_a_mapping_of_keys_to_entries(prefix):
    write_checkpoint(prefix, {"b": BIAS, "a/k": KERNEL})
    index = BundleIndex(prefix)
    assert list(index) == ["a/k", "b"]
    assert len(index) == 2
    assert "b" in index
    assert "c" not in index
    assert index["b"].spec == TensorSpec(DType.float32, (2,))
    assert index.specs == {"a/k": spec_of(KERNEL), "b": spec_of(BIAS)}
    assert (index.shards, index.big_endian) == (1, False)
    assert index.end_of_shard(0) == BIAS.nbytes + KERNEL.nbytes
    assert index.end_of_shard(1) == 0


def test_raw_entries_are_those_of_the_file(prefix):
    raw = entry_of(BIAS) + bytes.fromhex("a21f0161")  # and an unknown field
    write_index(prefix, {b"b": raw})
    assert BundleIndex(prefix).raw == {"b": raw}
    assert BundleIndex(prefix).header == serialized_header(1)


def test_a_key_that_is_not_there_is_answered_with_the_nearest(prefix):
    write_checkpoint(prefix, {"dense/kernel": KERNEL})
    message = (
        f"Key dense/kernal not found in checkpoint {prefix + '.index'!r} of 1 keys; "
        "nearest: 'dense/kernel'"
    )
    with pytest.raises(TensorNotFoundError, match=re.escape(message)):
        BundleIndex(prefix)["dense/kernal"]


@pytest.mark.parametrize(
    ("fields", "big_endian"),
    [
        ({}, False),
        ({"version": {}}, False),
        ({"version": {"producer": 9, "min_consumer": 1}}, False),
        ({"version": {"bad_consumers": [0, 2]}}, False),
        ({"endianness": 1}, True),
        ({"num_shards": 100_000}, False),
    ],
)
def test_headers_that_can_be_read(prefix, fields, big_endian):
    write_index(prefix, {}, header(**fields))
    index = BundleIndex(prefix)
    assert index.big_endian is big_endian
    assert index.shards == fields.get("num_shards", 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": {"min_consumer": 2}}, "readers of version 2 on; this one knows"),
        ({"version": {"bad_consumers": [1]}}, "written for readers of"),
        ({"version": {"producer": -1}}, "impossible header: written by version -1"),
        ({"num_shards": 0}, "impossible header: 0 shards"),
        ({"num_shards": -1}, "impossible header: -1 shards"),
        ({"num_shards": 100_001}, "impossible header: 100001 shards"),
        ({"endianness": 2}, "endianness 2"),
    ],
)
def test_headers_that_cannot_be_read(prefix, fields, message):
    write_index(prefix, {}, header(**fields))
    with pytest.raises(CorruptCheckpointError, match=f"m.index: .*{message}"):
        BundleIndex(prefix)


def test_a_header_that_is_no_message(prefix):
    write_index(prefix, {}, b"\xff")
    with pytest.raises(CorruptCheckpointError, match=r"m\.index, header: not a Bundle"):
        BundleIndex(prefix)


def test_a_table_without_a_header(prefix):
    write_index(prefix, {b"b": entry_of(BIAS)}, b"")
    with pytest.raises(CorruptCheckpointError, match=r"m\.index: .* without a header"):
        BundleIndex(prefix)


def test_a_key_that_is_no_text(prefix):
    write_index(prefix, {b"\xff\xfe": entry_of(BIAS)})
    message = re.escape(r"m.index: key b'\xff\xfe' is not UTF-8")
    with pytest.raises(CorruptCheckpointError, match=message):
        BundleIndex(prefix)


def test_no_index(prefix):
    with pytest.raises(FileNotFoundError, match=re.escape(f"{prefix}.index")):
        BundleIndex(prefix)


def test_an_empty_index_file(prefix):
    Path(f"{prefix}.index").touch()
    with pytest.raises(CorruptCheckpointError, match=r"m\.index: 0 bytes are too few"):
        BundleIndex(prefix)


def test_another_kind_of_file_is_called_by_its_name(prefix):
    Path(f"{prefix}.index").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(NotACheckpointError, match=r"m\.index' is a Git LFS pointer"):
        BundleIndex(prefix)


def test_a_partitioned_variable(prefix):
    write_partitioned(prefix, "emb", KERNEL, HALVES)
    index = BundleIndex(prefix)
    assert list(index) == ["emb"]
    assert index.has_slices
    assert index.slices() == [("emb", piece) for piece in HALVES]
    assert index["emb"].slices == HALVES
    assert index.slice_entry("emb", HALVES[1]).spec.shape == (1, 2)
    assert [index.end_of_shard(shard) for shard in range(2)] == [32, 16]


def test_a_checkpoint_without_slices(prefix):
    write_checkpoint(prefix, {"b": BIAS})
    assert not BundleIndex(prefix).has_slices
    assert BundleIndex(prefix).slices() == []


def test_a_slice_that_belongs_to_no_variable(prefix):
    stray = slice_key("emb", HALVES[1])
    entries = {
        b"emb": sliced_entry(spec_of(KERNEL), HALVES[:1]),
        slice_key("emb", HALVES[0]): entry_of(KERNEL[:2]),
        stray: entry_of(KERNEL[2:]),
    }
    write_index(prefix, entries)
    message = re.escape(f"m.index: 1 slices belong to no variable, such as {stray!r}")
    with pytest.raises(CorruptCheckpointError, match=message):
        BundleIndex(prefix)


def test_a_slice_that_is_missing(prefix):
    entries = {
        b"emb": sliced_entry(spec_of(KERNEL), HALVES),
        slice_key("emb", HALVES[0]): entry_of(KERNEL[:2]),
    }
    write_index(prefix, entries)
    index = BundleIndex(prefix)
    for look in (lambda: index.slice_entry("emb", HALVES[1]), lambda: index.specs):
        with pytest.raises(
            CorruptCheckpointError, match="key 'emb': its slice 2,1:- is missing"
        ):
            look()


def test_a_slice_with_an_impossible_entry(prefix):
    entries = {
        b"emb": sliced_entry(spec_of(KERNEL), HALVES[:1]),
        slice_key("emb", HALVES[0]): entry_of(KERNEL[:2], shard=1),
    }
    write_index(prefix, entries)
    with pytest.raises(
        CorruptCheckpointError, match="key 'emb', slice 0,2:-: shard 1 of 1"
    ):
        BundleIndex(prefix).slice_entry("emb", HALVES[0])


def test_a_slice_with_slices_of_its_own(prefix):
    own = sliced_entry(spec_of(KERNEL), HALVES)
    entries = {
        b"emb": sliced_entry(spec_of(KERNEL), HALVES[:1]),
        slice_key("emb", HALVES[0]): own,
    }
    write_index(prefix, entries)
    with pytest.raises(CorruptCheckpointError, match="has no slices of its own"):
        BundleIndex(prefix).slice_entry("emb", HALVES[0])


def test_specs_refuse_what_an_entry_would(prefix):
    write_index(prefix, {b"a": entry_of(BIAS), b"b": entry_of(BIAS, shard=3)})
    index = BundleIndex(prefix)
    with pytest.raises(CorruptCheckpointError, match=r"m\.index, key 'b': shard 3 of"):
        _ = index.specs
    with pytest.raises(CorruptCheckpointError, match=r"m\.index, key 'b': shard 3 of"):
        index.end_of_shard(0)
    assert index["a"].spec == spec_of(BIAS)  # the others can be read


def test_keys_may_be_any_text(prefix):
    names = ["ü", "a b", "\N{SNOWMAN}/w", "x\0y", "\x01"]
    write_checkpoint(prefix, dict.fromkeys(names, BIAS))
    assert sorted(BundleIndex(prefix)) == sorted(names)


def test_a_damaged_block_is_named(prefix):
    data = bytearray(table({b"": serialized_header(1), b"w": entry_of(BIAS)}))
    data[20] ^= 1
    Path(f"{prefix}.index").write_bytes(data)
    with pytest.raises(CorruptCheckpointError, match=r"m\.index, block at 0: checksum"):
        BundleIndex(prefix)


def test_bytes_of_a_header():
    assert serialized_header(2).hex() == "08021a020801"
    assert serialized_header(1, big_endian=True).hex() == "080110011a020801"
