"""What the reader gives beyond what the conformance tests compare with TensorFlow."""

from __future__ import annotations

import copy
import os
import pickle

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.bundle.files import strings, write_checkpoint
from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointFormat,
    list_variables,
    load_checkpoint,
)
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    MissingShardError,
    NotACheckpointError,
    TensorNotFoundError,
    TruncatedFileError,
)

KERNEL = "net/dense/kernel"


def damage(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize(
    ("golden", "kind"),
    [
        ("tf1_15/saver_v2", "name-based"),
        ("tf1_15/saver_v1", "V1"),
        ("tf1_15/saved_model/model", "SavedModel"),
    ],
)
def test_format(goldens, golden, kind):
    reader = load_checkpoint(goldens / golden)
    assert reader.format == CheckpointFormat(kind)
    assert str(reader.format) == kind
    assert reader.object_graph is None


def test_repr(checkpoint):
    expected = f"<CheckpointReader {checkpoint!r}: name-based, 4 keys>"
    assert repr(load_checkpoint(checkpoint)) == expected


def test_it_is_a_mapping_of_read_only_arrays(checkpoint):
    reader = load_checkpoint(checkpoint)
    assert sorted(reader) == [
        "global_step",
        "net/dense/bias",
        KERNEL,
        "net/dense_1/kernel",
    ]
    kernel = reader[KERNEL]
    assert (kernel.shape, kernel.dtype) == ((2, 3), np.float32)
    with pytest.raises(ValueError, match="read-only"):
        kernel[0, 0] = 1


def test_the_methods_of_tensorflow(checkpoint):
    reader = load_checkpoint(checkpoint)
    assert reader.has_tensor(KERNEL)
    assert not reader.has_tensor("net")
    assert reader.get_variable_to_shape_map()[KERNEL] == [2, 3]
    assert reader.get_variable_to_dtype_map()["global_step"] is DType.int64
    assert isinstance(reader.get_tensor("global_step"), np.int64)
    assert b"net/dense/kernel (DT_FLOAT) [2,3]\n" in reader.debug_string()
    assert list_variables(checkpoint)[0] == ("global_step", [])


def test_a_slice_reads_rows(checkpoint):
    reader = load_checkpoint(checkpoint)
    np.testing.assert_array_equal(
        reader.get_tensor(KERNEL, slice(1, 2)), reader[KERNEL][1:2]
    )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["partitioned", "sliced_v1"])
def test_a_slice_of_a_partitioned_variable(goldens, kind, axis):
    reader = load_checkpoint(goldens / f"tf1_15/{kind}_axis_{axis}")
    key = next(key for key, spec in reader.specs.items() if len(spec.shape) == 2)
    whole = reader[key]
    for index in (slice(2, 5), (slice(None), 1), (slice(None, None, 2), slice(1))):
        np.testing.assert_array_equal(reader.get_tensor(key, index), whole[index])


def test_places(checkpoint, goldens):
    reader = load_checkpoint(checkpoint)
    (place,) = reader.places(KERNEL)
    assert place.file == f"{checkpoint}.data-00000-of-00001"
    assert (place.shard, place.size) == (0, 24)
    with open(place.file, "rb") as file:
        file.seek(place.offset)
        assert file.read(place.size) == reader[KERNEL].tobytes()
    sliced = load_checkpoint(goldens / "tf1_15/partitioned_axis_0")
    assert [len(sliced.places(key)) > 1 for key in sliced].count(True)


def test_a_key_that_is_not_there(checkpoint):
    reader = load_checkpoint(checkpoint)
    for ask in (reader.get_tensor, reader.places):
        with pytest.raises(TensorNotFoundError) as caught:
            ask("net/dense/kernle")
        assert "Key net/dense/kernle not found in checkpoint" in str(caught.value)
        assert "nearest: 'net/dense/kernel'" in str(caught.value)


def test_a_missing_shard_leaves_the_list(checkpoint):
    shard = f"{checkpoint}.data-00000-of-00001"
    os.remove(shard)
    reader = load_checkpoint(checkpoint)
    assert len(reader.specs) == 4
    with pytest.raises(MissingShardError) as caught:
        reader[KERNEL]
    assert str(caught.value).startswith(
        f"data shard {shard!r} is missing; beside it there are: expected.json"
    ) or "model.ckpt.index" in str(caught.value)


