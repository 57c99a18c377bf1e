"""How the examples tell what they do: headlines, and claims that are checked."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable

import numpy as np

__all__ = ["apart", "check", "run", "tell"]


def tell(headline: str, value: object = "") -> None:
    """Print a headline, and below it whatever prints itself."""
    print(headline)
    for line in filter(None, str(value).splitlines()):
        print(f"  {line}")


def check(holds: object, claim: str) -> None:
    """Print a claim that holds; stop at one that does not."""
    if not holds:
        sys.exit(f"this should hold, and does not: {claim}")
    print(f"  checked: {claim}")


def apart(one: object, other: object) -> float:
    """Return the largest difference between two arrays."""
    return float(np.max(np.abs(np.asarray(one) - np.asarray(other))))


def run(main: Callable[[str], None]) -> None:
    """Call a program with the folder of the command line, or a temporary one."""
    if len(sys.argv) > 1:
        os.makedirs(sys.argv[1], exist_ok=True)
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(folder)
