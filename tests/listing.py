"""Counts the entries of folders that are listed, each as often as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["Listed", "count_listed"]


class Listed:
    """What was listed.

    Attributes:
      entries: How many entries the listed folders have, in all.
    """

    def __init__(self, top: str) -> None:
        self.entries = 0
        self._top = top

    def add(self, folder: str) -> None:
        """Count a folder that is about to be listed, if it is below the top."""
        folder = os.path.abspath(folder)
        if folder.startswith(self._top) and os.path.isdir(folder):
            self.entries += len(os.listdir(folder))


_COUNTING: list[Listed] = []


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("os.listdir", "os.scandir") and _COUNTING:
        counting = _COUNTING.pop()  # not what is listed to count
        try:
            path = arguments[0]
            if path is None or isinstance(path, str | os.PathLike):
                counting.add(os.fspath(path or "."))
        finally:
            _COUNTING.append(counting)


@contextmanager
def count_listed(top: str | os.PathLike[str]) -> Generator[Listed]:
    """Count what is listed below a folder while the context lasts."""
    if not hasattr(count_listed, "is_heard"):
        sys.addaudithook(_heard)  # there is no way to take one away
        count_listed.is_heard = True
    counting = Listed(os.path.abspath(top))
    _COUNTING.append(counting)
    try:
        yield counting
    finally:
        _COUNTING.remove(counting)
