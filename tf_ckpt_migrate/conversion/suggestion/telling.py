"""Whether something tells a pair apart from every other that could stand in its place.

Two pairs of one form could be exchanged. What speaks against the exchange is told by
each kind of evidence on its own: words that only one of the two has, on both sides
(``attention`` of ``attention/output/LayerNorm`` and ``output/LayerNorm``); numbers that
agree; layers of which only one has the right parts. A pair holds if something speaks
for it and nothing for the exchange, with every other pair and with all that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_ckpt_migrate.conversion.suggestion.linear import Floats
from tf_ckpt_migrate.conversion.suggestion.scores import Evidence

__all__ = ["Doubts", "doubts_of"]

_AGREE = 0.3  # what numbers must come to, to count
_BETTER = 0.1  # by how much a kind of evidence prefers one to the other


class Doubts(NamedTuple):
    """What could stand in the place of a pair.

    Attributes:
      targets: Other targets: first those that nothing tells from its own.
      any: Whether there are such, or another source for its target.
    """

    targets: tuple[int, ...]
    any: bool


def doubts_of(
    evidence: Evidence, pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Doubts]:
    """Return by pair what nothing tells apart from it."""
    found: dict[tuple[int, int], Doubts] = {}
    targets = dict(pairs)
    for rows, columns in evidence.blocks:
        own = [(row, targets[row]) for row in rows if row in targets]
        taken = {target for _, target in own}
        others = [(row, -1) for row in rows if row not in targets]
        others += [(-1, column) for column in columns if column not in taken]
        doubt = _untold(evidence, own, [*own, *others])
        for at, pair in enumerate(own):
            rivals = [[*own, *others][q] for q in np.flatnonzero(doubt[at])]
            ends = [target for _, target in rivals if target >= 0]
            # If it is not this one, what seemed told apart may be wrong as well.
            ends += map(int, np.flatnonzero(evidence.possible[pair[0]]))
            ordered = dict.fromkeys(end for end in ends if end != pair[1])
            found[pair] = Doubts(tuple(ordered), bool(rivals))
    return found


def _untold(
    evidence: Evidence,
    own: Sequence[tuple[int, int]],
    rivals: Sequence[tuple[int, int]],
) -> NDArray[np.bool_]:
    """Return for each pair which rivals could take its place, for all one knows."""
    speaks = np.zeros((len(own), len(rivals)), bool)
    against = np.zeros(speaks.shape, bool)
    straight, crossed = _exchanged(evidence.numbers, own, rivals, nothing=0.0)
    # Of numberings that hardly agree a little more or less says nothing.
    agree = np.array([evidence.numbers[pair] > _AGREE for pair in own], bool)
    speaks |= (straight > crossed + _BETTER) & agree[:, None]
    against |= crossed > straight + _BETTER
    for values in (evidence.layers, evidence.kinds, evidence.bytes_):
        straight, crossed = _exchanged(values, own, rivals, nothing=0.0)
        speaks |= straight > crossed + _BETTER
        against |= crossed > straight + _BETTER
    straight, crossed = _words(evidence.has_words, own, rivals)
    speaks |= (straight > 0) & (crossed == 0)
    against |= (crossed > 0) & (straight == 0)
    possible = evidence.possible
    there = _taken(possible, own, rivals, nothing=1.0)
    back = _taken(possible, rivals, own, nothing=1.0).T
    could = (there > 0) & (back > 0)
    could[np.arange(len(own)), np.arange(len(own))] = False
    return could & (against | ~speaks)


def _taken(
    values: Floats,
    ours: Sequence[tuple[int, int]],
    theirs: Sequence[tuple[int, int]],
    nothing: float,
) -> Floats:
    """Return the values of the sources of some pairs with the targets of others."""
    padded = np.pad(values, ((0, 1), (0, 1)), constant_values=nothing)
    return padded[np.ix_([row for row, _ in ours], [column for _, column in theirs])]


def _exchanged(
    values: Floats,
    own: Sequence[tuple[int, int]],
    rivals: Sequence[tuple[int, int]],
    nothing: float,
) -> tuple[Floats, Floats]:
    """Return what two pairs come to as they are, and with their targets exchanged."""
    padded = np.pad(values, ((0, 1), (0, 1)), constant_values=nothing)
    kept = [np.array([padded[pair] for pair in each]) for each in (own, rivals)]
    straight = (
        kept[0][:, None] + kept[1][None, :] if own else np.zeros((0, len(rivals)))
    )
    there = _taken(values, own, rivals, nothing)
    return straight, there + _taken(values, rivals, own, nothing).T


def _words(
    has_words: tuple[Floats, Floats],
    own: Sequence[tuple[int, int]],
    rivals: Sequence[tuple[int, int]],
) -> tuple[Floats, Floats]:
    """Return how many words that only one of two pairs has speak for each reading."""
    ours, theirs = (np.pad(each, ((0, 1), (0, 0))) for each in has_words)
    a, b = (ours[[row for row, _ in each]] for each in (own, rivals))
    c, d = (theirs[[column for _, column in each]] for each in (own, rivals))
    straight = (a * c) @ ((1 - b) * (1 - d)).T + ((1 - a) * (1 - c)) @ (b * d).T
    crossed = (a * (1 - c)) @ ((1 - b) * d).T + ((1 - a) * c) @ (b * (1 - d)).T
    return straight, crossed
