import os
from contextlib import suppress
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.bundle.faults import Disk
from tests.bundle.files import GOLDENS, spec_of, strings, write_checkpoint
from tests.goldens.names import GOLDENS as NAMES
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import BundleIndex, serialized_header
from tf_ckpt_migrate.bundle.proto import moved_to_shard
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.bundle.writer import BundleWriter, replace_index
from tf_ckpt_migrate.errors import OutputExistsError, TransformError

OLD = np.arange(4, dtype=np.float32)
NEW = np.arange(6, dtype=np.float64)
SHARD = ".data-00000-of-00001"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def prefix(folder):
    return str(folder / "m")


@pytest.fixture
def source(tmp_path):
    """Return the prefix of a checkpoint to link."""
    write_checkpoint(tmp_path / "source", {"w": OLD})
    return str(tmp_path / "source")


def contents(folder):
    if not folder.exists():
        return {}
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def values(prefix):
    reader = BundleReader(prefix)
    return {key: reader.read(key).tolist() for key in reader.index}


def written(prefix, source, **options):
    """Write a checkpoint of a linked shard and a new one."""
    linked = BundleReader(source)
    with BundleWriter(prefix, **options) as writer:
        number = writer.link(linked.shards.path(0))
        new = writer.append(writer.new_shard(), NEW, spec_of(NEW))
        old = moved_to_shard(linked.index.raw["w"], number, None, "t")
        return writer.commit({b"w": old, b"x": new})


EXPECTED = {"w": OLD.tolist(), "x": NEW.tolist()}


@pytest.mark.parametrize(
    ("mode", "ways"),
    [
        ("auto", {Transfer.LINKED}),
        ("link", {Transfer.LINKED}),
        ("copy", {Transfer.COPIED, Transfer.REFLINKED}),
    ],
)
def test_a_checkpoint_of_a_linked_shard_and_a_new_one(prefix, source, mode, ways):
    linked, new = written(prefix, source, data=mode)
    assert values(prefix) == EXPECTED
    assert linked.path == f"{prefix}.data-00000-of-00002"
    assert linked.source == source + SHARD
    assert linked.transfer in ways
    assert linked.size == OLD.nbytes
    assert new == (f"{prefix}.data-00001-of-00002", Transfer.WRITTEN, NEW.nbytes, "")


def test_nothing_is_visible_before_the_commit(folder, prefix, source):
    with BundleWriter(prefix) as writer:
        writer.link(source + SHARD)
        writer.append(writer.new_shard(), NEW, spec_of(NEW))
        assert [path.name[:3] for path in folder.iterdir()] == [".m."]
    assert list(folder.iterdir()) == []


def test_what_is_not_committed_leaves_no_trace(folder, prefix):
    def interrupted():
        with BundleWriter(prefix) as writer:
            writer.append(writer.new_shard(), NEW, spec_of(NEW))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(folder.iterdir()) == []


def test_a_prefix_that_is_taken_is_refused_at_once(prefix, source):
    write_checkpoint(prefix, {"w": OLD})
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        BundleWriter(prefix)
    written(prefix, source, overwrite=True)
    assert values(prefix) == EXPECTED


def test_a_checkpoint_may_be_empty(folder, prefix):
    with BundleWriter(prefix) as writer:
        (shard,) = writer.commit({})
    assert values(prefix) == {}
    assert shard.size == 0
    assert sorted(contents(folder)) == ["m.data-00000-of-00001", "m.index"]


def test_a_prefix_without_a_folder_is_in_this_one(folder, source, monkeypatch):
    folder.mkdir()
    monkeypatch.chdir(folder)
    written("m", source)
    assert values("m") == EXPECTED


def test_a_prefix_with_an_empty_basename(folder, source):
    written(f"{folder}/", source)
    assert values(f"{folder}/") == EXPECTED


def test_a_range_of_another_file_is_appended(prefix, tmp_path):
    (tmp_path / "data").write_bytes(b"0123456789")
    with BundleWriter(prefix) as writer:
        number = writer.new_shard()
        writer.append(number, OLD, spec_of(OLD))
        assert writer.append_range(number, str(tmp_path / "data"), 2, 5) == OLD.nbytes
        entry = writer.append(number, NEW, spec_of(NEW))
        (shard,) = writer.commit({b"x": entry})
    data = Path(shard.path).read_bytes()
    assert data == OLD.tobytes() + b"23456" + NEW.tobytes()
    assert shard.size == len(data)
    assert values(prefix) == {"x": NEW.tolist()}


def test_arrays_of_any_layout_are_stored_in_row_major_little_endian(prefix):
    square = np.arange(9, dtype=np.int32).reshape(3, 3)
    tensors = {
        "columns first": np.asfortranarray(square),
        "every other": square[::2, ::-1],
        "big-endian": square.astype(">i4"),
        "big-endian parts": np.array([1 + 2j], ">c8"),
        "strings": np.array([[b"a", b"b"]], object).T,
    }
    for big_endian in (False, True):
        target = f"{prefix}-{big_endian}"
        write_checkpoint(target, tensors, big_endian=big_endian)
        assert values(target) == {key: each.tolist() for key, each in tensors.items()}


@pytest.mark.parametrize(
    ("array", "spec"),
    [
        (NEW, TensorSpec(DType.float32, (6,))),
        (NEW, TensorSpec(DType.float64, (2, 3))),
        (strings(b"a"), TensorSpec(DType.string, ())),
        (NEW, TensorSpec(DType.string, (6,))),
    ],
)
def test_a_value_that_is_not_what_it_is_called_is_refused(prefix, array, spec):
    with BundleWriter(prefix) as writer:
        number = writer.new_shard()
        with pytest.raises(TransformError, match=r"cannot store .* as"):
            writer.append(number, array, spec)


