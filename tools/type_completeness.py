"""Check that every public name of the package has a type that checkers know.

``pyright --verifytypes`` must find none without, save for classes that extend
TensorFlow's: it ships no types, so theirs cannot be whole.

::

    python tools/type_completeness.py  # in the environment `lint`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "tf_ckpt_migrate"
# What extends a class of TensorFlow's, and who takes or has one of these.
OF_TENSORFLOW = {
    "Checkpoint",
    "DualCheckpoint",
    "DualCheckpointListener",
    "DualCheckpointSaverHook",
    "DualModelCheckpoint",
    "DualModelCheckpoint.__init__",
    "DualModelCheckpoint.checkpoint",
    "DualSaver",
    "MismatchError",
    "MissingTensorError",
    "Saver",
}


def main() -> int:
    """Print every name without a known type; return the exit status."""
    unknown = {
        symbol["name"]: [found["message"] for found in symbol["diagnostics"]]
        for symbol in symbols()
        if symbol["isExported"]
        and (symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"])
        and not is_of_tensorflow(symbol["name"])
    }
    for name, messages in unknown.items():
        print(name, *messages, sep="\n  ")
    return 1 if unknown else 0


def symbols() -> list[dict[str, Any]]:
    """Return what pyright says of every name."""
    command = ["pyright", "--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"]
    # It asks the interpreter where packages are; an editable one it does not find.
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    if not found:
        raise RuntimeError(f"pyright found no package {PACKAGE}: {done.stdout}")
    return found


def is_of_tensorflow(name: str) -> bool:
    """Whether a name is, or belongs to, a class that extends one of TensorFlow's.

    Example:
      >>> is_of_tensorflow("tf_ckpt_migrate.live.saver.Saver")
      True
      >>> is_of_tensorflow("tf_ckpt_migrate.live.saver.Saver.restore")
      False
    """
    parts = name.split(".")
    start = next((at for at, part in enumerate(parts) if part[0].isupper()), 0)
    return ".".join(parts[start:]) in OF_TENSORFLOW


if __name__ == "__main__":
    sys.exit(main())
