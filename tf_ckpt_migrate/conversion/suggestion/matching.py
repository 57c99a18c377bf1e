"""The best whole: every source and target at most once, all scores together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_ckpt_migrate.conversion.suggestion.linear import Floats, assigned
from tf_ckpt_migrate.conversion.suggestion.scores import Evidence

__all__ = ["Pair", "best_pairs"]

_MOST = 20  # rivals that are named


class Pair(NamedTuple):
    """A source and the target chosen for it.

    Attributes:
      source: Its number.
      target: Its number.
      margin: What the whole would lose if this pair were given up for the next best.
      rivals: Other targets that are nearly as good, the best first; at most some.
      more: How many further ones there are.
    """

    source: int
    target: int
    margin: float
    rivals: tuple[int, ...]
    more: int = 0


def best_pairs(evidence: Evidence, doubt: float) -> list[Pair]:
    """Return the pairs of the best assignment.

    Args:
      evidence: What speaks for each pair.
      doubt: Targets that are worse by less than this are rivals.
    """
    found: list[Pair] = []
    for rows, columns in evidence.blocks:
        at = np.ix_(rows, columns)
        found += [
            Pair(rows[p.source], columns[p.target], p.margin,
                 tuple(columns[r] for r in p.rivals), p.more)
            for p in _solved(evidence.score[at], evidence.possible[at], doubt)
        ]  # fmt: skip
    return sorted(found)


def _solved(scores: Floats, possible: Floats, doubt: float) -> list[Pair]:
    # So bad that no sum of others makes up for it.
    worst = -1e3 * (1 + np.abs(scores).max())
    worth = np.where(possible > 0, scores, worst)
    pairs = [(a, b) for a, b in assigned(worth) if possible[a, b] > 0]
    losses = _losses(worth, pairs)
    free = sorted(set(range(worth.shape[0])) - {a for a, _ in pairs})
    found: list[Pair] = []
    for at, (a, b) in enumerate(pairs):
        others = [float(np.delete(losses[at], b).min(initial=np.inf))]
        others += [float(worth[a, b] - worth[other, b]) for other in free]
        rivals = np.flatnonzero(losses[at] < doubt)
        ordered = rivals[np.argsort(losses[at][rivals], kind="stable")]
        found.append(_pair(a, min(others), [b, *(int(c) for c in ordered if c != b)]))
    return found + _left_out(worth, pairs, free, doubt)


def _left_out(
    worth: Floats, pairs: list[tuple[int, int]], free: list[int], doubt: float
) -> list[Pair]:
    """Return the sources without a target that might as well have one that is taken."""
    found: list[Pair] = []
    for source in free:
        close = [b for a, b in pairs if worth[source, b] > worth[a, b] - doubt]
        if close:
            found.append(
                _pair(source, 0.0, sorted(close, key=lambda b: -worth[source, b]))
            )
    return found


def _pair(source: int, margin: float, targets: list[int]) -> Pair:
    first, *others = targets
    more = max(0, len(others) - _MOST)
    return Pair(source, first, margin, tuple(others[:_MOST]), more)


def _losses(worth: Floats, pairs: list[tuple[int, int]]) -> Floats:
    """Return what the sum loses if the source of each pair takes another target.

    Whose target that was takes the one that became free, or goes without.
    """
    rows = [a for a, _ in pairs]
    columns = [b for _, b in pairs]
    own = worth[rows, columns]
    owner = np.full(worth.shape[1], -1)
    owner[columns] = np.arange(len(pairs))
    losses = own[:, None] - worth[rows]  # as if the other target were free
    taken = np.flatnonzero(owner >= 0)
    theirs = owner[taken]
    swapped = worth[rows][:, columns]  # [p, q]: source of p at the target of q
    back = np.maximum(swapped.T[:, theirs], 0.0)  # their sources at the target of p
    losses[:, taken] += own[theirs][None, :] - back
    return losses
