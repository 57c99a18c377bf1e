"""Verifying finds every damage, and gathers all of them."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest

from tests.bundle.files import sliced_entry
from tests.fuzz import seeds
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.bundle.proto import (
    TrackableObjectGraph,
    parse_entry,
    serialized_entry,
)
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.errors import CheckpointNotFoundError

END = "/.ATTRIBUTES/VARIABLE_VALUE"


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def write(prefix, arrays, edit=lambda entries: None):
    """Write float32 arrays and strings; ``edit`` may change the entries."""
    with BundleWriter(str(prefix)) as writer:
        shard = writer.new_shard()
        entries = {}
        for key, value in arrays.items():
            if isinstance(value, bytes):
                array, spec = np.array(value, object), TensorSpec(DType.string, ())
            else:
                array = np.array(value, np.float32)
                spec = TensorSpec(DType.float32, array.shape)
            entries[key.encode()] = writer.append(shard, array, spec)
        edit(entries)
        writer.commit(entries)
    return str(prefix)


def graph_of(*keys):
    graph = TrackableObjectGraph()
    root = graph.nodes.add()
    for number, key in enumerate(keys, 1):
        root.children.add(node_id=number, local_name=key.split("/")[0])
        graph.nodes.add().attributes.add(name="VARIABLE_VALUE", checkpoint_key=key)
    return graph.SerializeToString()


def edited(raw, **fields):
    return serialized_entry(parse_entry(raw, 1, "here")._replace(**fields))


@pytest.mark.parametrize("version", ["tf1_15", "tf2_15", "tf2_21"])
def test_all_goldens_are_whole(goldens, version):
    for folder in sorted((goldens / version).iterdir()):
        prefix = json.loads((folder / "expected.json").read_text())["prefix"]
        found = verify_checkpoint(f"{folder}/{prefix}")
        assert found.problems == (), folder
        assert found.tensors


def test_the_text_of_a_whole_one(checkpoint):
    found = verify_checkpoint(checkpoint)
    assert found.ok
    assert str(found) == f"{checkpoint}: ok; 4 tensors, 68 bytes fit their checksums"
    assert json.loads(found.to_json()) == {
        "ok": True,
        "prefix": checkpoint,
        "tensors": 4,
        "checked_bytes": 68,
        "problems": [],
        "notes": [],
        "checked_tensors": 4,
        "findings": [],
    }


def test_all_damaged_tensors_are_named(checkpoint):
    shard = f"{checkpoint}.data-00000-of-00001"
    flip(shard, 0)  # global_step
    flip(shard, 45)  # net/dense_1/kernel
    found = verify_checkpoint(checkpoint)
    assert not found.ok
    first, second = found.problems
    assert f"{shard}: the checksum of tensor 'global_step' (8 bytes at 0) is" in first
    assert "the checksum of tensor 'net/dense_1/kernel' (24 bytes at 44) is" in second
    assert found.checked_bytes == 36
    assert str(found).startswith(
        f"{checkpoint}: 2 problems in 4 tensors; 2 tensors, 36 bytes fit"
    )
    assert "\nproblem: " in str(found)


def test_a_missing_shard_is_one_problem(copied):
    prefix = str(copied("tf1_15/sharded_v2") / "model.ckpt")
    os.remove(f"{prefix}.data-00001-of-00003")
    (problem,) = verify_checkpoint(prefix).problems
    assert f"data shard '{prefix}.data-00001-of-00003' is missing" in problem
    assert problem.endswith("tensors are in it)")


def test_a_truncated_shard(checkpoint):
    os.truncate(f"{checkpoint}.data-00000-of-00001", 30)
    problems = verify_checkpoint(checkpoint).problems
    assert len(problems) == 2
    assert all("but the file ends at 30" in problem for problem in problems)


def test_an_index_that_cannot_be_read(checkpoint):
    flip(f"{checkpoint}.index", 20)
    found = verify_checkpoint(checkpoint)
    assert not found.ok
    assert "checksum mismatch" in found.problems[0]


def test_no_checkpoint_is_an_error(tmp_path):
    with pytest.raises(CheckpointNotFoundError):
        verify_checkpoint(tmp_path / "m")


def test_an_entry_that_is_impossible_does_not_hide_others(tmp_path):
    def edit(entries):
        entries[b"a"] = edited(entries[b"a"], offset=-4)

    prefix = write(tmp_path / "m", {"a": [1], "b": [2]}, edit)
    flip(f"{prefix}.data-00000-of-00001", 4)
    first, second = verify_checkpoint(prefix).problems
    assert "key 'a': impossible place: 4 bytes at offset -4" in first
    assert "the checksum of tensor 'b'" in second


def test_tensors_that_overlap(tmp_path):
    def edit(entries):
        spec = TensorSpec(DType.float32, (2,))
        whole = parse_entry(entries[b"c"], 1, "here")
        entries[b"d"] = serialized_entry(whole._replace(spec=spec, size=8))

    prefix = write(tmp_path / "m", {"a": [1], "b": [2], "c": [3, 4, 5]}, edit)
    problems = verify_checkpoint(prefix).problems
    assert any(
        "tensor 'd' (8 bytes at 8) and tensor 'c' (12 bytes at 8) overlap" in problem
        for problem in problems
    )


def test_shared_bytes_are_read_once_and_no_overlap(tmp_path):
    prefix = write(tmp_path / "m", {"a": [1, 2]}, lambda e: e.update({b"b": e[b"a"]}))
    found = verify_checkpoint(prefix)
    assert found.ok
    assert (found.tensors, found.checked_bytes) == (2, 8)


def test_two_checksums_for_the_same_bytes(tmp_path):
    prefix = write(
        tmp_path / "m",
        {"a": [1, 2]},
        lambda e: e.update({b"b": edited(e[b"a"], crc32c=7)}),
    )
    (problem,) = verify_checkpoint(prefix).problems
    assert "the checksum of tensor 'b'" in problem
    assert "expected 0x00000007" in problem


def test_bytes_of_no_tensor_are_a_note(tmp_path):
    prefix = write(
        tmp_path / "m", {"a": [1], "b": [2], "c": [3]}, lambda e: e.pop(b"b")
    )
    found = verify_checkpoint(prefix)
    assert found.ok
    (note,) = found.notes
    shard = f"{prefix}.data-00000-of-00001"
    assert note.startswith(f"{shard}: 4 of 12 bytes belong to no tensor; `tf-ckpt-")


def test_a_slice_that_is_missing(copied):
    prefix = str(copied("tf1_15/partitioned_axis_0") / "model.ckpt")
    index = BundleIndex(prefix)
    (key,) = (key for key in index if index[key].slices)
    # As if the variable had been cut short: the last slice has no bytes any more.
    last = index.slice_entry(key, index[key].slices[-1])
    os.truncate(f"{prefix}.data-00000-of-00001", last.offset)
    problems = verify_checkpoint(prefix).problems
    assert any(f"tensor {key!r}, slice" in problem for problem in problems)


def test_an_object_graph_that_fits(tmp_path):
    keys = [f"a{END}", f"b{END}"]
    arrays = {OBJECT_GRAPH_KEY: graph_of(*keys), **{key: [1.0] for key in keys}}
    # A dual-keyed checkpoint has names, which no graph names.
    found = verify_checkpoint(write(tmp_path / "m", {**arrays, "net/w": [1.0]}))
    assert found.problems == ()


def test_a_key_that_only_the_object_graph_has(tmp_path):
    arrays = {OBJECT_GRAPH_KEY: graph_of(f"a{END}", f"b{END}"), f"a{END}": [1.0]}
    prefix = write(tmp_path / "m", arrays)
    (problem,) = verify_checkpoint(prefix).problems
    assert problem == (
        f"{prefix}: the object graph names key 'b{END}', which the checkpoint does not "
        f"have; nearest: 'a{END}'"
    )


def test_keys_that_the_object_graph_lacks(tmp_path):
    arrays = {f"{name}{END}": [1.0] for name in "abcdef"}
    prefix = write(tmp_path / "m", {OBJECT_GRAPH_KEY: graph_of(f"a{END}"), **arrays})
    (problem,) = verify_checkpoint(prefix).problems
    assert problem == (
        f"{prefix}: the object graph does not name 5 of the object keys, so that no "
        f"restore will find them: 'b{END}', 'c{END}', 'd{END}', … and 2 more"
    )


def test_half_a_rename_of_many_keys(tmp_path):
    arrays = {f"new/{number}{END}": [1.0] for number in range(3000)}
    graph = graph_of(*(f"old/{number}{END}" for number in range(3000)))
    prefix = write(tmp_path / "m", {OBJECT_GRAPH_KEY: graph, **arrays})
    problems = verify_checkpoint(prefix).problems
    assert len(problems) == 3001
    assert "nearest: 'new/" in problems[0]
    assert "does not name 3,000 of the object keys" in problems[-1]


def test_an_object_of_several_tensors_names_what_their_keys_begin_with(tmp_path):
    key = "table/.ATTRIBUTES/table"
    arrays = {OBJECT_GRAPH_KEY: graph_of(key), f"{key}-keys": [1], f"{key}-values": [2]}
    assert verify_checkpoint(write(tmp_path / "m", arrays)).ok


def test_an_object_graph_that_is_none(tmp_path):
    prefix = write(tmp_path / "m", {OBJECT_GRAPH_KEY: b"\xff\xff"})
    (problem,) = verify_checkpoint(prefix).problems
    assert "not a TrackableObjectGraph" in problem


def test_a_damaged_object_graph_is_told_once(tmp_path):
    prefix = write(tmp_path / "m", {OBJECT_GRAPH_KEY: graph_of(f"a{END}"), "b": [1]})
    flip(f"{prefix}.data-00000-of-00001", 12)
    (problem,) = verify_checkpoint(prefix).problems
    assert OBJECT_GRAPH_KEY in problem


@pytest.mark.parametrize("golden", ["saver_v1", "sliced_v1_sharded"])
def test_v1(copied, golden):
    folder = copied(f"tf1_15/{golden}")
    assert verify_checkpoint(folder / "model.ckpt").ok
    path = min(file for file in folder.iterdir() if file.name != "expected.json")
    flip(path, 30)
    found = verify_checkpoint(folder / "model.ckpt")
    assert not found.ok
    assert "checksum mismatch" in found.problems[0]


@pytest.mark.parametrize("golden", ["saver_v2", "sharded_v2", "saver_v1", "dtypes"])
def test_progress_grows_to_the_end(goldens, golden):
    calls = []
    prefix = goldens / f"tf1_15/{golden}/model.ckpt"
    verify_checkpoint(prefix, progress=lambda *call: calls.append(call))
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1] > 0


def test_progress_within_a_large_tensor(tmp_path):
    prefix = write(tmp_path / "m", {"a": np.zeros(10 << 20)})  # 40 MiB
    calls = []
    verify_checkpoint(prefix, progress=lambda *call: calls.append(call))
    assert [call[0] >> 20 for call in calls if call[0] < 40 << 20] == [16, 32]


@pytest.mark.parametrize(
    ("starts", "problem"),
    [
        ([0, 2], []),
        ([0, 1], ["its slices hold 4 of 4 elements: some are missing, or overlap"]),
        ([0, 3], ["slice 3,2 does not lie within", "its slices hold 2 of 4"]),
    ],
)
def test_slices_must_be_the_whole_variable(tmp_path, starts, problem):
    prefix = str(tmp_path / "m")
    pieces = [TensorSlice((start,), (2,)) for start in starts]
    spec = TensorSpec(DType.float32, (2,))
    with BundleWriter(prefix) as writer:
        shard = writer.new_shard()
        entries = {b"emb": sliced_entry(TensorSpec(DType.float32, (4,)), pieces)}
        for piece in pieces:
            values = np.array([1, 2], np.float32)
            entries[slice_key("emb", piece)] = writer.append(shard, values, spec)
        writer.commit(entries)
    found = verify_checkpoint(prefix).problems
    assert len(found) == len(problem)
    for text, expected in zip(found, problem, strict=True):
        assert f"{prefix}.index, key 'emb': {expected}" in text


def test_a_restart_array_that_only_tensorflow_uses_is_checked(tmp_path):
    entries = seeds.checkpoint(tmp_path)
    block = seeds.block_of(entries)
    assert block.endswith(struct.pack("<2I", 0, 1))
    for restarts in ((1,), (2**31,), (0, 1)):
        array = struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
        (tmp_path / "m.index").write_bytes(seeds.of_one_block(block[:-8] + array))
        (problem,) = verify_checkpoint(tmp_path / "m").problems
        assert "restart" in problem
        assert "TensorFlow" in problem


def test_a_tensor_of_a_dtype_that_cannot_be_stored_is_a_problem(tmp_path):
    def edit(entries):
        spec = TensorSpec(DType.resource, (1,))
        entries[b"w"] = edited(entries[b"w"], spec=spec)

    (problem,) = verify_checkpoint(write(tmp_path / "m", {"w": [1]}, edit)).problems
    assert "key 'w': is a resource" in problem
