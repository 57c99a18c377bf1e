"""Every public function reads or refuses a hostile checkpoint, with 1 GB of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fuzz.hostile_checkpoints import CHECKPOINTS, NAMES, named, wrong
from tf_ckpt_migrate.errors import CorruptCheckpointError
from tools.source_graph import ROOT

pytestmark = pytest.mark.once

RESERVED = [name for name in CHECKPOINTS if "_of_" in name]
GRAPHS = [name for name in CHECKPOINTS if name not in {*NAMES, *RESERVED}]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no limit holds")
@pytest.mark.parametrize("names", [[*NAMES], GRAPHS, RESERVED])
def test_hostile_checkpoints(names):
    assert names
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.hostile_checkpoints", *names],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads take addresses
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {}


def refuse(prefix, out):
    raise CorruptCheckpointError(prefix + out)


def fail(prefix, out):
    raise TypeError(prefix + out)


def test_what_is_wrong_is_seen():
    assert "TypeError" in wrong(fail, named("a"))
    assert wrong(refuse, named("a")) == ""
    assert wrong(lambda prefix, out: prefix + out, named("a")) == ""
