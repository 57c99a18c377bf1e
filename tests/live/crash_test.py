"""What a save leaves behind that fails, or is killed, at any point."""

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import tf_ckpt_migrate as tcm
from tests.bundle.faults import Disk
from tests.live.readers import by_saver, loads, same_values
from tf_ckpt_migrate.transforms import Blocks

pytestmark = pytest.mark.once


def test_a_writer_that_is_killed(tf):
    """In a process of its own, which forks before TensorFlow starts any thread."""
    command = [sys.executable, "-m", "tests.crash.saves", "--kills=60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("'killed': 15") == 4


@pytest.mark.parametrize("way", ["checkpoint", "computed", "saver", "twin"])
def test_a_failure_at_any_step_leaves_the_old_checkpoint(
    tf, tmp_path, monkeypatch, way
):
    prefix = str(tmp_path / "m")
    w = tf.Variable([1.0, 1.0], name="w")
    save = {
        "checkpoint": lambda: tcm.Checkpoint(w=w).write(prefix, keys="both"),
        "computed": lambda: tcm.Checkpoint(w=w).write(
            prefix, keys="both", names=[tcm.Rename("w", "w", Blocks(0, (1, 0)))]
        ),
        "saver": lambda: tcm.Saver([w], keys="both").save(None, prefix),
        "twin": lambda: tcm.Checkpoint(w=w).write(
            prefix, keys="both", twin_directory=tmp_path / "twins"
        ),
    }[way]
    save()
    held = 1.0
    seen: set[float] = set()
    for fails_at in range(100):
        w.assign([held + 1] * 2)
        seen.clear()
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails_at, lambda: seen.add(float(_reads(prefix))))
            with suppress(OSError):
                save()
        assert seen <= {held, held + 1}
        held = float(_reads(prefix))
        w.assign([held] * 2)
        assert not list(tmp_path.glob(".*"))
        if not disk.failed:
            break
    assert fails_at > 5
    same_values(by_saver(tf, prefix), {"w": [held, held]})


def _reads(prefix):
    return tcm.load_checkpoint(prefix)["w"][0]


def test_a_full_disk(tf, tmp_path):
    """TensorFlow itself runs out of space: training goes on, and nothing is lost."""
    w = tf.Variable(tf.ones([100_000]), name="w")
    checkpoint = tcm.Checkpoint(w=w).saving(keys="both")
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=3)
    first = manager.save()
    w.assign(2 * w)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises((tf.errors.OpError, OSError)):
            manager.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert tf.train.latest_checkpoint(tmp_path) == first
    assert by_saver(tf, first)["w"][0] == 1.0
    assert not list(tmp_path.glob(".*"))
    path = manager.save()  # there is space again
    assert by_saver(tf, path)["w"][0] == 2.0
    assert tf.train.latest_checkpoint(tmp_path) == path


def test_a_directory_that_cannot_be_written_to(tf, tmp_path, monkeypatch):
    """One error, by which it is named; for a superuser the system has to refuse."""

    def refuse(path, mode=0o777):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    checkpoint = tcm.Checkpoint(w=tf.Variable(1.0, name="w")).saving(keys="both")
    first = checkpoint.save(str(tmp_path / "m"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        with pytest.raises(PermissionError, match=r"Permission denied: '.*m-2"):
            checkpoint.save(str(tmp_path / "m"))
    assert tf.train.latest_checkpoint(tmp_path) == first
    assert loads(first)
    assert Path(checkpoint.save(str(tmp_path / "m")) + ".index").exists()
