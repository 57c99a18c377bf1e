"""What convert promises whatever the plan."""

import os
import shutil

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import files_in, values, write
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import LayoutError, OutputExistsError, PlanError
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.mark.parametrize("data", ["link", "copy"])
def test_copied_shards_are_on_the_disk_before_the_index_names_them(data, monkeypatch):
    flushed: list[int] = []
    fsync = os.fsync

    def noted(descriptor):
        flushed.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    with example_checkpoint({"w": [1.0, 2.0]}) as prefix:
        monkeypatch.setattr(os, "fsync", noted)
        out = tcm.convert(tcm.plan_migration(prefix), prefix + "-out", data=data)
        shard = os.stat(out.shards[0].path).st_ino
        index = os.stat(out.prefix + ".index").st_ino
    if data == "copy":
        assert flushed.index(shard) < flushed.index(index)
    else:
        assert shard not in flushed  # no new bytes: it was written by someone else


def test_a_source_gives_way_to_nothing_though_every_value_is_computed(tmp_path):
    prefix = write(tmp_path / "model", {"w": np.ones(2, np.float32)})
    cast = tcm.Rename("w", "w2", transform=tcm.transforms.Cast("float64"))
    before = files_in(tmp_path)
    with pytest.raises(OutputExistsError, match="of a source"):
        tcm.convert(tcm.plan_migration(prefix, None, [cast]), prefix, overwrite=True)
    assert files_in(tmp_path) == before


def test_shards_that_a_source_links_to_give_way_to_nothing(tmp_path):
    out = write(tmp_path / "out", {"w": [1.0], "b": [2.0, 3.0]})
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    shutil.copy(out + ".index", snapshot)
    shard = "out.data-00000-of-00001"
    (snapshot / shard).symlink_to(tmp_path / shard)
    plan = tcm.plan_migration(snapshot / "out", None, {"b": "b"}, unused="drop")
    with pytest.raises(OutputExistsError, match="of a source"):
        tcm.convert(plan, out, overwrite=True, shards=1)
    assert values(snapshot / "out") == values(out)


