"""A far file system that counts, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tf_ckpt_migrate.storage import access

__all__ = ["Counting", "counted_system"]

WRITING = ("create", "put", "move", "copy", "remove", "make_folder", "remove_folder")


class Counting:
    """Passes on what is asked of it, and keeps a list of it.

    Args:
      system: Another system.

    Attributes:
      calls: Every call: its name and path.
      read_bytes: By path, how many bytes were fetched.
      fails: Says of a call, by its number, name and path, whether it is to fail.
      error: How it fails then.
    """

    def __init__(self, system: Any) -> None:
        self._system = system
        self.calls: list[tuple[str, str]] = []
        self.read_bytes: dict[str, int] = {}
        self.error: Exception = RuntimeError("the server has gone away")
        self.fails: Callable[[int, str, str], bool] = lambda *_: False

    def __getattr__(self, name: str) -> Any:
        def call(path: str, *rest: Any) -> Any:
            self.calls.append((name, path))
            if self.fails(len(self.calls), name, path):
                raise self.error
            found = getattr(self._system, name)(path, *rest)
            if name == "read":
                self.read_bytes[path] = self.read_bytes.get(path, 0) + len(found)
            return found

        return call


def counted_system(path: str, monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Let what is behind a path be counted for the rest of a test."""
    counting = Counting(access.system_of(path))
    monkeypatch.setattr(access, "_system", lambda _: counting)
    return counting
