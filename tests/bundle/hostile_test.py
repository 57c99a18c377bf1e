"""Damaged and hostile files are refused by an error of ours, and cost no memory."""

import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.files import (
    GOLDENS,
    sliced_entry,
    spec_of,
    strings,
    table,
    whole_slice,
    write_checkpoint,
    write_partitioned,
    write_v1,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import serialized_header
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.bundle.v1 import V1Reader
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.errors import CheckpointError, CorruptCheckpointError
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import (
    FOOTER_SIZE,
    MAGIC,
    TRAILER_SIZE,
    BlockHandle,
    read_footer,
)
from tf_ckpt_migrate.table.reader import TableReader

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
ROWS = [TensorSlice((0, 0), (2, -1)), TensorSlice((2, 0), (1, -1))]


@pytest.fixture(scope="module", autouse=True)
def little_memory():
    """Let whatever allocates wildly fail: 2 GiB more than there are now."""
    if sys.platform != "linux":  # others do not tell how much there are
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + (2 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def read_all(prefix):
    """Read everything there is, in every way; return the values."""
    reader = BundleReader(prefix)
    keys = list(reader.index)
    assert set(reader.index.specs) == set(keys)
    for key in keys:
        reader.check(key)
        reader.read(key, ...)
    return {key: reader.read(key).tolist() for key in keys}


def read_all_v1(path):
    reader = V1Reader([path])
    return {key: reader.read(key).tolist() for key in reader.tensors}


def flipped(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def _small_checkpoint(prefix):
    write_checkpoint(prefix, {"w": WEIGHTS, "s": strings(b"ab", b"")})


def _small_partitioned(prefix):
    write_partitioned(prefix, "emb", WEIGHTS, ROWS)


SMALL = pytest.mark.parametrize(
    "write", [_small_checkpoint, _small_partitioned], ids=["whole", "partitioned"]
)


@SMALL
def test_every_flipped_bit_of_an_index_is_found(tmp_path, write: Callable):
    prefix = str(tmp_path / "m")
    write(prefix)
    expected = read_all(prefix)
    path = Path(f"{prefix}.index")
    index = path.read_bytes()
    footer = len(index) - FOOTER_SIZE
    metaindex = BlockHandle.parse(index, footer, "t")[0]
    unused = {
        *range(metaindex.offset, metaindex.offset + metaindex.size + TRAILER_SIZE),
        *range(footer, len(index) - len(MAGIC)),  # its handle, and padding
    }
    for bit in range(8 * len(index)):
        path.write_bytes(flipped(index, bit))
        try:
            found = read_all(prefix)
        except CorruptCheckpointError:
            continue
        assert bit // 8 in unused
        assert found == expected


@SMALL
def test_every_flipped_bit_of_a_shard_is_found(tmp_path, write: Callable):
    prefix = str(tmp_path / "m")
    write(prefix)
    for path in tmp_path.glob("*.data-*"):
        shard = path.read_bytes()
        for bit in range(8 * len(shard)):
            path.write_bytes(flipped(shard, bit))
            with pytest.raises(CorruptCheckpointError, match=path.name):
                read_all(prefix)
        path.write_bytes(shard)


@SMALL
def test_every_cut_off_file_is_found(tmp_path, write: Callable):
    prefix = str(tmp_path / "m")
    write(prefix)
    for path in [*tmp_path.glob("m.*")]:
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(CorruptCheckpointError, match=path.name):
                read_all(prefix)
        path.write_bytes(whole)


def test_every_flipped_bit_of_a_v1_file_is_found(tmp_path):
    path = str(tmp_path / "model.ckpt")
    write_v1(path, V1_TENSORS[2:4])
    whole, expected = Path(path).read_bytes(), read_all_v1(path)
    end = len(whole) - FOOTER_SIZE
    for bit in range(8 * end):
        Path(path).write_bytes(flipped(whole, bit))
        with suppress(CorruptCheckpointError):
            assert read_all_v1(path) == expected


V1_TENSORS = [
    ("emb", spec_of(WEIGHTS), ROWS[0], {"float_val": [0, 1, 2, 3]}),
    ("emb", spec_of(WEIGHTS), ROWS[1], {"float_val": [4, 5]}),
    ("s", TensorSpec(DType.string, ()), whole_slice(0), {"string_val": [b"ab"]}),
    ("c", TensorSpec(DType.complex64, (1,)), whole_slice(1), {"scomplex_val": [1, 2]}),
    ("u", TensorSpec(DType.uint8, (2,)), whole_slice(1), {"int_val": [1, 2]}),
]


# What a varint can say at most, in 64, 63 and 32 bits.
_HUGE = [b"\xff" * 9 + b"\x01", b"\xff" * 8 + b"\x7f", b"\xff" * 4 + b"\x07"]


@st.composite
def mutations(draw):
    """Draw a function that damages bytes: changes, inserts, removes or repeats some."""
    where = draw(st.floats(0, 1))
    what = draw(st.binary(max_size=9) | st.sampled_from(_HUGE))
    gone = draw(st.integers(0, 9))

    def mutated(data):
        at = int(where * len(data))
        return data[:at] + what + data[at + gone :]

    return mutated


MANY = st.lists(mutations(), min_size=1, max_size=3)


def assert_refused_or_read(read, path):
    """Read a damaged file: any error but ours and the system's fails the test."""
    with suppress(CheckpointError, OSError):
        read(path)


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory):
    """Return the prefix of a checkpoint of all sorts, and the entries of its index."""
    prefix = str(tmp_path_factory.mktemp("hostile") / "m")
    with BundleWriter(prefix) as writer:
        shard = writer.new_shard()
        value, text = WEIGHTS[:2], strings(b"ab", b"")
        entries = {
            b"emb": sliced_entry(spec_of(WEIGHTS), ROWS),
            b"s": writer.append(shard, text, spec_of(text)),
            b"w": writer.append(shard, value, spec_of(value)),
        }
        for piece in ROWS:
            part = WEIGHTS[slice(*piece.ranges(WEIGHTS.shape, "t")[0])]
            raw = writer.append(shard, part, spec_of(part))
            entries[slice_key("emb", piece)] = raw
        writer.commit(entries)
    return prefix, {b"": serialized_header(1), **entries}


@given(data=st.data(), changes=MANY)
def test_hostile_entries_of_an_index(partitioned, data, changes):
    prefix, entries = partitioned
    entries = dict(entries)
    for change in changes:
        key = data.draw(st.sampled_from(sorted(entries)))
        if data.draw(st.integers(0, 3)):
            entries[key] = change(entries[key])
        else:
            entries[change(key)] = entries.pop(key)
    Path(f"{prefix}.index").write_bytes(table(entries))
    assert_refused_or_read(read_all, prefix)


@given(data=st.data(), changes=MANY)
def test_hostile_entries_of_a_v1_file(tmp_path_factory, data, changes):
    path = str(tmp_path_factory.mktemp("v1") / "model.ckpt")
    write_v1(path, V1_TENSORS)
    whole = TableReader(Path(path).read_bytes(), path)
    entries = {key: bytes(value) for key, value in whole}
    for change in changes:
        key = data.draw(st.sampled_from(sorted(entries)))
        entries[key] = change(entries[key])
    Path(path).write_bytes(table(entries))
    assert_refused_or_read(read_all_v1, path)


def resealed(data, at, byte):
    """Return a table with one byte changed, and the checksum of its block made good."""
    data = bytearray(data)
    data[at] = byte
    meta, index = read_footer(bytes(data), "t")
    for start, end in (
        (0, meta.offset),
        (meta.offset, index.offset),
        (index.offset, len(data) - FOOTER_SIZE),
    ):
        if start <= at < end - 4:
            covered = bytes(data[start : end - 4])
            data[end - 4 : end] = struct.pack("<I", crc32c.mask(crc32c.value(covered)))
    return bytes(data)


@given(data=st.data())
def test_hostile_blocks_of_an_index(partitioned, data):
    prefix, entries = partitioned
    whole = table(entries)
    at = data.draw(st.integers(0, len(whole) - FOOTER_SIZE - 1))
    damaged = resealed(whole, at, data.draw(st.integers(0, 255)))
    Path(f"{prefix}.index").write_bytes(damaged)
    assert_refused_or_read(read_all, prefix)


@given(changes=MANY)
def test_hostile_footers_and_checksums(partitioned, changes):
    prefix, entries = partitioned
    whole = table(entries)
    for change in changes:
        whole = change(whole)
    Path(f"{prefix}.index").write_bytes(whole)
    assert_refused_or_read(read_all, prefix)


def walk(serialized):
    graph = ObjectGraph(serialized, "t")
    graph.paths()
    graph.full_names()
    graph.tensors(["a", "model/kernel/.ATTRIBUTES/VARIABLE_VALUE"])
    list(graph.slots())
    graph.edited(lambda _: None)


@pytest.fixture(scope="module")
def graph():
    index = next((GOLDENS / "tf2_21" / "checkpoint_slots").rglob("*.index"))
    return BundleReader(str(index.with_suffix(""))).read(OBJECT_GRAPH_KEY).item()


@given(changes=MANY)
def test_hostile_graphs(graph, changes):
    for change in changes:
        graph = change(graph)
    assert_refused_or_read(walk, graph)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_graph(raw):
    assert_refused_or_read(walk, raw)
