"""The digest of a value, as the goldens' records hold it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = ["digest"]


def digest(value: Any) -> str:
    """Return the SHA-256 of a value.

    Of the bytes in C order, little-endian; of strings: for each element its length in
    8 bytes, little-endian, then its bytes.
    """
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        flat = [e.encode() if isinstance(e, str) else bytes(e) for e in array.flat]
        data = b"".join(len(e).to_bytes(8, "little") + e for e in flat)
    else:
        data = array.tobytes()
    return hashlib.sha256(data).hexdigest()
