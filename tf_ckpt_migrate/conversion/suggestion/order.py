"""The order of names as evidence, as far as it has proved itself.

Two lists are compared where the answer is known without them: at pairs whose form and
kind occur once on each side. If these come in the same order, the others will too: the
convolutions of Inception are numbered by creation in Keras, and named by their branch
in slim. Where they do not, as with names in disorder, order says nothing.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from tf_ckpt_migrate.conversion.suggestion.linear import Floats

__all__ = ["Order", "agreement_of_order", "natural"]

_PARTS = re.compile(r"(\d+)")
_ENOUGH = 9  # anchors; fewer may be in order by chance
_SAME_TRUST = 0.05
_CHANCE = 0.7  # of neighbours in order; half is what chance gives


class Order(NamedTuple):
    """What order says.

    Attributes:
      agreement: 1 where a pair has one place in both orders, less where it is off.
      trust: From 0 to 1, how well the orders agree where the answer is known.
    """

    agreement: Floats
    trust: float


def natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts names so that numbers count: ``w_2`` before ``w_10``.

    Example:
      >>> sorted(["w_10", "w_2"], key=natural)
      ['w_2', 'w_10']
    """
    parts = _PARTS.split(name)
    return [(int(p[:18]), p) if at % 2 else (0, p) for at, p in enumerate(parts)]


def agreement_of_order(
    names: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]],
    forms: tuple[Sequence[object], Sequence[object]],
    kinds: tuple[Sequence[str], Sequence[str]],
) -> Order:
    """Return what the best pair of orders says.

    Args:
      names: The names of each source, and of each target.
      forms: Their forms, by number or otherwise.
      kinds: What each is to its layer.
    """
    what = [list(zip(forms[side], kinds[side], strict=True)) for side in (0, 1)]
    anchors = _anchors(what[0], what[1])
    groups = [_members(of) for of in kinds]
    common = [(groups[0][k], groups[1][k]) for k in groups[0] if k in groups[1]]
    best = Order(np.zeros((len(kinds[0]), len(kinds[1]))), 0.0)
    most = 0
    for ours, theirs in product(*map(_orders, names)):
        trust = _trust(ours, theirs, anchors)
        if not trust or trust < best.trust - _SAME_TRUST:
            continue
        agreement = np.zeros(best.agreement.shape)
        aligned = 0
        for mine, other in common:
            rows = sorted(mine, key=ours.__getitem__)
            columns = sorted(other, key=theirs.__getitem__)
            found = _aligned(
                [forms[0][i] for i in rows], [forms[1][j] for j in columns]
            )
            aligned += len(found)
            _note(agreement, found, rows, columns, forms[1])
        if aligned > most:
            best, most = Order(agreement, trust), aligned
    return best


def _anchors(ours: Sequence[object], theirs: Sequence[object]) -> list[tuple[int, int]]:
    """Return the pairs that alone on both sides are what they are."""
    sides = _members(ours), _members(theirs)
    return [
        (rows[0], sides[1][what][0])
        for what, rows in sides[0].items()
        if len(rows) == len(sides[1].get(what, ())) == 1
    ]


def _members(groups: Sequence[object]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for item, group in enumerate(groups):
        found[group].append(item)
    return found


def _orders(names: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the place of every item: by its last name, and by its first."""
    return [_places([each[which] for each in names]) for which in (-1, 0)]


def _places(names: Sequence[str]) -> list[int]:
    ordered = sorted(range(len(names)), key=lambda item: natural(names[item]))
    places = [0] * len(names)
    for place, item in enumerate(ordered):
        places[item] = place
    return places


def _trust(
    ours: Sequence[int], theirs: Sequence[int], anchors: Sequence[tuple[int, int]]
) -> float:
    if len(anchors) < 3:
        return 0.0
    found = [theirs[b] for _, b in sorted(anchors, key=lambda pair: ours[pair[0]])]
    neighbours = list(pairwise(found))
    share = sum(a < b for a, b in neighbours) / len(neighbours)
    enough = min(1.0, len(neighbours) / _ENOUGH)
    return max(0.0, (share - _CHANCE) / (1 - _CHANCE)) * enough


def _aligned(ours: Sequence[object], theirs: Sequence[object]) -> list[tuple[int, int]]:
    """Return a longest sequence of equals that both have in this order."""
    numbers = {each: n for n, each in enumerate(dict.fromkeys((*ours, *theirs)))}
    wanted = np.array([numbers[each] for each in theirs])
    table = np.zeros((len(ours) + 1, len(theirs) + 1), np.int32)
    for row, each in enumerate(ours, 1):
        equal = wanted == numbers[each]
        step = np.maximum(table[row - 1, 1:], table[row - 1, :-1] + equal)
        table[row, 1:] = np.maximum.accumulate(step)
    found: list[tuple[int, int]] = []
    i, j = len(ours), len(theirs)
    while i and j:
        if ours[i - 1] == theirs[j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif table[i - 1, j] >= table[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def _note(
    agreement: Floats,
    aligned: Sequence[tuple[int, int]],
    rows: Sequence[int],
    columns: Sequence[int],
    forms: Sequence[object],
) -> None:
    """Write down how near every target of the same form is to the aligned one."""
    peers: dict[object, list[int]] = defaultdict(list)
    for place, column in enumerate(columns):
        peers[forms[column]].append(place)
    ranks = {place: rank for each in peers.values() for rank, place in enumerate(each)}
    for i, j in aligned:
        for place in peers[forms[columns[j]]]:
            distance = abs(ranks[place] - ranks[j])
            agreement[rows[i], columns[place]] = math.exp(-distance)
