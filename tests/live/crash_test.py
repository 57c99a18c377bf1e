"""What a save leaves behind that fails, or is killed, at any point."""

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import tf_ckpt_migrate as tcm
from tests.bundle.faults import Disk
from tests.live.readers import by_saver, loads, same_values
from tf_ckpt_migrate.checkpoint.state import read_state

HERE = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

SAVES_ON = """
import sys
import tensorflow as tf
import tf_ckpt_migrate as tcm

folder, kind = sys.argv[1:]
variables = [tf.Variable(tf.zeros([200_000]), name=f"v{n}") for n in range(3)]
checkpoint = tcm.Checkpoint(v=variables).saving(keys="both")
if kind == "manager":
    manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
    save = manager.save
elif kind == "fixed":
    save = lambda: checkpoint.write(folder + "/m")
else:
    saver = tcm.Saver(variables, keys="both", max_to_keep=2)
    save = lambda: saver.save(None, folder + "/m", global_step=number)
for number in range(10_000):
    for variable in variables:
        variable.assign(tf.fill([200_000], float(number)))
    save()
    print(number, flush=True)
"""


@pytest.mark.parametrize("kind", ["manager", "fixed", "saver"])
def test_a_writer_that_is_killed(tf, tmp_path, kind):
    folder = tmp_path / "run"
    folder.mkdir()
    for wait in (0.013, 0.071):
        command = [sys.executable, "-c", SAVES_ON, str(folder), kind]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=HERE) as process:
            assert process.stdout is not None
            for _ in range(3):
                assert process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        _check_whole(tf, folder, kind)
    # The next writer cleans up.
    tcm.Checkpoint(v=tf.Variable(1.0, name="v")).write(str(folder / "n"), keys="both")
    assert not list(folder.glob(".*"))


def _check_whole(tf, folder, kind):
    prefix = str(folder / "m")
    if kind != "fixed":
        prefix = tf.train.latest_checkpoint(folder)
        for each in read_state(str(folder / "checkpoint")).kept:
            path = os.path.join(folder, each)
            assert loads(path) or each != os.path.basename(prefix)
    found = by_saver(tf, prefix)
    assert found.keys() == {"v0", "v1", "v2"}
    values = {value for array in found.values() for value in (array[0], array[-1])}
    assert len(values) == 1  # of one and the same save
    assert tcm.verify_checkpoint(prefix).ok


@pytest.mark.parametrize("way", ["checkpoint", "saver", "twin"])
def test_a_failure_at_any_step_leaves_the_old_checkpoint(
    tf, tmp_path, monkeypatch, way
):
    prefix = str(tmp_path / "m")
    w = tf.Variable([1.0, 1.0], name="w")
    save = {
        "checkpoint": lambda: tcm.Checkpoint(w=w).write(prefix, keys="both"),
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
