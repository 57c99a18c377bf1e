"""Kills (SIGKILL) what writes checkpoints, at random points, any number of times.

::

    python -m tests.crash.kills --kills 10000 --seed 7

Each time a process is forked that runs one operation; it is killed after a part of the
time that the operation takes. Then the sources must be what they were, byte for byte,
the output absent, the old one, or the new one, complete and verified; and the next run
must clean up whatever the killed one left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.crash.operations import OPERATIONS, Scene

__all__ = ["Tally", "forked", "kill_some", "main"]

_CLEANED = 10  # one in so many times the next run is looked at too

Tally = Counter[str]


def kill_some(scene: Scene, kills: int, chance: random.Random) -> Tally:
    """Kill an operation again and again.

    Returns:
      How many were killed, how many ended before, and how many outputs were new.

    Raises:
      AssertionError: If anything is not as it may be.
    """
    tally: Tally = Counter()
    takes = _time_of(scene)
    while tally["killed"] < kills:
        scene.set()
        process = forked(scene.run)
        time.sleep(chance.uniform(0, takes))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or not os.WEXITSTATUS(status)
        tally["killed" if killed else "ended"] += 1
        takes *= 1.01 if killed else 0.95  # the machine is not as fast all the time
        tally["new" if scene.check() == scene.new else "old"] += 1
        if not tally["killed"] % _CLEANED:
            scene.check_next()
    return tally


def _time_of(scene: Scene) -> float:
    scene.set()
    start = time.monotonic()
    os.waitpid(forked(scene.run), 0)
    return time.monotonic() - start


def forked(run: Callable[[], object]) -> int:
    """Start a process that runs something and ends; return its number."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        run()
        status = 0
    finally:
        os._exit(status)  # nothing of the parent may run in the child


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="how many in all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)  # noqa: T201 - a program
    chance = random.Random(arguments.seed)
    each = -(-arguments.kills // len(OPERATIONS))
    for name, operation in OPERATIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            tally = kill_some(Scene(Path(folder) / "scene", operation), each, chance)
        print(f"{name}: {dict(tally)}")  # noqa: T201 - a program
    return 0


if __name__ == "__main__":
    sys.exit(main())
