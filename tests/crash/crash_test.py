"""Nothing is lost, and nothing half written is seen, whatever ends a writer."""

import errno
import os
import random
import signal
from functools import partial

import pytest

from tests.bundle.faults import Disk
from tests.crash.kills import forked, kill_some
from tests.crash.operations import OPERATIONS, Scene

pytestmark = pytest.mark.once

# In one environment all of them, in the others enough to see that it works there too.
HERE = os.environ.get("TF_CKPT_MIGRATE_ENVIRONMENT", "no-tf")
KILLS = 60 if HERE == "no-tf" else 5
CODES = ["ENOSPC", "EIO", "EACCES", "EROFS"][: 4 if HERE == "no-tf" else 1]
_MOST = 200  # steps; no operation takes as many

operations = pytest.mark.parametrize("name", OPERATIONS)


@pytest.fixture
def scene(tmp_path, name):
    return Scene(tmp_path / "scene", OPERATIONS[name])


@operations
def test_killed_at_random(scene, name):
    tally = kill_some(scene, KILLS, random.Random(name))
    assert tally["killed"] == KILLS


@operations
def test_killed_at_every_step(scene, name):
    """Just before each call that changes the disk."""

    def run(at):
        Disk(
            pytest.MonkeyPatch(), at, fail=lambda: os.kill(os.getpid(), signal.SIGKILL)
        )
        scene.run()

    states = []
    for number in range(_MOST):
        scene.set()
        _, status = os.waitpid(forked(partial(run, number)), 0)
        states.append(scene.check() == scene.new)
        scene.check_next()
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            break
    assert len(states) > 5
    assert states == sorted(states)  # once the new one is there, it stays
    assert states[-1]


@operations
@pytest.mark.parametrize("code", CODES)
def test_an_error_at_every_step(scene, name, code):
    """It is told, or there is another way; the old is there, or the new is."""
    number = getattr(errno, code)

    def fail():
        raise OSError(number, os.strerror(number))

    for at in range(_MOST):
        scene.set()
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, at, fail=fail)
            told = []
            try:
                scene.run()
            except OSError as error:
                told.append(error.errno)
        assert told in ([], [number])
        assert told or scene.check() == scene.new, disk.failed
        scene.check()
        scene.check_nothing_left()
        if not disk.failed:
            break
    assert at > 5
