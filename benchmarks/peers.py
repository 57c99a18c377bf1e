"""Other projects' converters, beside ours, in the environment that they need.

They want TensorFlow 2.15, and one of them more than a machine should be asked for, of
which a module is enough. So they have an environment of their own, made once::

    uv venv --python 3.11 .venvs/peers
    uv pip install --python .venvs/peers/bin/python -e . "tensorflow-cpu==2.15.*" \
        tf_slim keras-bert "setuptools<81"
    uv pip install --python .venvs/peers/bin/python --no-deps tf-models-official==2.15.0

A peer that is not there is named as absent.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

from benchmarks import fresh
from benchmarks.sizes import Sizes
from benchmarks.timing import Row, at_least

__all__ = ["INTERPRETER", "peers"]

INTERPRETER = "TF_CKPT_MIGRATE_PEERS_PYTHON"  # the environment variable

# What runs, and the peer's name.
_PEERS = {
    "tf_slim": "tf_slim.assign_from_checkpoint",
    "keras_bert": "keras-bert",
    "models": "tensorflow/models' converter",
}


def peers(folder: str, sizes: Sizes) -> Iterator[Row]:
    """Each peer at what it is for."""
    interpreter = os.environ.get(
        INTERPRETER, str(fresh.ROOT / ".venvs/peers/bin/python")
    )
    for which, peer in _PEERS.items():
        found = _measured(interpreter, which, folder, sizes)
        if "absent" in found:
            yield Row(peer, "absent", "", found["absent"], "", None)
            continue
        goal = found["goal"]
        yield at_least(goal, found["what"], peer, [found["theirs"], found["ours"]])


def _measured(interpreter: str, which: str, folder: str, sizes: Sizes) -> dict:
    if not os.path.exists(interpreter):
        return {"absent": f"no {interpreter}; {__name__} says how to make it"}
    arguments = map(str, (folder, sizes.nbytes, sizes.tensors, min(3, sizes.repeats)))
    done = subprocess.run(
        [interpreter, "-m", "benchmarks.peer_acts", which, *arguments],
        env=fresh.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"absent": done.stderr.strip().splitlines()[-1][:100]}
    return json.loads(done.stdout.splitlines()[-1])
