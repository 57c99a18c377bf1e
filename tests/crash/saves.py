"""Kills what saves live values for both worlds, at random points, any number of times.

::

    python -m tests.crash.saves --kills 1000 --seed 7

Each time a process is forked that saves twice, by ``tcm.Checkpoint``, a
``CheckpointManager`` or ``tcm.Saver``. What is latest must then be one whole save, in
all of its tensors. (Older ones TensorFlow deletes file by file, before it says so.)
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# It starts no threads before the first operation, which only children run.
import tensorflow as tf

import tf_ckpt_migrate as tcm
from tests.crash.kills import forked
from tf_ckpt_migrate.checkpoint.state import read_state

_SIZE = 50_000


def _variables(number: int) -> list[tf.Variable]:
    value = tf.fill([_SIZE], float(number))
    return [tf.Variable(value, name=f"v{n}") for n in range(3)]


def _fixed(folder: str, number: int) -> None:
    for each in (number, number + 0.5):
        tcm.Checkpoint(v=_variables(each)).write(f"{folder}/m", keys="both")


def _managed(folder: str, number: int) -> None:
    for each in (number, number + 0.5):
        checkpoint = tcm.Checkpoint(v=_variables(each)).saving(keys="both")
        manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
        manager.save(checkpoint_number=int(2 * each))


def _by_saver(folder: str, number: int) -> None:
    saver = tcm.Saver(variables := _variables(number), keys="both", max_to_keep=2)
    for step in (2 * number, 2 * number + 1):
        saver.save(None, f"{folder}/m", global_step=step)
        for variable in variables:
            variable.assign_add(tf.fill([_SIZE], 0.5))


def _computed(folder: str, number: int) -> None:
    turned = tcm.transforms.Blocks(0, (1, 0))
    rules = [tcm.Rename(f"v{n}", f"v{n}", turned) for n in range(3)]
    for each in (number, number + 0.5):
        checkpoint = tcm.Checkpoint(v=_variables(each))
        checkpoint.write(f"{folder}/m", keys="both", names=rules)


WAYS = {
    "fixed": _fixed,
    "computed": _computed,
    "managed": _managed,
    "by saver": _by_saver,
}


def kill_some(
    save: Callable[[str, int], None], folder: str, kills: int, chance: random.Random
) -> dict[str, int]:
    """Kill a way of saving again and again; return how often, and how many it saved.

    Raises:
      AssertionError: If what is there is no whole save, or an older one than before.
    """
    start = time.monotonic()
    os.waitpid(forked(lambda: save(folder, 0)), 0)
    takes, killed, last, number = time.monotonic() - start, 0, 0.5, 0
    assert _held(folder) == last
    while killed < kills:
        number += 1
        process = forked(partial(save, folder, number))
        time.sleep(chance.uniform(0, takes))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        killed += os.WIFSIGNALED(status)
        takes *= 1.01 if os.WIFSIGNALED(status) else 0.95
        found = _held(folder)
        assert found in (last, number, number + 0.5)
        last = found
    os.waitpid(forked(lambda: save(folder, number + 1)), 0)
    assert not list(Path(folder).glob(".*")), "left behind"
    return {"killed": killed, "run": number}


def _held(folder: str) -> float:
    """Return the one value that the latest checkpoint holds in all places."""
    prefix = f"{folder}/m"
    if os.path.exists(f"{folder}/checkpoint"):
        state = read_state(f"{folder}/checkpoint")
        prefix = os.path.join(folder, state.latest)
    verified = tcm.verify_checkpoint(prefix)
    assert verified.ok, str(verified)
    reader = tcm.load_checkpoint(prefix)
    (value,) = {float(x) for n in range(3) for x in (reader[f"v{n}"][[0, -1]])}
    return value


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=300, help="how many in all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)  # noqa: T201 - a program
    tf.get_logger().setLevel("ERROR")
    chance = random.Random(arguments.seed)
    for name, save in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            tally = kill_some(save, folder, -(-arguments.kills // len(WAYS)), chance)
        print(f"{name}: {tally}")  # noqa: T201 - a program
    return 0


if __name__ == "__main__":
    sys.exit(main())
