"""What convert promises whatever the plan."""

import os
import shutil

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import files_in, values, write
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import OutputExistsError


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
    plan = tcm.plan_migration(snapshot / "out", None, {"b": "b"}, unmatched="drop")
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
