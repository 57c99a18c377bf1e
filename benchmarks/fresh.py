"""What one act costs a process that has done nothing before (Linux).

::

    python -m benchmarks.fresh ours|guide SOURCE OUTPUT
    python -m benchmarks.fresh inspect|plan|diff|verify|... CHECKPOINT...

Prints JSON: peak memory over that before, bytes read, data shards opened, and
milliseconds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["ROOT", "cost", "environment", "main"]


def environment() -> dict[str, str]:
    """Return the variables of a child that finds the package and stays quiet."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def cost(who: str, *paths: str) -> dict[str, int]:
    """Run one act in a new process and return what it cost."""
    command = [sys.executable, "-m", "benchmarks.fresh", who, *paths]
    done = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def main(who: str, *paths: str) -> None:
    """Act, and print what it cost."""
    act = _guide() if who == "guide" else _ours(who)
    shards: list[str] = []
    sys.addaudithook(lambda event, of: _note(event, of, shards))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    memory, read = _status("VmRSS"), _bytes_read()
    start = time.perf_counter()
    act(*paths)
    seconds = time.perf_counter() - start
    found = {
        "peak": _status("VmHWM") - memory,
        "read": _bytes_read() - read,
        "shards": len(shards),
        "milliseconds": round(seconds * 1e3),
    }
    print(json.dumps(found))


def _guide() -> Callable[..., object]:
    from benchmarks import guide

    return guide.convert_tf1_to_tf2


def _ours(who: str) -> Callable[..., object]:
    import tf_ckpt_migrate as tcm

    acts: dict[str, Callable[..., object]] = {
        "ours": tcm.convert_tf1_to_tf2,
        "inspect": tcm.inspect_checkpoint,
        "plan": tcm.plan_migration,
        "diff": tcm.diff_checkpoints,
        "verify": tcm.verify_checkpoint,
    }
    return acts[who]


def _note(event: str, of: tuple[Any, ...], shards: list[str]) -> None:
    """Note the opening of a data shard of a source; new ones are opened to write."""
    if event == "open" and ".data-" in str(of[0]):
        shards.append(str(of[0]))


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
