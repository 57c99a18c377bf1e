"""What a reader finds when a checkpoint is put in the place of another."""

import errno
import os
from pathlib import Path

import pytest

from tests.conversion.checkpoints import files_in, values, write
from tf_ckpt_migrate.conversion.merge import compact


@pytest.fixture
def old(tmp_path):
    """A checkpoint of two shards, and one to replace it with."""
    tensors = {"w": [1.0, 2.0], "b": [3.0, 4.0]}
    plain = write(tmp_path / "plain", tensors)
    new = write(tmp_path / "new", {"w": [9.0], "b": [8.0]})
    compact(plain, tmp_path / "old", shards=2)
    return str(tmp_path / "old"), new


def _fail_once(monkeypatch, path):
    """Let the first move of a file to a path fail."""
    once = iter([True])

    def failing(function):
        def move(source, target):
            if target == path and next(once, False):
                raise OSError(errno.ENOSPC, "No space left on device")
            function(source, target)

        return move

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))


def count_in_place(shards):
    """One shard more than asked for, and empty, if the old checkpoint has as many."""
    return 3 if shards == 2 else shards


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("at", [".data-0000{}-of-0000{}", ".index"])
def test_what_is_there_comes_back_when_the_new_cannot_take_its_place(
    old, tmp_path, shards, at, monkeypatch
):
    prefix, new = old
    before, held = files_in(tmp_path), values(prefix)
    _fail_once(monkeypatch, prefix + at.format(shards - 1, count_in_place(shards)))
    with pytest.raises(OSError, match="No space"):
        compact(new, prefix, shards=shards, overwrite=True)
    assert files_in(tmp_path) == before
    assert values(prefix) == held


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_nothing_of_the_old_is_left(old, tmp_path, shards):
    prefix, new = old
    compact(new, prefix, shards=shards, overwrite=True)
    assert values(prefix) == values(new)
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith("old.")}
    count = count_in_place(shards)
    shards_there = {f"old.data-0000{n}-of-0000{count}" for n in range(count)}
    assert names == {"old.index", *shards_there}
    assert not list(tmp_path.glob(".*"))


def test_shards_without_an_index_give_way(old, tmp_path):
    prefix, new = old
    Path(prefix + ".index").unlink()
    compact(new, prefix, shards=2, overwrite=True)
    assert values(prefix) == values(new)


def test_a_name_as_long_as_the_system_takes(old, tmp_path):
    _, new = old
    prefix = tmp_path / ("ä" * 117)  # bytes: 234, and 20 of the shard's suffix
    assert values(compact(new, prefix)) == values(new)
