"""Lets real TensorFlow 1.15 restore checkpoints."""

import json
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("tf1_restores.py")


def restored_by_tf1(python, jobs, folder):
    """Return the values, in hexadecimal and by name, that each job restores.

    Args:
      python: An interpreter with TensorFlow 1.15: the fixture ``tf1_python``.
      jobs: As ``tf1_restores.py`` takes them.
      folder: Where to write.
    """
    path = folder / "jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    done = subprocess.run(
        [python, "-W", "ignore", str(SCRIPT), str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
