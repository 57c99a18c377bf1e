"""How long work tells how far it has come: a function of bytes done and of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Meter", "Progress", "unheard"]

Progress: TypeAlias = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """Tell nobody: what is called where no one asked."""
    del done, total


class Meter:
    """Adds up what is done of a total.

    Args:
      report: Whom to tell; None for nobody.

    Attributes:
      total: How much there is to do, as far as it is known.

    Example:
      >>> meter = Meter(lambda done, total: print(f"{done} of {total}"))
      >>> meter.total = 20
      >>> meter.advance(15)
      15 of 20
    """

    def __init__(self, report: Progress | None = None) -> None:
        """Begin at nothing."""
        self.total = 0
        self._done = 0
        self._report = report or unheard

    def advance(self, size: int) -> None:
        """Tell that so much more is done."""
        self._done += size
        self._report(self._done, max(self._done, self.total))
