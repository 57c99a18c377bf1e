"""What inspecting a checkpoint says."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.checkpoint.describe import (
    FileDescription,
    Group,
    inspect_checkpoint,
)
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.scopes import grouped_by_scope
from tf_ckpt_migrate.checkpoint.statistics import (
    NumberStatistics,
    StringStatistics,
    statistics_of,
)
from tf_ckpt_migrate.errors import ChecksumError


@pytest.fixture
def written(tmp_path):
    """Writes a checkpoint of arrays; two names of one array share its bytes."""

    def write(arrays, same=()):
        prefix = str(tmp_path / "m")
        with BundleWriter(prefix) as writer:
            shard = writer.new_shard()
            entries = {}
            for key, (array, dtype) in arrays.items():
                spec = TensorSpec(dtype, array.shape)
                entries[key.encode()] = writer.append(shard, array, spec)
            for name, key in same:
                entries[name.encode()] = entries[key.encode()]
            writer.commit(entries)
        return prefix

    return write


def test_a_checkpoint_with_adam(goldens):
    folder = goldens / "tf1_15/optimizer_adam"
    found = inspect_checkpoint(folder)
    prefix = str(folder / "model.ckpt")
    assert found.prefix == prefix
    assert found.format == "name-based"
    assert found.files == (
        FileDescription(f"{prefix}.index", 330),
        FileDescription(f"{prefix}.data-00000-of-00001", 124),
    )
    assert (found.total_bytes, found.parameters) == (454, 9)
    assert found.roles == (
        Group("weight", 2, 9, 36),
        Group("slot", 4, 18, 72),
        Group("step", 1, 1, 8),
        Group("optimizer", 2, 2, 8),
    )
    assert found.dtypes == (Group("float32", 8, 29, 116), Group("int64", 1, 1, 8))
    kernel = next(tensor for tensor in found.tensors if tensor.key == "net/w")
    assert (kernel.dtype, kernel.shape, kernel.nbytes) == ("float32", (2, 3), 24)
    assert (kernel.places[0].offset, kernel.statistics) == (52, None)


def test_the_text_of_a_small_one(checkpoint):
    assert (
        str(inspect_checkpoint(checkpoint))
        == f"""{checkpoint}
name-based, 4 tensors, 15 parameters, 293 bytes in 2 files

file                            bytes
model.ckpt.index                  225
model.ckpt.data-00000-of-00001     68

role    tensors  elements  bytes
weight        3        15     60
step          1         1      8

dtype    tensors  elements  bytes
float32        3        15     60
int64          1         1      8

scope         tensors  elements  bytes
(none)              1         1      8
net/dense/          2         9     36
net/dense_1/        1         6     24

