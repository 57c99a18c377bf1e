"""Keeps the garbage collector out of bulk work.

Planning and writing make several small objects for each key, and no reference cycles.
Each time their number has grown enough the collector looks through all objects of the
process; in one that has imported TensorFlow that takes longer than the work itself.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["without_collections"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def without_collections(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return ``function`` with automatic garbage collection off while it runs.

    Example:
      >>> @without_collections
      ... def collecting() -> bool:
      ...     return gc.isenabled()
      >>> collecting(), gc.isenabled()
      (False, True)
    """

    @functools.wraps(function)
    def quiet(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return quiet
