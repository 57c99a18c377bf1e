"""Checkpoints read from far systems are those that were copied there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.storage.copies import placed
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.errors import (
    CheckpointNotFoundError,
    CheckpointReplacedError,
    ChecksumError,
    MissingShardError,
    TruncatedFileError,
)
from tf_ckpt_migrate.storage.access import put_file, read_bytes, remove_file
from tf_ckpt_migrate.storage.paths import join

GOLDENS = [
    "tf1_15/saver_v2",
    "tf1_15/model_directory/run",
    "tf1_15/sharded_v1",
    "tf1_15/partitioned_adam",
    "tf2_21/checkpoint_slots",
    "tf2_21/saved_model/model",
]


def read_all(reader: tcm.CheckpointReader) -> None:
    for key in reader:
        reader[key]


def rewritten(path: str, data: bytes) -> None:
    put_file(path, data, path + ".aside")


@pytest.mark.parametrize("name", GOLDENS)
def test_a_golden_reads_the_same_anywhere(name, goldens, quick_far):
    check_golden(goldens / name, quick_far)


@pytest.mark.far
@pytest.mark.parametrize("name", ["tf1_15/sharded_v1", "tf2_21/checkpoint_slots"])
def test_a_golden_reads_the_same_from_a_server(name, goldens, s3_bucket):
    check_golden(goldens / name, f"{s3_bucket}/{name}")


def check_golden(golden: Path, far: str) -> None:
    here = tcm.load_checkpoint(golden)
    there = tcm.load_checkpoint(placed(golden, far))
    assert there.prefix.startswith(f"{far}/")
    assert there.format is here.format
    assert there.specs == here.specs
    for key in here:
        assert there[key].dtype == here[key].dtype
        np.testing.assert_array_equal(there[key], here[key])
    assert tcm.verify_checkpoint(far).ok
    assert tcm.diff_checkpoints(golden, far).equal


@pytest.fixture
def prefix(goldens: Path, far: str) -> str:
    return join(placed(goldens / "tf1_15" / "saver_v2", far), "model.ckpt")


def test_every_path_that_can_stand_for_a_checkpoint_does(prefix, far):
    for path in (
        prefix,
        far,
        f"{far}/",
        f"{prefix}.index",
        f"{prefix}.data-00000-of-00001",
    ):
        assert tcm.load_checkpoint(path).prefix == prefix


def test_what_is_not_there_is_told_as_anywhere(prefix, far):
    with pytest.raises(CheckpointNotFoundError, match=r"there is: '.*/model\.ckpt'"):
        tcm.load_checkpoint(f"{far}/modl.ckpt")
    with pytest.raises(CheckpointNotFoundError, match="there is no directory"):
        tcm.load_checkpoint(f"{far}/nowhere/model.ckpt")
    reader = tcm.load_checkpoint(prefix)
    remove_file(f"{prefix}.data-00000-of-00001")
    with pytest.raises(MissingShardError, match=r"beside it there are: model\.ckpt"):
        reader[next(iter(reader))]


def test_damage_is_told_as_anywhere(prefix):
    shard = f"{prefix}.data-00000-of-00001"
    data = read_bytes(shard)
    rewritten(shard, bytes([data[0] ^ 1]) + data[1:])
    key = next(k for k in BundleIndex(prefix) if not BundleIndex(prefix)[k].offset)
    with pytest.raises(ChecksumError, match="the checksum of tensor"):
        tcm.load_checkpoint(prefix)[key]
    assert len(tcm.verify_checkpoint(prefix).problems) == 1
    rewritten(shard, data[:-1])
    with pytest.raises(TruncatedFileError, match="but the file ends at"):
        read_all(tcm.load_checkpoint(prefix))


def test_a_reader_sees_that_its_checkpoint_was_replaced(prefix, goldens):
    reader = tcm.load_checkpoint(prefix)
    other = goldens / "tf1_15" / "partitioned_adam" / "model.ckpt.index"
    rewritten(f"{prefix}.index", other.read_bytes())
    with pytest.raises(CheckpointReplacedError, match="open it again"):
        read_all(reader)


def test_a_data_file_that_was_replaced_is_not_called_cut_off(prefix, goldens):
    reader = tcm.load_checkpoint(prefix)
    other = goldens / "tf1_15" / "partitioned_adam" / "model.ckpt.index"
    rewritten(f"{prefix}.index", other.read_bytes())
    rewritten(f"{prefix}.data-00000-of-00001", b"")
    with pytest.raises(CheckpointReplacedError, match="open it again"):
        read_all(reader)
