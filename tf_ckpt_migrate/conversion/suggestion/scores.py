"""How well every source goes with every target, by all that is known of both."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tf_ckpt_migrate.conversion.suggestion.context import Context
from tf_ckpt_migrate.conversion.suggestion.fits import TRANSPOSED, Fit, fit_of
from tf_ckpt_migrate.conversion.suggestion.items import Form, Item, numbered
from tf_ckpt_migrate.conversion.suggestion.linear import Floats, sparse
from tf_ckpt_migrate.conversion.suggestion.numbers import agreement_of_numbers
from tf_ckpt_migrate.conversion.suggestion.order import agreement_of_order
from tf_ckpt_migrate.conversion.suggestion.words import KINDS, kind_of, words_of

__all__ = ["Evidence", "evidence_of"]

# What a kind of evidence weighs; all are between -1 or 0, and 1.
_WORDS, _NUMBERS, _ORDER, _CONTEXT, _SAME_BYTES = 1.0, 1.0, 1.0, 2.0, 10.0
_SAME_KIND, _OTHER_KIND, _NEARLY = 0.3, -2.0, -0.3
_NEAR_KINDS = ({"bias", "beta"}, {"kernel", "embedding"}, {"kernel", "gamma"})
_WITH_KINDS = {"moving"}  # of mean and variance
# Each round listens more to what the one before found.
_ROUNDS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass
class Evidence:
    """What speaks for each pair: rows are sources, columns targets.

    Attributes:
      fits: By the two forms, how one becomes the other.
      possible: 1 where it can.
      blocks: Groups of sources and targets, none of which fits outside.
      kinds: Whether both are called the same to their layer: positive if so, negative
        if they are called differently.
      words: How much they have in common that others do not.
      numbers: How far their numbers agree.
      order: How near they are in the order of names, as far as that is to be trusted.
      bytes_: 1 where both have the same bytes, and no other has.
      own: What a pair has by itself: all of the above.
      surroundings: What gives the next.
      context: How alike the surroundings are.
      score: All of this together.
    """

    fits: Mapping[tuple[Form, Form], Fit]
    possible: Floats
    blocks: Sequence[tuple[list[int], list[int]]]
    kinds: Floats
    words: Floats
    numbers: Floats
    order: Floats
    bytes_: Floats
    own: Floats
    surroundings: Context
    context: Floats
    score: Floats

    def settle(self) -> None:
        """Work out scores and surroundings in turn, each from the other."""
        self.score = np.round(self.own, 6)
        for sharpness in _ROUNDS:
            likely = np.zeros(self.score.shape)
            for rows, columns in self.blocks:
                at = np.ix_(rows, columns)
                likely[at] = _likely(self.score[at], self.possible[at], sharpness)
            self.context = np.minimum(self.surroundings.of(likely), 1.0)
            # Rounded, so that what cannot be told apart stays so.
            self.score = np.round(self.own + _CONTEXT * self.context, 6)

    def nudged(self, by: Floats) -> Evidence:
        """Return the evidence if ``by`` were known of the pairs besides."""
        found = replace(self, own=self.own + by)
        found.settle()
        return found


def evidence_of(
    sources: Sequence[Item], targets: Sequence[Item], same_bytes: Floats
) -> Evidence:
    """Return what speaks for each pair.

    Args:
      sources: What there is to take.
      targets: What there is to fill.
      same_bytes: 1 where a pair is known to have the same bytes.
    """
    names = _names(sources), _names(targets)
    words = _words_of(names[0]), _words_of(names[1])
    kinds = [*map(_kind, words[0])], [*map(_kind, words[1])]
    fits, possible, costs = _fits(sources, targets)
    forms = [i.form for i in sources], [i.form for i in targets]
    order = agreement_of_order(names, forms, kinds)
    # What fits only when transposed is seldom what a series is about.
    agreeing = agreement_of_numbers(*names, possible * (costs < TRANSPOSED))
    alike, common = _kinds(*kinds), _words(*words)
    trusted = order.agreement * order.trust
    own = alike + _WORDS * common + _NUMBERS * agreeing + _ORDER * trusted
    own += _SAME_BYTES * same_bytes - costs
    nothing = np.zeros(possible.shape)
    around = Context(*words)
    found = Evidence(
        fits, possible, [*_blocks(possible)],
        alike, common, agreeing, trusted, same_bytes,
        own, around, nothing, nothing,
    )  # fmt: skip
    found.settle()
    return found


def _blocks(possible: Floats) -> Iterator[tuple[list[int], list[int]]]:
    left = set(range(possible.shape[0]))
    while left:
        rows, columns = {left.pop()}, set[int]()
        while True:
            reached = set(map(int, np.flatnonzero(possible[list(rows)].any(0))))
            if reached == columns:
                break
            columns = reached
            back = possible[:, list(columns)].any(1)
            rows |= set(map(int, np.flatnonzero(back)))
        left -= rows
        if columns:
            yield sorted(rows), sorted(columns)


def _likely(score: Floats, possible: Floats, sharpness: float) -> Floats:
    """Return how likely each pair is among all of its source and of its target."""
    worth = np.where(possible > 0, score * sharpness, -np.inf)
    shares: list[Floats] = []
    for axis in (0, 1):
        top = np.max(worth, axis=axis, keepdims=True, initial=-1e300)
        rising = np.exp(worth - top)
        shares.append(rising / np.maximum(rising.sum(axis=axis, keepdims=True), 1e-300))
    both: Floats = np.sqrt(shares[0] * shares[1])
    return both.round(9)


def _names(items: Sequence[Item]) -> list[list[str]]:
    """Return the names of each item, a series beginning with number 0."""
    count = max((len(item.names) for item in items), default=0)
    found: list[list[str]] = [[] for _ in items]
    for which in range(count):
        known = {i: item.names[which] for i, item in enumerate(items)
                 if which < len(item.names)}  # fmt: skip
        renamed = numbered(known.values())
        for item, name in known.items():
            found[item].append(renamed[name])
    return found


def _words_of(names: Sequence[Sequence[str]]) -> list[list[tuple[str, ...]]]:
    return [[words_of(name) for name in each] for each in names]


def _kind(words: Sequence[tuple[str, ...]]) -> str:
    kinds = [kind_of(each) for each in reversed(words)]
    return next((kind for kind in kinds if kind), "")


def _fits(
    sources: Sequence[Item], targets: Sequence[Item]
) -> tuple[dict[tuple[Form, Form], Fit], Floats, Floats]:
    ours, theirs = _by_form(sources), _by_form(targets)
    fits: dict[tuple[Form, Form], Fit] = {}
    possible = np.zeros((len(sources), len(targets)))
    costs = np.zeros(possible.shape)
    sizes: dict[tuple[str, int], list[Form]] = defaultdict(list)
    for form in theirs:
        sizes[form.kind, math.prod(form.shape)].append(form)
    for a, rows in ours.items():
        for b in sizes.get((a.kind, math.prod(a.shape)), ()):
            fit = fit_of(a, b)
            if fit is not None:
                at = np.ix_(rows, theirs[b])
                fits[a, b], possible[at], costs[at] = fit, 1.0, fit.cost
    return fits, possible, costs


def _by_form(items: Sequence[Item]) -> dict[Form, list[int]]:
    found: dict[Form, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        found[item.form].append(at)
    return found


def _kinds(ours: Sequence[str], theirs: Sequence[str]) -> Floats:
    known = sorted({*ours, *theirs})
    table = np.array([[_agree(a, b) for b in known] for a in known] or [[0.0]])
    at = {kind: place for place, kind in enumerate(known)}
    left, right = ([at[kind] for kind in side] for side in (ours, theirs))
    return table[np.ix_(left, right)]


def _agree(a: str, b: str) -> float:
    if not a or not b:
        return 0.0
    if a == b:
        return _SAME_KIND
    return _NEARLY if {a, b} in _NEAR_KINDS else _OTHER_KIND


def _words(
    ours: Sequence[Sequence[tuple[str, ...]]],
    theirs: Sequence[Sequence[tuple[str, ...]]],
) -> Floats:
    """Return the cosine of the words of each pair, rare words weighing more."""
    sides = [[_set(each) for each in side] for side in (ours, theirs)]
    counts = Counter(word for side in sides for words in side for word in words)
    common = sorted(set[str]().union(*sides[0]) & set[str]().union(*sides[1]))
    at = {word: place for place, word in enumerate(common)}
    total = len(ours) + len(theirs)
    matrices = [
        sparse(_entries(side, at, counts, total), len(side), len(common))
        for side in sides
    ]
    return matrices[0].gram(matrices[1])


def _set(names: Sequence[tuple[str, ...]]) -> set[str]:
    found = {word for words in names for word in words if not word.isdecimal()}
    return found - (KINDS - {"embedding"}) - _WITH_KINDS


def _entries(
    side: Sequence[set[str]], at: Mapping[str, int], counts: Counter[str], total: int
) -> list[tuple[int, int, float]]:
    entries: list[tuple[int, int, float]] = []
    for item, words in enumerate(side):
        weights = {w: math.log((1 + total) / counts[w]) for w in words if w in at}
        length = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
        entries += [
            (item, at[w], weight / length) for w, weight in sorted(weights.items())
        ]
    return entries
