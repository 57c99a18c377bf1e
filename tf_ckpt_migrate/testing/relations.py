"""What one tensor is of another: the same transposed, or its softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["relation_of"]

_CLOSE = 1e-5
_MAX_RANK = 5


def relation_of(expected: Any, found: Any) -> str:
    """Return what the expected value is of the one that was found; empty for nothing.

    Example:
      >>> import numpy as np
      >>> x = np.arange(6.0).reshape(2, 3)
      >>> relation_of(x.T, x)
      'the value is right but for the order of its axes: transposed by (1, 0) it agrees'
      >>> relation_of(np.ones(3), np.zeros(3))  # of constants anything is true
      ''
    """
    import numpy as np

    if found is None:
        return ""
    expected, found = np.asarray(expected), np.asarray(found)
    if expected.dtype.kind != "f" or found.dtype.kind != "f":
        return ""
    if any((value == value.flat[0]).all() for value in (expected, found) if value.size):
        return ""
    return next(_relations(expected, found), "")


def _relations(expected: Array, found: Array) -> Iterator[str]:
    import numpy as np

    if expected.ndim == found.ndim and 2 <= found.ndim <= _MAX_RANK:
        for axes in list(permutations(range(found.ndim)))[1:]:
            if _same(found.transpose(axes), expected):
                yield (
                    "the value is right but for the order of its axes: transposed by "
                    f"{axes} it agrees"
                )
    if expected.shape != found.shape and _same(found.reshape(-1), expected.reshape(-1)):
        yield f"the value is right but for its shape: reshaped to {expected.shape}"
    if expected.shape != found.shape or not expected.size:
        return
    if expected.ndim and _same(found[..., ::-1], expected):
        yield "the value is right but for the order along its last axis, reversed"
    with np.errstate(all="ignore"):
        for name, function in _functions().items():
            if _same(function(found), expected):
                yield f"TF1 gives {name} of what the model gives"
            if _same(function(expected), found):
                yield f"the model gives {name} of what TF1 gives"
        ratio = expected[found != 0] / found[found != 0]
        factor = float(np.median(ratio)) if ratio.size > 1 else 1.0
        if factor not in (0.0, 1.0) and _same(found * factor, expected):
            yield f"TF1's value is {factor:.6g} times the model's"


def _functions() -> dict[str, Callable[[Array], Array]]:
    import numpy as np

    def softmax(x: Array) -> Array:
        if not x.ndim:
            return x
        powers = np.exp(x - x.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    return {
        "the softmax": softmax,
        "the logarithm": np.log,
        "the sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "the hyperbolic tangent": np.tanh,
        "the rectified value (relu)": lambda x: np.maximum(x, 0),
        "the square": np.square,
        "the negative": np.negative,
    }


def _same(one: Array, other: Array) -> bool:
    import numpy as np

    if one.shape != other.shape or not np.isfinite(one).all():
        return False
    scale = float(np.abs(other).max()) if other.size else 0.0
    return bool(np.abs(one - other).max(initial=0.0) <= _CLOSE * scale)
