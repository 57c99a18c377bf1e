"""Collects what speaks for and against each pair of layers, by independent scorers.

=============  ===============================================================
scorer         what it compares
=============  ===============================================================
shape          what can become what: dtypes, shapes and parts of both layers
words          words that tell layers apart, as they are said today
numbers        two series of numbers laid over each other
order          the order in which both programs made their layers
values         checksums of equal bytes
=============  ===============================================================

Only pairs of one block are compared: layers outside cannot become each other.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tf_ckpt_migrate.conversion.layout import is_object_key, name_of_key
from tf_ckpt_migrate.conversion.suggestion.items import numbered
from tf_ckpt_migrate.conversion.suggestion.layers import (
    Layer,
    LayerFit,
    Signature,
    fits_of,
)
from tf_ckpt_migrate.conversion.suggestion.numbers import Numbering, numberings
from tf_ckpt_migrate.conversion.suggestion.words import KINDS, words_of

__all__ = ["Block", "Evidence", "Floats", "Pairs"]

Floats: TypeAlias = NDArray[np.float64]
Pairs: TypeAlias = Mapping[int, int]

_SAME_BYTES = 10.0  # outweighs all else
_CREATED = 1.0
# In the path of an object; Keras counts its layers so too.
_PLACE = re.compile(r"((?:^|/|layer_with_weights-|/layer-))\d+(?=/|$)")
# Layers of one shape are of one type: that a name says so tells none of them apart.
_TYPES = frozenset(["dense", "layer"])
_SAY_NOTHING = (KINDS - {"embedding"}) | {"moving"}
# Of a longer name the end counts; as evidence, every scope of a name costs all those
# above it.
_LONGEST, _DEEPEST = 2_000, 64
_MOST_WORDS = 2_000
_MOST_PAIRS = 1_000_000  # of one block; a larger one is not compared pair by pair


@dataclass
class Block:
    """Layers that can become each other, and what speaks for each pair.

    Attributes:
      rows: The numbers of the sources.
      columns: The numbers of the targets.
      possible: 1 where a source can become a target.
      words: How much they have in common that others do not.
      numbers: How far their numbers agree, from -1 to 1.
      order: 1 where both were made at the same place of the sequence.
      same_bytes: 1 where both have the same bytes, and no other has.
      has_words: Of each source, and of each target, 1 for each word that it has.
      score: All of this together.
    """

    rows: list[int]
    columns: list[int]
    possible: Floats
    words: Floats
    numbers: Floats
    order: Floats
    same_bytes: Floats
    has_words: tuple[Floats, Floats]
    score: Floats


class Evidence:
    """What is known of the layers of both sides.

    Args:
      sources: The layers to take.
      targets: The layers to fill.
      same_bytes: Pairs with the same bytes, by number.
      order: Pairs at the same place in the order in which both programs made them.

    Attributes:
      fits: How layers of one signature become those of another.
    """

    def __init__(
        self,
        sources: Sequence[Layer],
        targets: Sequence[Layer],
        same_bytes: Pairs,
        order: Pairs,
    ) -> None:
        """Look at names and shapes of all layers."""
        self.sources: Sequence[Layer] = sources
        self.targets: Sequence[Layer] = targets
        self.signatures: list[list[Signature]] = [
            [layer.signature for layer in side] for side in (sources, targets)
        ]
        self.fits: dict[tuple[Signature, Signature], LayerFit] = fits_of(
            sources, targets
        )
        self._same_bytes, self._order = same_bytes, order
        names = _names(sources), _names(targets)
        self._words = [_words_of(side) for side in names]
        counts = (Counter(w for words in side for w in words) for side in self._words)
        self._counts = sum(counts, Counter[str]())
        # What fits only when transposed is seldom what a series is about.
        straight = [pair for pair, fit in self.fits.items() if not fit.is_transposed]
        kinds = self.signatures[0], self.signatures[1]
        self.numberings: list[Numbering] = numberings(*names, kinds, straight)

    def find_fit(self, source: int, target: int) -> LayerFit | None:
        """Return how a source becomes a target; None if it cannot."""
        kinds = self.signatures[0][source], self.signatures[1][target]
        return self.fits.get(kinds)

    def fit(self, source: int, target: int) -> LayerFit:
        """Return how the source of a pair becomes its target."""
        return self.fits[self.signatures[0][source], self.signatures[1][target]]

    def groups(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield sources and targets that may become each other, and no others."""
        members = [defaultdict[Signature, list[int]](list) for _ in range(2)]
        for side, found in zip(self.signatures, members, strict=True):
            for at, signature in enumerate(side):
                found[signature].append(at)
        left = dict.fromkeys(a for a, _ in self.fits)
        while left:
            ours, theirs = {left.popitem()[0]}, set[Signature]()
            while True:
                reached = {b for a, b in self.fits if a in ours}
                if reached == theirs:
                    break
                theirs = reached
                ours |= {a for a, b in self.fits if b in theirs}
            left = {each: None for each in left if each not in ours}
            yield (
                sorted(at for each in ours for at in members[0][each]),
                sorted(at for each in theirs for at in members[1][each]),
            )

    def blocks(self) -> Iterator[Block]:
        """Yield the groups that are small enough, with what speaks for each pair."""
        for rows, columns in self.groups():
            if len(rows) * len(columns) <= _MOST_PAIRS:
                yield self._block(rows, columns)

    def large_groups(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the groups that are too large to compare each layer with each."""
        for rows, columns in self.groups():
            if len(rows) * len(columns) > _MOST_PAIRS:
                yield rows, columns

    def _block(self, rows: list[int], columns: list[int]) -> Block:
        fits = [[self.find_fit(row, column) for column in columns] for row in rows]
        possible = np.array([[f is not None for f in each] for each in fits], float)
        costs = np.array([[f.cost if f else 0.0 for f in each] for each in fits])
        mine = [self._words[0][row] for row in rows]
        others = [self._words[1][column] for column in columns]
        has_words, words = self._compared_words(mine, others)
        agreeing = self._numbers(rows, columns, possible)
        order = _marked(rows, columns, self._order)
        same_bytes = _marked(rows, columns, self._same_bytes)
        score = words + agreeing + _CREATED * order + _SAME_BYTES * same_bytes - costs
        return Block(rows, columns, possible, words, agreeing, order, same_bytes,
                     has_words, np.round(score, 6))  # fmt: skip

    def _compared_words(
        self, ours: Sequence[set[str]], theirs: Sequence[set[str]]
    ) -> tuple[tuple[Floats, Floats], Floats]:
        """Return who has which word, and the cosine of the words of each pair."""
        common = set[str]().union(*ours) & set[str]().union(*theirs)
        known = sorted(common, key=lambda word: (-self._counts[word], word))
        known = known[:_MOST_WORDS]
        total = len(self.sources) + len(self.targets)
        weights = np.array([math.log((1 + total) / self._counts[w]) for w in known])
        tables = [
            np.array(
                [[word in words for word in known] for words in side], float
            ).reshape(len(side), len(known))
            for side in (ours, theirs)
        ]
        scaled = [_unit(table * weights) for table in tables]
        telling = np.array([word not in _TYPES for word in known], float)
        has_words = tables[0] * telling, tables[1] * telling
        return has_words, scaled[0] @ scaled[1].T

    def _numbers(
        self, rows: Sequence[int], columns: Sequence[int], possible: Floats
    ) -> Floats:
        """Return how the numbers of each pair agree; 0 where nothing is known."""
        found, seen = np.zeros(possible.shape), np.zeros(possible.shape, bool)
        at = [{n: i for i, n in enumerate(side)} for side in (rows, columns)]
        for each in self.numberings:
            mine = [(p, at[0][m]) for p, m in enumerate(each.ours) if m in at[0]]
            others = [(p, at[1][m]) for p, m in enumerate(each.theirs) if m in at[1]]
            if not mine or not others:
                continue
            where = np.ix_([row for _, row in mine], [column for _, column in others])
            agreement = each.agreement([p for p, _ in mine], [p for p, _ in others])
            best = np.where(seen[where], np.maximum(found[where], agreement), agreement)
            found[where], seen[where] = best, True
        return found


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt((rows**2).sum(1, keepdims=True))
    return rows / np.where(lengths > 0, lengths, 1.0)


def _marked(rows: Sequence[int], columns: Sequence[int], pairs: Pairs) -> Floats:
    found = np.zeros((len(rows), len(columns)))
    at = {column: place for place, column in enumerate(columns)}
    for place, row in enumerate(rows):
        if pairs.get(row, -1) in at:
            found[place, at[pairs[row]]] = 1.0
    return found


def _names(layers: Sequence[Layer]) -> list[list[str]]:
    """Return the names of each layer, a series beginning with number 0."""
    count = max((len(layer.names) for layer in layers), default=0)
    found: list[list[str]] = [[] for _ in layers]
    for which in range(count):
        known = {
            at: _end_of(_without_places(layer, layer.names[which]))
            for at, layer in enumerate(layers)
            if which < len(layer.names)
        }
        renamed = numbered(known.values())
        for at, name in known.items():
            found[at].append(renamed[name])
    return found


def _without_places(layer: Layer, name: str) -> str:
    """Return a name without places of lists, which shift with what is before them."""
    item = next(iter(layer.parts.values()))
    key = item.members[0] if item.members else item.key
    if not is_object_key(key) or not name_of_key(key).startswith(name):
        return name
    return _PLACE.sub(r"\1*", name)


def _end_of(name: str) -> str:
    """Return a name, or the last of its scopes if it has very many."""
    short = len(name) <= _LONGEST and name.count("/") <= _DEEPEST
    return name if short else "/".join(name[-_LONGEST:].split("/")[-_DEEPEST:])


def _words_of(names: Sequence[Sequence[str]]) -> list[set[str]]:
    return [
        {
            word
            for name in each
            for word in words_of(name)[-_DEEPEST:]
            if not word.isdecimal() and word not in _SAY_NOTHING
        }
        for each in names
    ]
