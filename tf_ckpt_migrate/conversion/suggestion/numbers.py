r"""Numbers in names: which of two numberings means the same, offsets and all.

Names that differ in numbers only are a series: ``layer_(0…11)/w``. Between two series
each position of one is aligned with one of the other, in order, so that the values of
both cover each other: ``block1/unit_2/conv3`` and ``conv2_block2_3_conv``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbering", "numberings", "series_name"]

_Floats: TypeAlias = NDArray[np.float64]
_NUMBER = re.compile(r"(?<![\dx])\d+(?!\d*x\d)")
_MOST_POSITIONS = 6
_MOST_PAIRS = 20_000  # of series; what is beyond has a handful of members


class _Series(NamedTuple):
    members: list[int]
    values: list[list[int]]  # of each position that varies: the value of each member


class Numbering(NamedTuple):
    """Two series whose numbers are laid over each other.

    Attributes:
      ours: The members of the first.
      theirs: Those of the second.
      columns: Of each pair of positions: what the numbers of the first mean in the
        second, those of the second, and how well both cover each other.
      positions: How many positions the longer of both has.
    """

    ours: list[int]
    theirs: list[int]
    columns: list[tuple[list[int], list[int], float]]
    positions: int

    def agreement(self, rows: Sequence[int], columns: Sequence[int]) -> _Floats:
        """Return how numbers agree, from -1 to 1, of these members' places."""
        total = np.zeros((len(rows), len(columns)))
        for ours, theirs, cover in self.columns:
            left = np.array([ours[at] for at in rows], np.int64)
            right = np.array([theirs[at] for at in columns], np.int64)
            total += (2.0 * (left[:, None] == right[None, :]) - 1) * cover
        return total / self.positions

    def equal(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of members whose numbers all agree, if each has one."""
        if len(self.columns) < self.positions or any(c < 1 for *_, c in self.columns):
            return
        ours = [*zip(*(left for left, _, _ in self.columns), strict=True)]
        theirs = [*zip(*(right for _, right, _ in self.columns), strict=True)]
        if len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs):
            at = dict(zip(theirs, self.theirs, strict=True))
            for member, values in zip(self.ours, ours, strict=True):
                if values in at:
                    yield member, at[values]


def numberings(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    kinds: tuple[Sequence[Hashable], Sequence[Hashable]],
    fits: Collection[tuple[Hashable, Hashable]],
) -> list[Numbering]:
    """Return the series of both sides laid over each other, the longest first.

    Args:
      sources: The names of each source.
      targets: The names of each target.
      kinds: What decides whether a source can become a target, of each.
      fits: The pairs of kinds that can.
    """
    pairs = sorted(
        product(_series_of(sources), _series_of(targets)),
        key=lambda pair: -min(len(pair[0].members), len(pair[1].members)),
    )
    found: list[Numbering] = []
    for ours, theirs in pairs[:_MOST_PAIRS]:
        mine = {kinds[0][at] for at in ours.members}
        others = {kinds[1][at] for at in theirs.members}
        pairs_here = [(a, b) for a, b in fits if a in mine and b in others]
        a = _kept(ours, kinds[0], {a for a, _ in pairs_here})
        b = _kept(theirs, kinds[1], {b for _, b in pairs_here})
        if a.values and b.values:
            found.append(_aligned(a, b, kinds, pairs_here))
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


def _kept(
    series: _Series, kinds: Sequence[Hashable], fitting: set[Hashable]
) -> _Series:
    """Return the members of a series that fit any of the other.

    Of ``Variable_0…7`` only every second one is a kernel.
    """
    keep = [kinds[member] in fitting for member in series.members]
    if all(keep):
        return series
    members = [m for m, kept in zip(series.members, keep, strict=True) if kept]
    values = [[v for v, kept in zip(column, keep, strict=True) if kept]
              for column in series.values]  # fmt: skip
    return _Series(members, [column for column in values if len(set(column)) > 1])


def _aligned(
    a: _Series,
    b: _Series,
    kinds: tuple[Sequence[Hashable], Sequence[Hashable]],
    fits: Sequence[tuple[Hashable, Hashable]],
) -> Numbering:
    """Return two series under the alignment that explains most."""
    columns: dict[tuple[int, int], tuple[list[int], list[int], float]] = {}
    worth: dict[tuple[int, int], float] = {}
    of = [kinds[0][m] for m in a.members], [kinds[1][m] for m in b.members]
    for p, q in product(range(len(a.values)), range(len(b.values))):
        left, cover = _translated(a.values[p], b.values[q])
        columns[p, q] = left, b.values[q], cover
        worth[p, q] = cover + _share(left, b.values[q], of, fits)
    best = max(
        _alignments(len(a.values), len(b.values)),
        key=lambda alignment: sum(worth[pair] for pair in alignment),
    )
    chosen = [columns[pair] for pair in best]
    return Numbering(a.members, b.members, chosen, max(len(a.values), len(b.values)))


def _share(
    left: Sequence[int],
    right: Sequence[int],
    kinds: tuple[Sequence[Hashable], Sequence[Hashable]],
    fits: Sequence[tuple[Hashable, Hashable]],
) -> float:
    """Return the share of equal numbers among the pairs that can be."""
    ours: Mapping[Hashable, Counter[int]] = defaultdict(Counter)
    theirs: Mapping[Hashable, Counter[int]] = defaultdict(Counter)
    for value, kind in zip(left, kinds[0], strict=True):
        ours[kind][value] += 1
    for value, kind in zip(right, kinds[1], strict=True):
        theirs[kind][value] += 1
    equal = possible = 0
    for a, b in fits:
        equal += sum(n * theirs[b][value] for value, n in ours[a].items())
        possible += ours[a].total() * theirs[b].total()
    return equal / possible if possible else 0.0


def _alignments(a: int, b: int) -> Iterator[list[tuple[int, int]]]:
    few, many = min(a, b), max(a, b)
    for chosen in combinations(range(many), few):
        pairs = list(zip(range(few), chosen, strict=True))
        yield pairs if a <= b else [(p, q) for q, p in pairs]


def _translated(a: Sequence[int], b: Sequence[int]) -> tuple[list[int], float]:
    """Return what values of ``a`` mean in ``b``, and how well both cover each other."""
    ours, theirs = sorted(set(a)), sorted(set(b))
    if len(ours) == len(theirs):
        means = dict(zip(ours, theirs, strict=True))
        return [means[value] for value in a], 1.0
    offset, common = _offset(ours, set(theirs))
    return [value + offset for value in a], common / max(len(ours), len(theirs))


def _offset(ours: Sequence[int], theirs: Iterable[int]) -> tuple[int, int]:
    wanted = set(theirs)
    offsets = {0, min(wanted) - ours[0], max(wanted) - ours[-1]}
    found = [(sum(v + d in wanted for v in ours), -abs(d), d) for d in offsets]
    common, _, offset = max(found)
    return offset, common
