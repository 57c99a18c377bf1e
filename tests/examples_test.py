"""The main job of the README runs, in the environment that the tests run in."""

import subprocess
import sys
from pathlib import Path

import pytest

from examples.main_job import COMMANDS
from tools.environments import ROOT, activated


@pytest.mark.parametrize("command", COMMANDS)
def test_main_job(command):
    env = activated(Path(sys.executable))
    subprocess.run(command, shell=True, cwd=ROOT, env=env, check=True)