def test_a_truncated_shard(checkpoint):
    shard = f"{checkpoint}.data-00000-of-00001"
    os.truncate(shard, 30)
    with pytest.raises(TruncatedFileError, match="but the file ends at 30"):
        load_checkpoint(checkpoint)["net/dense_1/kernel"]


def test_a_flipped_bit(checkpoint):
    (place,) = load_checkpoint(checkpoint).places(KERNEL)
    damage(place.file, place.offset)
    with pytest.raises(ChecksumError, match=rf"the checksum of tensor '{KERNEL}'"):
        load_checkpoint(checkpoint)[KERNEL]
    unverified = load_checkpoint(checkpoint, verify=False)
    assert unverified[KERNEL].shape == (2, 3)
    with pytest.raises(ChecksumError):
        unverified.check(KERNEL)


def test_an_index_with_a_flipped_bit(checkpoint):
    damage(f"{checkpoint}.index", 20)
    with pytest.raises(ChecksumError, match="checksum mismatch"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_file_that_is_a_git_lfs_pointer(checkpoint, suffix):
    path = checkpoint + suffix
    with open(path, "wb") as file:
        file.write(b"version https://git-lfs\n")
    with pytest.raises(NotACheckpointError, match="is a Git LFS pointer") as caught:
        load_checkpoint(checkpoint)["net/dense_1/kernel"]
    assert repr(path) in str(caught.value)


def test_every_bit_of_a_shard_is_covered(checkpoint):
    shard = f"{checkpoint}.data-00000-of-00001"
    for position in range(os.path.getsize(shard)):
        damage(shard, position)
        reader = load_checkpoint(checkpoint)
        with pytest.raises(ChecksumError):
            list(map(reader.check, reader))
        damage(shard, position)


COPIES = [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("golden", ["saver_v2/model.ckpt", "saver_v1/model.ckpt"])
def test_a_copied_reader_reads_the_same(goldens, golden, copied):
    reader = load_checkpoint(goldens / "tf1_15" / golden)
    for _ in range(2):  # before and after its files are open
        again = copied(reader)
        assert type(again) is type(reader)
        assert (again.prefix, again.format, list(again)) == (
            reader.prefix,
            reader.format,
            list(reader),
        )
        assert all(np.array_equal(again[key], reader[key]) for key in reader)


def test_a_copied_reader_keeps_how_it_was_opened(checkpoint, tmp_path):
    damage(f"{checkpoint}.data-00000-of-00001", 45)
    reader = load_checkpoint(os.path.dirname(checkpoint), verify=False)
    again = pickle.loads(pickle.dumps(reader))
    assert again.notes == reader.notes
    assert np.array_equal(again["net/dense_1/kernel"], reader["net/dense_1/kernel"])
    with pytest.raises(ChecksumError):
        copy.copy(load_checkpoint(checkpoint))["net/dense_1/kernel"]


def test_results_can_be_pickled(checkpoint, tmp_path):
    plan = tcm.plan_migration(
        checkpoint, assignment_map={"net/": "model/"}, unused="keep"
    )
    results = [
        plan,
        tcm.inspect_checkpoint(checkpoint, values=True),
        tcm.verify_checkpoint(checkpoint),
        tcm.diff_checkpoints(checkpoint, checkpoint),
        tcm.convert(plan, tmp_path / "out"),
        tcm.verify_conversion(tmp_path / "out", checkpoint, plan),
        tcm.make_report(checkpoint),
        load_checkpoint(checkpoint).specs,
    ]
    for result in results:
        for copied in COPIES:
            assert str(copied(result)) == str(result), type(result)


@pytest.mark.parametrize(
    "value",
    [np.float32([1, 2]), np.int64(7), np.zeros(0, np.uint8), strings(b"", b"")],
    ids=["floats", "number", "nothing", "vector"],
)
def test_an_object_graph_that_is_no_text_is_refused_by_name(tmp_path, value):
    prefix = tmp_path / "m"
    weight = {"w/.ATTRIBUTES/VARIABLE_VALUE": np.float32([1])}
    write_checkpoint(prefix, {OBJECT_GRAPH_KEY: np.asarray(value), **weight})
    with pytest.raises(CorruptCheckpointError, match="stores the object graph here"):
        _ = load_checkpoint(prefix).object_graph
    (problem,) = tcm.verify_checkpoint(prefix).problems
    assert OBJECT_GRAPH_KEY in problem
    assert [key for key, _ in list_variables(prefix)] == [OBJECT_GRAPH_KEY, *weight]