def test_every_file_is_flushed_before_it_gets_its_name(prefix, source, monkeypatch):
    flushed, unflushed = set(), []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor):
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def recorded_replace(path, to):
        if os.stat(path).st_ino not in flushed:
            unflushed.append(to)
        replace(path, to)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    written(prefix, source, data="copy")
    assert unflushed == []
    assert os.stat(os.path.dirname(prefix)).st_ino in flushed


def old_output(prefix, kind):
    """Write what the output replaces: a checkpoint of one shard, of two, or none."""
    if kind == "nothing":
        return
    with BundleWriter(prefix) as writer:
        number = writer.new_shard()
        if kind == "one of the same shards":
            writer.new_shard()
        writer.commit({b"old": writer.append(number, OLD, spec_of(OLD))})


kinds = pytest.mark.parametrize(
    "kind", ["nothing", "one of other shards", "one of the same shards"]
)


def _sources(prefix):
    return [Path(prefix + end).read_bytes() for end in (".index", SHARD)]


@kinds
@pytest.mark.parametrize("mode", ["auto", "copy"])
def test_a_failure_at_any_step_leaves_the_output_as_it_was(
    source, monkeypatch, kind, mode
):
    folder = Path(source).parent / "run"
    prefix = str(folder / "m")
    folder.mkdir()
    old_output(prefix, kind)
    before, sources = contents(folder), _sources(source)
    for fails_at in range(100):
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails_at)
            with suppress(OSError):
                written(prefix, source, overwrite=True, data=mode)
        if not disk.failed:
            break
        found = contents(folder)
        assert not any("staging" in path.name for path in folder.iterdir())
        if found != before:
            # What is left to do after the new index; and a copy serves for a link.
            assert disk.failed in ("fsync", "unlink", "link")
            assert values(prefix) == EXPECTED
            for path in folder.iterdir():
                path.unlink()
            old_output(prefix, kind)  # as it was, for the next step
    assert fails_at > 8
    assert values(prefix) == EXPECTED
    assert _sources(source) == sources


@kinds
def test_a_reader_sees_the_old_checkpoint_or_the_new_one_at_every_step(
    folder, prefix, source, monkeypatch, kind
):
    old_output(prefix, kind)
    seen = []

    def look():
        seen.append("none")
        if os.path.exists(f"{prefix}.index"):
            seen[-1] = "new" if values(prefix) == EXPECTED else "old"
            assert seen[-1] == "new" or values(prefix) == {"old": OLD.tolist()}

    Disk(monkeypatch, after=look)
    written(prefix, source, overwrite=True)
    order = list(dict.fromkeys(seen))
    assert (
        order
        == {
            "nothing": ["none", "new"],
            "one of other shards": ["old", "new"],
            "one of the same shards": ["old", "new"],
        }[kind]
    )


def test_an_index_is_replaced_alone(prefix):
    write_checkpoint(prefix, {"w": OLD})
    index = BundleIndex(prefix)
    replace_index(prefix, {b"v": index.raw["w"]}, index.header)
    assert values(prefix) == {"v": OLD.tolist()}


def test_a_failure_leaves_the_old_index(folder, prefix, monkeypatch):
    write_checkpoint(prefix, {"w": OLD})
    index, before = BundleIndex(prefix), contents(folder)
    for fails_at in range(100):
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails_at)
            with suppress(OSError):
                replace_index(prefix, {b"v": index.raw["w"]}, index.header)
        if not disk.failed:
            break
        assert not any("staging" in path.name for path in folder.iterdir())
        if contents(folder) != before:
            assert disk.failed == "fsync"  # of the folder, the last step
            assert values(prefix) == {"v": OLD.tolist()}
            replace_index(prefix, {b"w": index.raw["w"]}, index.header)
    assert fails_at > 4


def _golden_of_one_shard(name):
    """Return the prefix of a golden whose shard holds its tensors and nothing else."""
    found = sorted((GOLDENS / name).rglob("*" + SHARD))
    if not found or (name.endswith("dtypes_new") and not hasattr(ml_dtypes, "int2")):
        return None
    prefix = str(found[-1]).removesuffix(SHARD)
    index = BundleIndex(prefix)
    places = {(entry.offset, entry.size) for entry in index.values() if entry.size}
    fits = sum(size for _, size in places) == found[-1].stat().st_size
    plain = not any(entry.spec.dtype is DType.variant for entry in index.values())
    return prefix if fits and plain and not index.has_slices else None


_ONE_SHARD = [
    prefix
    for writer, names in NAMES.items()
    for prefix in (_golden_of_one_shard(f"{writer}/{name}") for name in names)
    if prefix is not None
]


def test_most_goldens_have_one_shard():
    assert len(_ONE_SHARD) > 150


@pytest.mark.parametrize("prefix", _ONE_SHARD, ids=lambda p: p.split("goldens/")[1])
def test_files_of_tensorflow_are_written_byte_for_byte(folder, prefix):
    reader = BundleReader(prefix)
    index = reader.index
    target = str(folder / os.path.basename(prefix))
    entries, places = {}, {}
    with BundleWriter(target) as writer:
        shard = writer.new_shard()
        for key in sorted(index, key=lambda key: (index[key].offset, index[key].size)):
            entry = index[key]
            place = (entry.spec, entry.offset)  # two keys may share it
            if place not in places:
                places[place] = writer.append(shard, reader.read(key), entry.spec)
            entries[key.encode()] = places[place]
        writer.commit(entries)
    assert index.header == serialized_header(1)
    for suffix in (".index", SHARD):
        assert Path(target + suffix).read_bytes() == Path(prefix + suffix).read_bytes()
