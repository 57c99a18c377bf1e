"""The main job on real input, from nothing: installs TensorFlow, then migrates a model.

::

    python3 examples/main_job.py

Needs Python 3.10 or later with pip. The environment is ``.venvs/tf-2.21``, which the
tests use too; the checkpoints are left in ``migrated/``, to be looked at.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from run_tests import TF_221
from tools.environments import ROOT, activated, virtual_environment

__all__ = ["COMMANDS", "FOLDER", "main"]

FOLDER = "migrated"

# What a user would type, in the order of the job.
COMMANDS: tuple[str, ...] = (
    f"python -m examples.migrate_tf1_model {FOLDER}",
    # The same from the shell, with every tensor: to TF2, back, and nothing differs.
    f"tf-ckpt-migrate inspect {FOLDER}/tf1 --tensors=none",
    f"tf-ckpt-migrate convert {FOLDER}/tf1 {FOLDER}/as_tf2 --to=tf2",
    f"tf-ckpt-migrate convert {FOLDER}/as_tf2 {FOLDER}/as_tf1 --to=tf1",
    f"tf-ckpt-migrate diff {FOLDER}/tf1 {FOLDER}/as_tf1",
)


def main() -> int:
    """Make the environment and run every command; return the last one's status."""
    environment = activated(virtual_environment(TF_221))
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    for command in COMMANDS:
        print("$", command, flush=True)
        # TensorFlow talks of devices on stderr; it is shown if the command fails.
        done = subprocess.run(
            command,
            shell=True,
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            sys.stderr.buffer.write(done.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
