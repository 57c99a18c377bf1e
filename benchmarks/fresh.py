"""What one conversion costs a process that has done nothing before (Linux).

::

    python -m benchmarks.fresh ours|guide SOURCE OUTPUT

Prints JSON: peak memory over that before, bytes read, and data shards opened.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["ROOT", "cost", "environment", "main"]


def environment() -> dict[str, str]:
    """Return the variables of a child that finds the package and stays quiet."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def cost(who: str, source: str, output: str) -> dict[str, int]:
    """Run one conversion in a new process and return what it cost."""
    command = [sys.executable, "-m", "benchmarks.fresh", who, source, output]
    done = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def main(who: str, source: str, output: str) -> None:
    """Convert, and print what it cost."""
    convert = _guide() if who == "guide" else _ours()
    shards: list[str] = []
    sys.addaudithook(lambda event, of: _note(event, of, shards))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    memory, read = _status("VmRSS"), _bytes_read()
    convert(source, output)
    found = {
        "peak": _status("VmHWM") - memory,
        "read": _bytes_read() - read,
        "shards": len(shards),
    }
    print(json.dumps(found))


def _guide() -> Callable[[str, str], object]:
    from benchmarks import guide

    return guide.convert_tf1_to_tf2


def _ours() -> Callable[[str, str], object]:
    import tf_ckpt_migrate as tcm

    return tcm.convert_tf1_to_tf2


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