def test_a_snapshot_of_links_is_replaced_without_touching_what_it_links_to(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    stored = write(blobs / "out", {"w": [1.0]})
    snapshot.mkdir()
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    before = files_in(blobs)
    new = write(tmp_path / "new", {"w": [2.0]})
    tcm.convert(tcm.plan_migration(new), snapshot / "out", overwrite=True)
    assert files_in(blobs) == before
    assert values(snapshot / "out") == values(new) != values(stored)


@pytest.mark.parametrize("name", [OBJECT_GRAPH_KEY, "\0x", "\udcff"])
def test_what_cannot_be_a_key_is_refused(tmp_path, name):
    prefix = write(tmp_path / "model", {"w": [1.0]})
    with pytest.raises(PlanError, match="cannot be the key"):
        tcm.plan_migration(prefix, None, [tcm.Rename("w", name)])


@pytest.mark.parametrize("object_based", [False, True])
def test_a_key_that_no_object_has_is_refused(tmp_path, object_based):
    prefix = write(tmp_path / "model", {"w": [1.0]})
    source = "w"
    if object_based:
        prefix = tcm.convert_tf1_to_tf2(prefix, tmp_path / "tf2")
        source = f"vars/w{VALUE}"
    rename = tcm.Rename(source, f"my.model/w{VALUE}")
    with pytest.raises(LayoutError, match=r"'my\.model/w.*'\.' is written '\.\.'"):
        tcm.convert(tcm.plan_migration(prefix, None, [rename]), tmp_path / "out")


def test_objects_beyond_the_target_come_into_its_graph(tmp_path):
    source = write(tmp_path / "source", {"w": [1.0], "more": [2.0]})
    like = tcm.convert_tf1_to_tf2(write(tmp_path / "l", {"w": [0.0]}), tmp_path / "tf2")
    plan = tcm.plan_migration(
        tcm.convert_tf1_to_tf2(source, tmp_path / "tf2-source"), like, unused="keep"
    )
    result = tcm.convert(plan, tmp_path / "out")
    graph = tcm.load_checkpoint(result).object_graph
    assert graph.full_names()[f"vars/more{VALUE}"] == "more"
    assert ("vars", "more") in graph.paths().values()
    assert tcm.verify_checkpoint(result).ok


def test_of_several_sources_one_object_is_left(tmp_path):
    prefix = write(tmp_path / "model", {"a": [1.0], "b": [2.0]})
    tf2 = tcm.convert_tf1_to_tf2(prefix, tmp_path / "tf2")
    keys = [f"vars/{name}{VALUE}" for name in "ab"]
    join = tcm.Combine(keys, f"vars/c{VALUE}", tcm.transforms.Concat(0))
    result = tcm.convert(tcm.plan_migration(tf2, None, [join]), tmp_path / "out")
    reader = tcm.load_checkpoint(result)
    attributes = [a for a in reader.object_graph.attributes if "save_" not in a[3]]
    assert [a.checkpoint_key for a in attributes] == [f"vars/c{VALUE}"]
    assert reader[f"vars/c{VALUE}"].tolist() == [1.0, 2.0]


class TestWrongUse:
    """Each wrong argument is answered with the right call, and nothing is written."""

    @pytest.fixture
    def prefix(self, tmp_path):
        return write(tmp_path / "model", {"w": [1.0], "w/Adam": [2.0]})

    def test_one_path_is_not_several(self, prefix):
        with pytest.raises(TypeError, match=r"merge\(\[first, second\], output"):
            tcm.merge(prefix, prefix + "-out")

    @pytest.mark.parametrize("name", ["roles", "patterns"])
    def test_one_word_is_not_several(self, prefix, name):
        with pytest.raises(TypeError, match=rf"{name}=\['slot'\]"):
            tcm.prune(prefix, prefix + "-out", **{name: "slot"})

    def test_a_checkpoint_is_no_plan(self, prefix):
        with pytest.raises(TypeError, match=r"convert\(plan_migration\(source"):
            tcm.convert(prefix, prefix + "-out")

    @pytest.mark.parametrize("shards", [0, -1, 1.5, "2", 100_000])
    def test_no_number_of_shards(self, prefix, shards):
        with pytest.raises(ValueError, match="from 1 to 512"):
            tcm.compact(prefix, prefix + "-out", shards=shards)

    def test_an_unknown_way_of_naming_comes_first(self, prefix):
        tf2 = tcm.convert_tf1_to_tf2(prefix, prefix + "-tf2")
        with pytest.raises(ValueError, match="names='keys'"):
            tcm.convert_tf2_to_tf1(tf2, prefix + "-out", names="keys")

    @pytest.mark.parametrize("key", [None, 5, b"v"])
    def test_what_is_no_key_is_not_found(self, prefix, key):
        with pytest.raises(LookupError, match="not found"):
            tcm.load_checkpoint(prefix)[key]

    def test_a_damaged_state_file_is_told_before_anything_is_written(
        self, prefix, tmp_path
    ):
        (tmp_path / "checkpoint").write_text("no state {")
        before = files_in(tmp_path)
        for call in (
            lambda out: tcm.convert_tf1_to_tf2(prefix, out, update_state_file=True),
            lambda out: tcm.merge([prefix], out, update_state_file=True),
        ):
            with pytest.raises(tcm.errors.CorruptCheckpointError, match="line 1"):
                call(tmp_path / "out")
        assert files_in(tmp_path) == before

    def test_paths_may_be_bytes(self, prefix):
        result = tcm.convert_tf1_to_tf2(prefix.encode(), (prefix + "-ü").encode())
        assert tcm.load_checkpoint(os.fsencode(result.prefix)).format == "object-based"

    def test_a_path_that_is_too_deep(self, prefix, tmp_path):
        rename = tcm.Rename("w", "/".join(["a"] * 5000) + VALUE)
        plan = tcm.plan_migration(prefix, None, [rename], unused="drop")
        with pytest.raises(LayoutError, match="more than 200"):
            tcm.convert(plan, tmp_path / "out", object_graph=True)
