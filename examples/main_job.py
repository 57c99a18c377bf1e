"""The main job on real input, from nothing: installs the package and runs it.

::

    python3 examples/main_job.py

Needs Python 3.10 or later with pip; the package goes into ``.venvs/example``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.environments import ROOT, Environment, activated, virtual_environment

EXAMPLE = Environment("example", ("3.11", "3.12", "3.13", "3.10"), ("-e", "."))

# What a user would type, in the order of the job.
COMMANDS: tuple[str, ...] = (
    'python -c "import tf_ckpt_migrate; print(tf_ckpt_migrate.__version__)"',
)


def main() -> None:
    """Install the package and run every command, showing it first."""
    environment = activated(virtual_environment(EXAMPLE))
    for command in COMMANDS:
        print("$", command, flush=True)
        subprocess.run(command, shell=True, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
