"""Restoring into variables, beside TensorFlow's ways; and planning for them.

``python -m benchmarks.live PREFIX COUNT`` prints the memory that one restore takes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import tensorflow as tf

import tf_ckpt_migrate as tcm
from benchmarks import fresh, inputs
from benchmarks.sizes import Sizes
from benchmarks.timing import Row, at_most, in_turn

__all__ = ["main", "planning", "restoring", "restoring_many"]

RENAMED = {"network/": "model/"}
_PLANNING = 1.0  # seconds: the goal
_EVERY = 0.002  # seconds between looks at the memory


def variables_for(names: list[str], length: int) -> dict[str, tf.Variable]:
    """Return variables of zeros by name, below ``model/``."""
    zeros = tf.zeros(length)
    return {name.replace("network/", "model/", 1): tf.Variable(zeros) for name in names}


def restoring(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Large variables, through a map."""
    count, nbytes = sizes.tensors, sizes.nbytes
    names = inputs.names(count)
    source = inputs.saved(f"{folder}/in", count, nbytes)
    variables = variables_for(names, nbytes // count // 4)
    objects = tf.train.Checkpoint(vars=variables)
    saved = objects.write(f"{folder}/objects")  # of the same sizes, for the peer

    def loop() -> None:
        reader = tf.train.load_checkpoint(source)
        for name, variable in zip(names, variables.values(), strict=True):
            variable.assign(reader.get_tensor(name))

    read, by_loop, ours = in_turn(
        lambda: objects.read(saved).assert_consumed(),
        loop,
        partial(tcm.restore, source, variables, RENAMED),
        prepare=bool,
        repeats=sizes.repeats,
    )
    what = f"restore {sizes.large}, through a map"
    yield at_most(0.8, what, "tf.train.Checkpoint.read", [read, ours])
    yield at_most(0.5, what, "the guide's load_checkpoint loop", [by_loop, ours])
    yield memory(source, sizes)


def memory(source: str, sizes: Sizes) -> Row:
    """Return the row of what a restore takes beside the variables."""
    command = [sys.executable, "-m", "benchmarks.live", source, str(sizes.tensors)]
    environment = fresh.environment()
    done = subprocess.run(
        [*command, str(sizes.nbytes)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    used, largest = int(done.stdout), sizes.nbytes // sizes.tensors
    return Row(
        "its peak memory, beside the variables",
        f"the largest tensor: {largest / 1e6:.1f} MB",
        f"{used / 1e6:.1f} MB",
        "",
        "the largest tensor, and 20 MB",
        used <= largest + 20e6,
    )


def restoring_many(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Small variables, where finding each is all the work."""
    names = inputs.names(sizes.many)
    source = inputs.saved(f"{folder}/in", sizes.many, 400 * sizes.many)
    variables = variables_for(names, 100)
    objects = tf.train.Checkpoint(vars=variables)
    saved = objects.save(f"{folder}/objects")
    theirs, ours = in_turn(
        lambda: objects.restore(saved).assert_consumed(),
        partial(tcm.restore, source, variables, RENAMED),
        prepare=bool,
        repeats=min(3, sizes.repeats),
    )
    what = f"restore {sizes.many:,} variables of 400 B, through a map"
    yield at_most(0.5, what, "tf.train.Checkpoint.restore", [theirs, ours])


def planning(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Names against variables, nothing else."""
    source = inputs.holes(f"{folder}/in", sizes.many, 400 * sizes.many)
    target = inputs.holes(f"{folder}/out", sizes.many, 400 * sizes.many)
    (seconds,) = in_turn(
        partial(tcm.plan_migration, source, target),
        prepare=bool,
        repeats=sizes.repeats,
    )
    worst = max(seconds)
    yield Row(
        f"plan {sizes.many:,} names against as many, files read",
        "",
        f"{min(seconds):.2f} s",
        f"worst {worst:.2f} s",
        f"below {_PLANNING:g} s",
        worst < _PLANNING,
    )


def main(source: str, count: str, nbytes: str) -> None:
    """Restore, and print how many bytes more than before were in use at most."""
    variables = variables_for(inputs.names(int(count)), int(nbytes) // int(count) // 4)
    tcm.restore(source, variables, RENAMED)  # what is loaded only once is loaded
    before, done = _anonymous(), threading.Event()
    seen = [before]

    def watch() -> None:
        while not done.wait(_EVERY):
            seen.append(_anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    tcm.restore(source, variables, RENAMED)
    done.set()
    watcher.join()
    print(max(seen) - before)


def _anonymous() -> int:
    """Return the bytes in use, without those of mapped files, which the system has."""
    text = Path("/proc/self/status").read_text()
    found = re.search(r"^RssAnon:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
