"""The benchmarks run and print every row; what they measure here says nothing."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tools.environments import ROOT

pytestmark = pytest.mark.once


@pytest.mark.tf
def test_every_row_is_printed(tmp_path):
    report, picture = tmp_path / "report.json", tmp_path / "chart.svg"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick"]
    done = subprocess.run(
        [*command, f"--json={report}", f"--svg={picture}"],
        cwd=tmp_path,
        env={**os.environ, "TF_CKPT_MIGRATE_PEERS_PYTHON": "nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text("utf-8"))
    assert {"machine", "versions", "sizes"} < found.keys()
    rows = found["rows"]
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
        "inspect 100 keys",
        "plan 100 keys",
        "diff 100 keys",
        "verify 100 keys",
        "TF1 to TF2",
        "verify 0.001 GB",
        "diff 0.001 GB",
        "tf_slim.assign_from_checkpoint",
        "keras-bert",
        "tensorflow/models' converter",
    ]
    absent = [row["what"] for row in rows if row["peer"] == "absent"]
    assert absent == measured[-3:]
    assert all(row["met"] is None for row in rows[-3:])
    raw = [row["samples"]["ours"] for row in rows if row["samples"]]
    assert len(raw) > 20
    assert all(min(seconds) > 0 for seconds in raw)
    assert [row["curve"][0] for row in rows if row["curve"]] == [
        "keys",
        "bytes",
        "shards",
    ]
    drawn = ElementTree.fromstring(picture.read_text("utf-8"))
    assert len(drawn.findall("{*}rect")) > 15
    assert len(drawn.findall("{*}polyline")) == 3
    assert all(row["what"] in done.stdout for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "chart.svg",
        "report.json",
    ]