key                 dtype    shape   bytes  role    shard  offset
global_step         int64    []          8  step        0       0
net/dense/bias      float32  [3]        12  weight      0       8
net/dense/kernel    float32  [2, 3]     24  weight      0      20
net/dense_1/kernel  float32  [3, 2]     24  weight      0      44"""
    )


def test_every_key_of_6000_is_in_the_text(goldens):
    found = inspect_checkpoint(goldens / "tf1_15/many_keys")
    lines = str(found).splitlines()
    assert lines[1] == "name-based, 6,000 tensors, 6,000 parameters, 364 KB in 2 files"
    assert len(lines) < 6000 + 80
    listed = {line.split()[0] for line in lines if line}
    assert {tensor.key for tensor in found.tensors} <= listed
    scopes = [group.name for group in found.scopes]
    assert scopes == [f"layer_{number}/" for number in range(40)]


def test_a_missing_shard_is_told_and_does_not_hinder(checkpoint):
    shard = f"{checkpoint}.data-00000-of-00001"
    os.remove(shard)
    found = inspect_checkpoint(checkpoint)
    assert found.missing_files == (shard,)
    assert found.notes == (
        f"{shard!r} is missing: the tensors in it can be listed, but not read",
    )
    assert "model.ckpt.data-00000-of-00001  missing" in str(found)


def test_v1_beside_v2_is_told(goldens):
    found = inspect_checkpoint(goldens / "tf1_15/saver_v1_and_v2/model.ckpt")
    assert "note: " in str(found)
    assert "is of a V1 checkpoint of the same prefix" in found.notes[0]


def test_v1(goldens):
    found = inspect_checkpoint(goldens / "tf1_15/sliced_v1_sharded/model.ckpt")
    assert found.format == "V1"
    assert len(found.files) == 3
    assert found.parameters == 14
    assert sum(group.nbytes for group in found.roles) == 56 + 112 + 8


def test_shared_bytes_count_once(written):
    array = np.arange(6, dtype=np.float32)
    prefix = written({"a": (array, DType.float32)}, same=[("b", "a")])
    found = inspect_checkpoint(prefix)
    assert found.roles == (Group("weight", 2, 6, 24),)
    assert found.parameters == 6


def test_json_is_stable_and_whole(goldens):
    path = goldens / "tf1_15/partitioned_adam"
    text = inspect_checkpoint(path, values=True).to_json()
    assert text == inspect_checkpoint(path, values=True).to_json()
    content = json.loads(text)
    embedding = next(t for t in content["tensors"] if t["key"] == "deep/emb")
    assert embedding["shape"] == [7, 2]
    assert len(embedding["places"]) == 3
    assert embedding["statistics"]["greatest"] == 1.0
    assert content["parameters"] == 14


def test_statistics_against_numpy(written, monkeypatch):
    monkeypatch.setattr("tf_ckpt_migrate.checkpoint.pieces._PIECE", 100)
    values = np.random.default_rng(0).normal(3, 2, 1234).astype(np.float32)
    values[[5, 700]] = 0
    prefix = written({"w": (values, DType.float32)})
    found = statistics_of(load_checkpoint(prefix), "w")
    wide = values.astype(np.float64)
    assert found.least == wide.min()
    assert found.greatest == wide.max()
    assert found.mean == pytest.approx(wide.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(wide.std(), rel=1e-12)
    assert (found.zeros, found.nans, found.infinities) == (2, 0, 0)


def test_statistics_leave_out_what_is_not_finite(written):
    values = np.array([1, np.nan, -np.inf, np.inf, 3], np.float32)
    nothing = np.array([np.nan], np.float32)
    arrays = {"w": (values, DType.float32), "n": (nothing, DType.float32)}
    reader = load_checkpoint(written(arrays))
    assert statistics_of(reader, "w") == NumberStatistics(1, 3, 2, 1, 0, 1, 2)
    assert statistics_of(reader, "n") == NumberStatistics(*[None] * 4, 0, 1, 0)


def test_variable_names_of_the_object_graph(goldens):
    path = goldens / "tf2_21/tf_keras_legacy_adam"
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    found = {t.key: t for t in inspect_checkpoint(path, names=True).tensors}
    kernel = "model/layer_with_weights-0/kernel"
    assert found[kernel + end].full_name.endswith("/kernel")
    slot = found[f"{kernel}/.OPTIMIZER_SLOT/optimizer/m{end}"]
    assert slot.full_name.endswith("/kernel/m")
    assert found["_CHECKPOINTABLE_OBJECT_GRAPH"].full_name == ""
    assert not any(tensor.full_name for tensor in inspect_checkpoint(path).tensors)


def test_large_integers_stay_exact(written):
    values = np.array([2**63 - 1, -(2**63)], np.int64)
    found = statistics_of(load_checkpoint(written({"w": (values, DType.int64)})), "w")
    assert (found.least, found.greatest) == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    "golden", ["dtypes", "dtypes_v1", "shapes", "partitioned_adam"]
)
def test_statistics_of_everything_tensorflow_saves(goldens, golden):
    for version in ("tf1_15", "tf2_15", "tf2_21"):
        found = inspect_checkpoint(goldens / version / golden, values=True)
        for tensor in found.tensors:
            kind = StringStatistics if tensor.dtype == "string" else NumberStatistics
            assert isinstance(tensor.statistics, kind), tensor.key


def test_strings(goldens):
    reader = load_checkpoint(goldens / "tf1_15/dtypes")
    assert statistics_of(reader, "strings_long") == StringStatistics(2, 5002)


def test_values_are_verified(checkpoint):
    with open(f"{checkpoint}.data-00000-of-00001", "r+b") as file:
        file.seek(21)
        file.write(b"\xff")
    with pytest.raises(ChecksumError):
        inspect_checkpoint(checkpoint, values=True)


def scopes_of(keys):
    return [*grouped_by_scope({key: key for key in keys})]


def test_slots_are_in_the_scope_of_their_variable(goldens):
    found = inspect_checkpoint(goldens / "tf1_15/optimizer_scoped")
    names = [tensor.key for tensor in found.tensors]
    assert "train_op/net/w/Adam" in names
    assert [group.name for group in found.scopes] == ["net/", "train_op/"]


def test_scopes_divide_what_holds_more_than_half():
    keys = [f"bert/encoder/layer_{n}/w" for n in range(12)] + ["bert/emb/w", "cls/w"]
    assert scopes_of(keys) == [
        *(f"bert/encoder/layer_{n}/" for n in range(12)),
        "bert/emb/",
        "cls/",
    ]


def test_scopes_stay_few():
    keys = [f"net/layer_{n}/w" for n in range(5000)]
    assert scopes_of(keys) == ["net/layer_*/"]
    keys = [f"net/block_{n}/layer_{n % 7}/w" for n in range(5000)]
    assert scopes_of(keys) == [f"net/block_*/layer_{n}/" for n in range(7)]
    assert scopes_of([f"v{n}/{w}" for n in range(999) for w in "ab"]) == ["v*/"]
    assert scopes_of([f"{chr(n)}/w" for n in range(200, 999)]) == [""]
    assert scopes_of([]) == []
    assert scopes_of(map(str, range(5000))) == [""]


def test_scopes_of_object_keys_are_those_of_the_names_in_them():
    end = ".ATTRIBUTES/VARIABLE_VALUE"
    keys = [f"vars/net.Sa.Sw/{end}", f"vars/net.Sb.Sw/{end}", f"save_counter/{end}"]
    assert scopes_of(keys) == ["vars/net/a/", "vars/net/b/", ""]


def test_a_scope_of_very_many_scopes():
    deep = "a/" * 40_000
    groups = grouped_by_scope({key: key for key in (f"{deep}w", f"{deep}x/y", "b")})
    assert groups == {deep: [f"{deep}w"], f"{deep}x/": [f"{deep}x/y"], "": ["b"]}
