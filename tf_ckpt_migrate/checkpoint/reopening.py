"""Begins again when another checkpoint is put in the place of the one being read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.errors import CheckpointError, CheckpointReplacedError

__all__ = ["reopening"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MOST = 10  # times; a writer that is faster than its readers is not waited for for ever


def reopening(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return ``function``, called again where a checkpoint that it reads was replaced.

    It must open its checkpoints itself, and have no effect before it has read them.

    Example:
      >>> states = iter([CheckpointReplacedError("open it again"), None])
      >>> @reopening
      ... def read(prefix: str) -> str:
      ...     if error := next(states):
      ...         raise error
      ...     return prefix
      >>> read("model.ckpt")
      'model.ckpt'
    """

    @functools.wraps(function)
    def read(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        is_open = any(isinstance(argument, CheckpointReader) for argument in args)
        for _ in range(0 if is_open else _MOST):
            try:
                return function(*args, **kwargs)
            except CheckpointReplacedError:
                continue
            except FileNotFoundError as error:
                # One of ours says that a file is missing; the system's, that it went
                # between two looks.
                if isinstance(error, CheckpointError):
                    raise
        return function(*args, **kwargs)

    return read
