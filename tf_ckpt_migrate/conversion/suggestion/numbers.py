r"""Numbers in names: which of two numberings means the same, offsets and all.

Names that differ in numbers only are a series: ``layer_(0…11)/w``. Between two series
each position of one is aligned with one of the other, in order, so that the values of
both cover each other: ``block1/unit_2/conv3`` and ``conv2_block2_3_conv``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_ckpt_migrate.conversion.suggestion.linear import Floats

__all__ = ["agreement_of_numbers", "series_name"]

_NUMBER = re.compile(r"(?<![\dx])\d+(?!\d*x\d)")
_MOST_POSITIONS = 6
_MOST_PAIRS = 20_000  # of series; what is beyond has a handful of members


class _Series(NamedTuple):
    members: list[int]
    values: list[list[int]]  # of each position that varies: the value of each member


def agreement_of_numbers(
    sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], fits: Floats
) -> Floats:
    """Return for every pair how its numbers agree: 1 all, -1 none, 0 nothing known.

    Args:
      sources: The names of each source.
      targets: The names of each target.
      fits: 1 where a source can become a target.
    """
    found = np.zeros(fits.shape)
    seen = np.zeros(fits.shape, bool)
    pairs = sorted(
        product(_series_of(sources), _series_of(targets)),
        key=lambda pair: -min(len(pair[0].members), len(pair[1].members)),
    )
    for pair in pairs[:_MOST_PAIRS]:
        a, b = _fitting(*pair, fits)
        if not a.values or not b.values:
            continue
        at = np.ix_(a.members, b.members)
        agreement = _agreement(a, b, fits[at])
        found[at] = np.where(seen[at], np.maximum(found[at], agreement), agreement)
        seen[at] = True
    return found


def series_name(name: str) -> str:
    """Return what names have in common that differ in numbers only.

    Example:
      >>> series_name("layer_11/conv_3x3/w")
      'layer_#/conv_3x3/w'
    """
    return _NUMBER.sub("#", name)


def _series_of(names: Sequence[Sequence[str]]) -> list[_Series]:
    groups: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    for item, each in enumerate(names):
        for name in each:
            numbers = [int(n[:18]) for n in _NUMBER.findall(name)]
            groups[series_name(name)].append((item, numbers))
    return [series for group in groups.values() for series in _varying(group)]


def _varying(group: Sequence[tuple[int, list[int]]]) -> Iterator[_Series]:
    columns = zip(*(numbers for _, numbers in group), strict=True)
    values = [list(column) for column in columns if len(set(column)) > 1]
    if values:
        yield _Series([item for item, _ in group], values[:_MOST_POSITIONS])


def _fitting(a: _Series, b: _Series, fits: Floats) -> tuple[_Series, _Series]:
    """Return of two series the members that fit any of the other.

    Of ``Variable_0…7`` only every second one is a kernel.
    """
    found = fits[np.ix_(a.members, b.members)]
    return _kept(a, found.max(1) > 0), _kept(b, found.max(0) > 0)


def _kept(series: _Series, chosen: NDArray[np.bool_]) -> _Series:
    if chosen.all():
        return series
    members = [m for m, keep in zip(series.members, chosen, strict=True) if keep]
    values = [[v for v, keep in zip(column, chosen, strict=True) if keep]
              for column in series.values]  # fmt: skip
    return _Series(members, [column for column in values if len(set(column)) > 1])


def _agreement(a: _Series, b: _Series, fits: Floats) -> Floats:
    """Return the agreement of two series under the alignment that explains most."""
    equal = {
        (p, q): _equal(a.values[p], b.values[q])
        for p, q in product(range(len(a.values)), range(len(b.values)))
    }
    worth = {
        pair: cover + float((same * fits).sum() / fits.sum())
        for pair, (same, cover) in equal.items()
    }
    best = max(
        _alignments(len(a.values), len(b.values)),
        key=lambda alignment: sum(worth[pair] for pair in alignment),
    )
    # Of numberings that hardly cover each other, an equal number says hardly anything.
    terms = ((2 * equal[pair][0] - 1) * equal[pair][1] for pair in best)
    total = sum(terms, np.zeros(fits.shape))
    return total / max(len(a.values), len(b.values))


def _alignments(a: int, b: int) -> Iterator[list[tuple[int, int]]]:
    few, many = min(a, b), max(a, b)
    for chosen in combinations(range(many), few):
        pairs = list(zip(range(few), chosen, strict=True))
        yield pairs if a <= b else [(p, q) for q, p in pairs]


def _equal(a: Sequence[int], b: Sequence[int]) -> tuple[Floats, float]:
    """Return which values mean the same, and how well the sets cover each other."""
    ours, theirs = sorted(set(a)), sorted(set(b))
    if len(ours) == len(theirs):
        means = dict(zip(ours, theirs, strict=True))
        cover = 1.0
    else:
        offset, common = _offset(ours, set(theirs))
        means = {value: value + offset for value in ours}
        cover = common / max(len(ours), len(theirs))
    left = np.array([means[value] for value in a], np.int64)
    right = np.array(b, np.int64)
    return (left[:, None] == right[None, :]).astype(np.float64), cover


def _offset(ours: Sequence[int], theirs: Iterable[int]) -> tuple[int, int]:
    wanted = set(theirs)
    offsets = {ours[0] - ours[0], min(wanted) - ours[0], max(wanted) - ours[-1]}
    found = [(sum(v + d in wanted for v in ours), -abs(d), d) for d in offsets]
    common, _, offset = max(found)
    return offset, common
