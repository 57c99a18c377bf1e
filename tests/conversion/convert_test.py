"""What convert promises whatever the plan."""

import os

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint


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
