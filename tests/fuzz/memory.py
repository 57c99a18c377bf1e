"""Prints how much memory each finding takes: ``{"index/circle": bytes, ...}``.

A program of its own, as what a process has had once it may have again for nothing. Its
address space is measured: that is what was asked for, touched or not, by C too.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.fuzz.findings import FINDINGS
from tests.fuzz.targets import TARGETS


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if "VmPeak" in line)


def _read(target: str, data: bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        before = _peak()
        TARGETS[target].read(data, Path(folder))
        return _peak() - before


def main() -> None:
    """Measure all of them."""
    for target, (_, seed) in TARGETS.items():
        _read(target, seed)  # loads what it needs
    found = {
        f"{target}/{name}": _read(target, data)
        for target, damaged in FINDINGS.items()
        for name, data in damaged.items()
    }
    print(json.dumps(found))  # noqa: T201 its output


if __name__ == "__main__":
    main()
