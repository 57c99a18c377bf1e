"""What can become what: equal shapes, and the changes of shape that are known.

==========================  ====================================================
change                      where it is met
==========================  ====================================================
lengths of 1 come or go     a 1x1 convolution and a dense layer
axes joined or parted       attention heads: ``[d, d]`` and ``[d, heads, d/heads]``;
                            a convolution over all that is there and a dense layer
two axes exchanged          ``output_weights [classes, d]`` and a dense kernel
==========================  ====================================================
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tf_ckpt_migrate.conversion.suggestion.items import Form
from tf_ckpt_migrate.transforms import Reshape, Transform, Transpose

__all__ = ["EQUAL", "TRANSPOSED", "Fit", "fit_of"]

TRANSPOSED = 0.5  # what it costs, more than any other change


class Fit(NamedTuple):
    """How one form becomes another.

    Attributes:
      transform: What is done; None for equal forms.
      cost: How much that speaks against it.
      why: The same in words.
    """

    transform: Transform | None
    cost: float
    why: str


EQUAL = Fit(None, 0.0, "equal shape")


def fit_of(source: Form, target: Form) -> Fit | None:
    """Return how ``source`` becomes ``target``; None if in no way that is known.

    Example:
      >>> fit_of(Form("float32", (1, 1, 8, 3)), Form("float32", (8, 3))).transform
      Reshape(shape=(8, 3))
      >>> fit_of(Form("float32", (2, 8)), Form("float32", (8, 2))).transform
      Transpose(perm=(1, 0))
    """
    if source == target:
        return EQUAL
    if source.native is not None or target.native is not None:
        same = source[:2] == target[:2] and None not in (source.native, target.native)
        return Fit(None, 0.0, f"both are {source}") if same else None
    a, b = source.shape, target.shape
    if source.kind != target.kind or math.prod(a) != math.prod(b):
        return None
    lengths = [tuple(n for n in shape if n != 1) for shape in (a, b)]
    if lengths[0] == lengths[1]:
        return Fit(Reshape(b), 0.3, "equal shape but for lengths of 1")
    if _merges(*lengths) or _merges(*reversed(lengths)):
        return Fit(Reshape(b), 0.2, "equal shape but for axes joined")
    if len(a) == 2 and a == b[::-1]:
        return Fit(Transpose((1, 0)), TRANSPOSED, "transposed")
    return None


def _merges(many: tuple[int, ...], few: tuple[int, ...]) -> bool:
    """Return whether joining neighbours among ``many`` axes gives ``few``."""
    left = list(many)
    for length in few:
        joined = 1
        while left and joined < length:
            joined *= left.pop(0)
        if joined != length:
            return False
    return not left and len(few) < len(many)
