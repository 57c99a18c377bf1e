"""Every damaged file of the collection is refused by an error of ours, or read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.findings import FINDINGS
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
MOST = 64 << 20
ALL = [(target, name) for target, found in FINDINGS.items() for name in found]


def test_every_target_has_findings():
    assert list(FINDINGS) == list(TARGETS)


@pytest.mark.parametrize(("target", "name"), ALL)
def test_a_finding(tmp_path, target, name):
    TARGETS[target].read(FINDINGS[target][name], tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_no_small_file_takes_much_memory():
    small = {
        f"{target}/{name}"
        for target, name in ALL
        if len(FINDINGS[target][name]) <= 10_240  # YAML of 1 KB is not deep enough
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.memory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # for what would never end
    )
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert small < taken.keys()
    assert {name: taken[name] for name in small if taken[name] > MOST} == {}
