"""Times ours and a peer in turn, so that both see the same machine."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Row", "Seconds", "at_least", "at_most", "curve", "in_turn"]

Seconds = list[float]
_Act = Callable[[], object]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
      what: What was measured.
      peer: The peer and its figure.
      ours: Our figure.
      comparison: How they compare, with the spread.
      goal: What is to be reached.
      met: Whether it is; None where nothing was measured.
      samples: All seconds that were measured, by whose they are; ours are ``ours``.
      curve: What grows, and the seconds by how much of it there is.
    """

    what: str
    peer: str
    ours: str
    comparison: str
    goal: str
    met: bool | None
    samples: Mapping[str, Seconds] = {}
    curve: tuple[str, Mapping[int, Seconds]] | None = None


def in_turn(*acts: _Act, prepare: _Act, repeats: int) -> list[Seconds]:
    """Return the seconds of every act: each once untimed, then all in turn.

    Args:
      acts: What to time.
      prepare: Called before each act, untimed.
      repeats: How often each is timed.
    """
    for act in acts:
        _timed(act, prepare)
    rounds = [[_timed(act, prepare) for act in acts] for _ in range(repeats)]
    return [list(seconds) for seconds in zip(*rounds, strict=True)]


def _timed(act: _Act, prepare: _Act) -> float:
    prepare()
    gc.collect()  # what the act before left is not this one's to pay for
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def at_least(goal: float, what: str, peer: str, seconds: Sequence[Seconds]) -> Row:
    """Return the row of what is to be faster than a peer, whose seconds come first."""
    theirs, ours = seconds
    times, spread = _ratio(theirs, ours)
    figures = f"{peer}: {_figure(theirs)}", _figure(ours)
    samples = {peer: theirs, "ours": ours}
    met = times >= goal
    return Row(what, *figures, f"{spread} faster", f"{goal:,g}x", met, samples)


def at_most(goal: float, what: str, peer: str, seconds: Sequence[Seconds]) -> Row:
    """Return the row of what is to take no longer than a peer, save for ``goal``."""
    theirs, ours = seconds
    times, spread = _ratio(ours, theirs)
    figures = f"{peer}: {_figure(theirs)}", _figure(ours)
    samples = {peer: theirs, "ours": ours}
    met = times <= goal
    return Row(what, *figures, f"{spread} the time", f"{goal:g}x", met, samples)


def curve(row: Row, of: str, seconds: Mapping[int, Seconds]) -> Row:
    """Return a row that also shows how time grows with something."""
    return row._replace(curve=(of, seconds))


def _ratio(above: Seconds, below: Seconds) -> tuple[float, str]:
    """Return the ratio of the medians, and a text with the spread of the rounds."""
    rounds = sorted(a / b for a, b in zip(above, below, strict=True))
    middle = statistics.median(above) / statistics.median(below)
    return middle, f"{_short(middle)}x ({_short(rounds[0])} to {_short(rounds[-1])})"


def _short(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}"


def _figure(seconds: Seconds) -> str:
    median = statistics.median(seconds)
    for unit, scale in (("s", 1), ("ms", 1e3)):
        if median * scale >= 1:
            return f"{median * scale:.3g} {unit}"
    return f"{median * 1e6:.3g} µs"
