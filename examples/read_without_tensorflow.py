"""A checkpoint of TensorFlow is read, checked and searched where TensorFlow is not.

::

    python -m examples.read_without_tensorflow [CHECKPOINT]

Takes a prefix, a folder of checkpoints or a SavedModel. Given none, it reads one of
TensorFlow 1.15 that comes with the tests.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

import tf_ckpt_migrate as tcm
from examples.story import check, tell

__all__ = ["main"]

EXAMPLE = Path(__file__).parents[1] / "tests/goldens/tf1_15/optimizer_adam/model.ckpt"


def main(path: str) -> None:
    """Say what is in it."""
    reader = tcm.load_checkpoint(path)
    tell("What is in it:", tcm.inspect_checkpoint(path))
    tell("Every byte against its checksum:", tcm.verify_checkpoint(path))
    floats = [name for name in reader if np.issubdtype(reader[name].dtype, np.floating)]
    largest = max(floats, key=lambda name: float(np.max(np.abs(reader[name]))))
    value = reader[largest]
    tell(f"The largest value is in {largest!r}, an array of NumPy:", value)
    broken = [name for name in floats if not np.all(np.isfinite(reader[name]))]
    print(f"not finite: {', '.join(broken) or 'nothing'}")
    check("tensorflow" not in sys.modules, "all of it without TensorFlow")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.relpath(EXAMPLE))
