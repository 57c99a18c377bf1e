"""How well every source goes with every target, by all that is known of both."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.suggestion.fits import TRANSPOSED, Fit, fit_of
from tf_ckpt_migrate.conversion.suggestion.items import Form, Item, numbered
from tf_ckpt_migrate.conversion.suggestion.linear import Floats, sparse
from tf_ckpt_migrate.conversion.suggestion.numbers import agreement_of_numbers
from tf_ckpt_migrate.conversion.suggestion.words import KINDS, kind_of, words_of

__all__ = ["Evidence", "evidence_of"]

# What a kind of evidence weighs; all are between -1 or 0, and 1.
_WORDS, _NUMBERS, _LAYERS, _SAME_BYTES = 1.0, 1.0, 0.5, 10.0
_SAME_KIND, _OTHER_KIND, _NEARLY = 0.3, -2.0, -0.3
_NEAR_KINDS = ({"bias", "beta"}, {"kernel", "embedding"}, {"kernel", "gamma"})
# In the path of an object; Keras counts its layers so too.
_PLACE = re.compile(r"((?:^|/|layer_with_weights-|/layer-))\d+(?=/|$)")
_WITH_KINDS = {"moving"}  # of mean and variance
_CONFLICT = -1.0  # of kinds; a gamma does not become a beta
# Of a longer name the end counts; as evidence, every scope of a name costs all those
# above it.
_LONGEST, _DEEPEST = 2_000, 64


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
      layers: How far the layers that both are parts of have parts of the same forms.
      bytes_: 1 where both have the same bytes, and no other has.
      has_words: Of each source, and of each target, 1 for each word that it has.
      score: All of this together, but for the words that are counted in ``words``.
    """

    fits: Mapping[tuple[Form, Form], Fit]
    possible: Floats
    blocks: Sequence[tuple[list[int], list[int]]]
    kinds: Floats
    words: Floats
    numbers: Floats
    layers: Floats
    bytes_: Floats
    has_words: tuple[Floats, Floats]
    score: Floats

    def nudged(self, by: Floats) -> Evidence:
        """Return the evidence if ``by`` were known of the pairs besides."""
        return replace(self, score=self.score + by)


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
    alike, common = _kinds(*kinds), _words(*words)
    possible *= (alike > _CONFLICT) | (same_bytes >= 1)
    # What fits only when transposed is seldom what a series is about.
    agreeing = agreement_of_numbers(*names, possible * (costs < TRANSPOSED))
    layers = _layers(sources, targets, possible)
    score = alike + _WORDS * common + _NUMBERS * agreeing + _LAYERS * layers
    score += _SAME_BYTES * same_bytes - costs
    return Evidence(
        fits, possible, [*_blocks(possible)],
        alike, common, agreeing, layers, same_bytes,
        _has_words(*words), np.round(score, 6),
    )  # fmt: skip


def _layers(
    sources: Sequence[Item], targets: Sequence[Item], possible: Floats
) -> Floats:
    """Return what share of the parts of two layers has its like in the other.

    A layer is what shares the innermost scope. What stands alone there says nothing.
    """
    of = [_layer_numbers(sources), _layer_numbers(targets)]
    within = [
        np.eye(max(numbers, default=-1) + 1)[numbers].reshape(len(numbers), -1)
        for numbers in of
    ]
    sizes = [each.sum(0) for each in within]
    there = within[0].T @ (possible @ within[1] > 0)
    back = (within[0].T @ possible > 0) @ within[1]
    alike = (there + back) / (sizes[0][:, None] + sizes[1][None, :])
    alike[(sizes[0] < 2), :] = 0
    alike[:, (sizes[1] < 2)] = 0
    return alike[np.ix_(*of)]


def _layer_numbers(items: Sequence[Item]) -> list[int]:
    scopes = [
        max(i.names, key=lambda n: n.count("/")).rpartition("/")[0] for i in items
    ]
    numbers = {scope: number for number, scope in enumerate(dict.fromkeys(scopes))}
    return [numbers[scope] for scope in scopes]


def _has_words(
    ours: Sequence[Sequence[tuple[str, ...]]],
    theirs: Sequence[Sequence[tuple[str, ...]]],
) -> tuple[Floats, Floats]:
    """Return which of the words that occur on both sides each item has."""
    sides = [[_set(each) for each in side] for side in (ours, theirs)]
    common = sorted(set[str]().union(*sides[0]) & set[str]().union(*sides[1]))
    tables = [
        np.array([[word in words for word in common] for words in side], np.float64)
        for side in sides
    ]
    return tables[0], tables[1]


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


def _names(items: Sequence[Item]) -> list[list[str]]:
    """Return the names of each item, a series beginning with number 0."""
    count = max((len(item.names) for item in items), default=0)
    found: list[list[str]] = [[] for _ in items]
    for which in range(count):
        known = {
            i: _end_of(_without_places(item, item.names[which]))
            for i, item in enumerate(items)
            if which < len(item.names)
        }
        renamed = numbered(known.values())
        for item, name in known.items():
            found[item].append(renamed[name])
    return found


def _without_places(item: Item, name: str) -> str:
    """Return a name without places of lists, which shift with what is before them."""
    key = item.members[0] if item.members else item.key
    if not is_object_key(key) or name != item.names[0]:
        return name
    return _PLACE.sub(r"\1*", name)


def _end_of(name: str) -> str:
    """Return a name, or the last of its scopes if it has very many."""
    short = len(name) <= _LONGEST and name.count("/") <= _DEEPEST
    return name if short else "/".join(name[-_LONGEST:].split("/")[-_DEEPEST:])


def _words_of(names: Sequence[Sequence[str]]) -> list[list[tuple[str, ...]]]:
    return [[words_of(name)[-_DEEPEST:] for name in each] for each in names]


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
