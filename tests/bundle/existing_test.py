"""The files of a checkpoint are found by their names, not by listing a full folder."""

import os

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tf_ckpt_migrate.bundle.commit import existing_files, existing_sizes, free_count
from tf_ckpt_migrate.bundle.index import serialized_header
from tf_ckpt_migrate.bundle.shards import index_path, shard_path
from tf_ckpt_migrate.table.writer import write_table


def make(*paths):
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"12345")


def make_index(prefix, shards):
    with open(index_path(prefix), "wb") as file:
        write_table(file, [(b"", serialized_header(shards))])


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "m")


@pytest.fixture
def _unlisted(prefix, monkeypatch):
    def listdir(path):
        assert os.path.abspath(path) != os.path.dirname(prefix), "the folder is listed"
        return original(path)

    original = os.listdir
    monkeypatch.setattr(os, "listdir", listdir)


@pytest.mark.usefixtures("_unlisted")
@pytest.mark.parametrize("count", [1, 2, 16, 40])
def test_the_shards_that_an_index_names(prefix, count):
    make_index(prefix, count)
    shards = [shard_path(prefix, number, count) for number in range(count)]
    make(*shards, shard_path(prefix, 0, 3))
    assert {*shards, index_path(prefix)} < {*existing_files(prefix)}
    assert shard_path(prefix, 0, 3) in existing_files(prefix)
    assert existing_sizes(prefix)[shards[-1]] == 5


@pytest.mark.usefixtures("_unlisted")
@pytest.mark.parametrize("shard", [(0, 1), (0, 2), (1, 2), (0, 16), (15, 16)])
def test_a_shard_that_is_left_without_an_index(prefix, shard):
    make(shard_path(prefix, *shard))
    assert existing_files(prefix) == [shard_path(prefix, *shard)]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\0" * 100])
def test_beside_a_damaged_index_every_shard_is_found(prefix, content):
    make(shard_path(prefix, 3, 100), shard_path(prefix, 0, 1))
    with open(index_path(prefix), "wb") as file:
        file.write(content)
    assert len(existing_files(prefix)) == 3


def test_an_index_that_names_too_many_shards_costs_one_listing(prefix, monkeypatch):
    make_index(prefix, 99_999)
    make(shard_path(prefix, 7, 99_999))
    looks = []
    lexists = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda p: looks.append(p) or lexists(p))
    assert len(existing_files(prefix)) == 2
    assert len(looks) < 100


def test_links_and_folders(prefix, tmp_path):
    make(tmp_path / "other")
    os.symlink(tmp_path / "other", shard_path(prefix, 0, 1))
    os.symlink(tmp_path / "nowhere", shard_path(prefix, 0, 2))
    os.mkdir(shard_path(prefix, 0, 3))
    assert existing_files(prefix) == [shard_path(prefix, 0, n) for n in (1, 2)]
    assert existing_sizes(prefix)[shard_path(prefix, 0, 1)] == 5


def test_no_name_of_a_new_shard_is_taken_however_many_there_are(prefix):
    make(shard_path(prefix, 11, 20))
    assert free_count(prefix, 20) == 21


def test_what_a_killed_writer_has_left_goes_when_its_output_is_replaced(prefix):
    weight = np.ones(2, np.float32)
    source = write(prefix + "-source", {"w": weight})
    write(prefix, {"w": weight})
    make(shard_path(prefix, 0, 2), shard_path(prefix, 1, 2))
    tcm.convert(tcm.plan_migration(source), prefix, overwrite=True)
    assert tcm.load_checkpoint(prefix).bundle.index.shards == 3  # 1 and 2 were taken
    assert len(existing_files(prefix)) == 1 + 3
