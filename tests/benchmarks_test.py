"""The benchmarks run and print every row; what they measure here says nothing."""

import json
import subprocess
import sys

import pytest

from tools.environments import ROOT


@pytest.mark.tf
def test_every_row_is_printed(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick"]
    done = subprocess.run(
        [*command, f"--json={report}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(report.read_text())["rows"]
    measured = [row["what"].split(",")[0] for row in rows]
    assert measured == [
        "TF1 to TF2",
        "its peak memory",
        "its reads; data shards opened",
        "TF2 to TF1",
        "TF1 to TF2",
        "time per key",
        "TF1 to TF2",
        "inspect 20 keys",
        "read and check all of 0.001 GB",
        'convert with data="copy"',
        "compact",
        "restore 0.001 GB",
        "restore 0.001 GB",
        "its peak memory",
        "restore 200 variables of 400 B",
        "plan 200 names against as many",
        *["save 0.001 GB"] * 3,
        "its disk",
        *["300 steps of Keras' fit"] * 2,
        *["suggest a map"] * 2,
    ]
    assert all(row["what"] in done.stdout for row in rows)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
