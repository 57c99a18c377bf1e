"""How checkpoints get damaged in real life: what is said of each, cause and remedy."""

from __future__ import annotations

import os
import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.bundle.files import write_checkpoint
from tests.fuzz.seeds import v1_file
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.conversion.merge import merge
from tf_ckpt_migrate.errors import CheckpointError, ChecksumError

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 12345\n"
)
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"
SHARD = "m.data-00000-of-00001"


@pytest.fixture
def folder(tmp_path):
    """A folder with a checkpoint ``m``, in whose files every byte value is."""
    values = {"w": np.arange(256, dtype=np.uint8), "ten/ten": np.full(10, 10, np.int8)}
    # Names as long as a line feed is high, so that the index has some too.
    values |= {f"{'x' * 10}{number}/w": np.int32([number]) for number in range(3)}
    write_checkpoint(tmp_path / "m", values)
    return tmp_path


def told(prefix):
    """Return what is said of a checkpoint, refused or found wanting."""
    try:
        found = verify_checkpoint(prefix)
    except CheckpointError as error:
        return str(error)
    assert not found.ok
    return str(found)


def as_nothing(path):
    path.write_bytes(b"")


def as_its_beginning(path):
    os.truncate(path, 100)


def as_after_a_crash(path):
    """A machine that went down may leave a file its length, but not its bytes."""
    size = path.stat().st_size
    os.truncate(path, size // 2)
    os.truncate(path, size)


def as_a_pointer(path):
    path.write_bytes(POINTER)


def as_a_page(path):
    path.write_bytes(PAGE * 9)


def as_text(path):
    """Copy a file as a program does that takes it for text of Windows."""
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


INDEX = "m.index"
AGAIN = "a copy or an upload broke off: copy the file again"
BINARY = "turned LF into CRLF: copy it again in binary mode"
# What is done to which file, and what is then told.
DAMAGES = [
    (
        INDEX,
        os.remove,
        "'.*m.index' is missing: data shards of '.*m' are there, .* co",
    ),
    (
        SHARD,
        os.remove,
        "is missing; beside it there are: m.index.*copy what is missing",
    ),
    (INDEX, as_nothing, f"0 bytes are too few for a table .*{AGAIN}"),
    (SHARD, as_nothing, f"the file ends at 0; {AGAIN}"),
    (INDEX, as_its_beginning, "cut off, or not a checkpoint index .*; copy the file"),
    (SHARD, as_its_beginning, f"but the file ends at 100; {AGAIN}"),
    (INDEX, as_after_a_crash, "ends in 0000000000000000.*; copy the file again"),
    (SHARD, as_after_a_crash, "is damaged or is of another run: copy it again"),
    (INDEX, as_a_pointer, "is a Git LFS pointer, .* run `git lfs pull`"),
    (SHARD, as_a_pointer, "is a Git LFS pointer, .* run `git lfs pull`"),
    (INDEX, as_a_page, "is a web page: .* download it again"),
    (SHARD, as_a_page, "it is a web page: .* download it again"),
    (INDEX, as_text, BINARY),
    (SHARD, as_text, BINARY),
]


@pytest.mark.parametrize(("name", "damage", "text"), DAMAGES)
def test_a_damage(folder, name, damage, text):
    damage(folder / name)
    assert re.search(text, told(folder / "m"), re.DOTALL)


def test_a_cause_is_told_once_and_where_one_tensor_is_read(folder):
    as_text(folder / SHARD)
    assert told(folder / "m").count("turned LF into CRLF") == 1
    with pytest.raises(ChecksumError, match="turned LF into CRLF"):
        load_checkpoint(folder / "m").get_tensor("w")
    as_a_pointer(folder / SHARD)
    assert told(folder / "m").count("run `git lfs pull`") == 1


@pytest.mark.parametrize("damage", [as_text, as_a_pointer])
def test_the_cause_of_all_comes_first(folder, damage):
    damage(folder / SHARD)
    first = verify_checkpoint(folder / "m").problems[0]
    assert "turned LF into CRLF" in first or "Git LFS" in first
    assert "checksum of" not in first


def test_only_tensors_that_were_read_count_as_fitting(folder):
    whole = verify_checkpoint(folder / "m")
    assert whole.checked_tensors == whole.tensors
    (folder / SHARD).unlink()
    found = verify_checkpoint(folder / "m")
    assert (found.checked_tensors, found.checked_bytes) == (0, 0)
    assert f"in {found.tensors} tensors; 0 tensors, 0 bytes fit" in str(found)


def test_a_bit_that_a_disk_has_lost_is_not_blamed_on_line_feeds(folder):
    data = bytearray((folder / SHARD).read_bytes())
    data[200] ^= 1
    (folder / SHARD).write_bytes(data)
    assert "CRLF" not in told(folder / "m")


def test_shards_of_two_runs_swapped(tmp_path):
    for run in (1, 2):
        write_checkpoint(tmp_path / f"m-{run}", {"w": np.float32([run] * 4)})
    shutil.copy(
        tmp_path / "m-2.data-00000-of-00001", tmp_path / "m-1.data-00000-of-00001"
    )
    text = told(tmp_path / "m-1")
    assert "the checksum of tensor 'w' (16 bytes at 0) is 0x" in text
    assert "is of another run: copy it again" in text


def test_shards_of_one_run_swapped(copied):
    folder = copied("tf1_15/sharded_v2")
    first, second = (folder / f"model.ckpt.data-0000{n}-of-00003" for n in (0, 1))
    first.rename(folder / "aside")
    second.rename(first)
    (folder / "aside").rename(second)
    assert told(folder / "model.ckpt")


def test_a_v1_file_that_is_something_else_or_cut_off(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(POINTER)
    assert "run `git lfs pull`" in told(path)
    path.write_bytes(v1_file(tmp_path)[:-9])
    assert "or a V1 file that was cut off" in told(path)


MERGE = r"`tf-ckpt-migrate merge (.*) --output (.*)` recovers"


def parts(folder: Path, name: str, count: int, there: int) -> None:
    """Write what a save of several shards that was killed leaves behind."""
    (folder / name).mkdir(parents=True)
    for number in range(there):
        prefix = folder / name / f"part-{number:05d}-of-{count:05d}"
        write_checkpoint(prefix, {f"w{number}": np.float32([number])})


@pytest.mark.parametrize("name", ["m-7_temp", "m-7_temp_0123456789abcdef"])
def test_a_save_that_was_broken_off_before_it_was_joined(tmp_path, name):
    parts(tmp_path, name, 2, 2)
    text = told(tmp_path / "m-7")
    assert text.startswith(
        f"no checkpoint at '{tmp_path}/m-7': a save of it was broken off; 2 of its 2 "
        f"parts are there: '{tmp_path}/{name}/part-00000-of-00002', "
    )
    ((sources, output),) = re.findall(MERGE, text)
    merge(sources.split(), output)
    assert verify_checkpoint(tmp_path / "m-7").tensors == 2


def test_a_save_that_was_broken_off_before_all_was_written(tmp_path):
    parts(tmp_path, "m-7_temp", 3, 1)
    text = told(tmp_path / "m-7")
    assert "1 of its 3 parts are there: " in text
    assert text.endswith("that is no whole one, so go back to the checkpoint before it")


def test_what_tensorflow_leaves_when_it_is_killed_is_recovered(
    tf, tmp_path, monkeypatch
):
    def killed(*_, **__):
        raise InterruptedError

    # No attribute of `tensorflow`, where that has been cleaned of what is private.
    joining = import_module("tensorflow.python.ops.gen_io_ops")
    monkeypatch.setattr(joining, "merge_v2_checkpoints", killed)
    prefix = str(tmp_path / "ckpt-1")
    with pytest.raises(InterruptedError):
        tf.train.Checkpoint(v=tf.Variable([1.0, 2.0])).write(prefix)
    ((sources, output),) = re.findall(MERGE, told(prefix))
    merge(sources.split(), output)
    restored = tf.Variable([0.0, 0.0])
    tf.train.Checkpoint(v=restored).read(prefix).assert_consumed()
    assert restored.numpy().tolist() == [1, 2]
