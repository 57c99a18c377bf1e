"""Finds which names became which others, by their parts, numbers and shapes.

What is certain is paired first: where one other name of the same dtype and shape shares
more of its path than any else does, both ways. Then what those say of their scopes
decides where the rest is alike. What stays open is paired by likeness, and said to be
doubtful.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import takewhile
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.conversion.layout import name_of_key

__all__ = ["MovedName", "moved_names"]

_NUMBER = re.compile(r"\d+")
_MOST = 600  # names of one dtype and shape; pairs are compared, so more take seconds
_COMPARED = 50  # letter by letter
_ROUNDS = 10  # of doubt, after each of which all is looked at again


class MovedName(NamedTuple):
    """A name that has become another one.

    Attributes:
      old: As the checkpoint has it.
      new: As the model has it.
      doubt: Why it might be another one; empty if nothing speaks for that.
    """

    old: str
    new: str
    doubt: str = ""


class _Likeness(NamedTuple):
    """How much two names are alike; compared in this order."""

    tail: int
    numbers: bool
    head: int


def moved_names(
    gone: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec]
) -> list[MovedName]:
    """Return which of the names that are gone are which of the new ones.

    Args:
      gone: The names that lack a place, each with dtype and shape.
      new: The places that lack a name.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> w, b = (TensorSpec(DType.float32, shape) for shape in [(2, 3), (3,)])
      >>> for name in moved_names({"net/w": w, "net/b": b}, {"a/b": b, "k": w}):
      ...     print(name)
      MovedName(old='net/w', new='k', doubt='by dtype and shape alone')
      MovedName(old='net/b', new='a/b', doubt='')
    """
    groups: defaultdict[TensorSpec, tuple[list[str], list[str]]]
    groups = defaultdict(lambda: ([], []))
    for name, spec in gone.items():
        groups[spec][0].append(name)
    for name, spec in new.items():
        groups[spec][1].append(name)
    pairing = _Pairing(
        _Group(olds[:_MOST], news[:_MOST]) for olds, news in groups.values() if news
    )
    found = {each.old: each for each in pairing.run()}
    return [found[name] for name in gone if name in found]


class _Group:
    """Names of one dtype and shape, and how much each pair is alike."""

    def __init__(self, olds: Sequence[str], news: Sequence[str]) -> None:
        self.olds, self.news = list(olds), list(news)
        parts = {name: _parts(name) for name in (*olds, *news)}
        self.likeness = {
            (old, new): _likeness(parts[old], parts[new])
            for old in olds
            for new in news
        }

        self.scopes = {pair: _scopes(*pair) for pair in self.likeness}

    def certain(self) -> list[tuple[str, str]]:
        """Return the pairs that are more alike than any other of either name."""
        best_new = {o: self._best([(o, n) for n in self.news]) for o in self.olds}
        best_old = {n: self._best([(o, n) for o in self.olds]) for n in self.news}
        return [p for p in best_new.values() if p and best_old.get(p[1]) == p]

    def _best(self, pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        if not pairs:
            return None
        most = max(self.likeness[pair] for pair in pairs)
        alike = [pair for pair in pairs if self.likeness[pair] == most]
        return alike[0] if len(alike) == 1 and (most.tail or most.head) else None

    def of_scopes(self, scopes: set[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs whose scopes are known to have become one another."""
        fits = [
            (old, new)
            for old in self.olds
            for new in self.news
            if self.scopes[old, new] in scopes
        ]
        olds, news = ([pair[side] for pair in fits] for side in (0, 1))
        return [
            (old, new)
            for old, new in fits
            if olds.count(old) == 1 and news.count(new) == 1
        ]

    def doubtful(self) -> MovedName | None:
        """Return the pair that is most alike, though others are nearly so."""
        pairs = [(old, new) for old in self.olds for new in self.news]
        if not pairs:
            return None
        old, _ = max(pairs, key=self.likeness.__getitem__)
        most = max(self.likeness[old, new] for new in self.news)
        alike = [new for new in self.news if self.likeness[old, new] == most]
        new = max(alike[:_COMPARED], key=lambda new: _ratio(old, new))
        if most.tail or most.head:
            others = [name for name in alike if name != new]
            doubt = f"or {others[0]!r}, of the same shape" if others else ""
            return MovedName(old, new, doubt or "others of its shape are as like it")
        if len(self.olds) == len(self.news) == 1:
            return MovedName(old, new, "by dtype and shape alone")
        return None

    def by_likeness(self) -> Iterator[MovedName]:
        """Yield a pair for each name that is like some, the most alike first."""
        pairs = [(old, new) for old in self.olds for new in self.news]
        likeness = self.likeness
        for old, new in sorted(pairs, key=lambda pair: likeness[pair], reverse=True):
            alike = likeness[old, new].tail or likeness[old, new].head
            if alike and old in self.olds and new in self.news:
                yield MovedName(old, new, "one of many of the same shape")

    def take(self, old: str, new: str) -> None:
        """Take a pair out."""
        self.olds.remove(old)
        self.news.remove(new)


class _Pairing:
    """Pairs names, group by group, with what is known of scopes so far."""

    def __init__(self, groups: Iterable[_Group]) -> None:
        self._groups = list(groups)
        self._scopes: set[tuple[str, str]] = set()
        self._found: list[MovedName] = []

    def run(self) -> list[MovedName]:
        for _ in range(_ROUNDS):
            while self._certain():
                pass
            if not self._doubtful():
                return self._found
        for group in self._groups:
            for pair in group.by_likeness():
                self._take(group, pair)
        return self._found

    def _certain(self) -> bool:
        before = len(self._found)
        for group in self._groups:
            for old, new in group.of_scopes(self._scopes):
                self._take(group, MovedName(old, new))
        for group in self._groups:
            for old, new in group.certain():
                self._take(group, MovedName(old, new))
        return len(self._found) > before

    def _doubtful(self) -> bool:
        for group in self._groups:
            pair = group.doubtful()
            if pair:
                self._take(group, pair)
                return True
        return False

    def _take(self, group: _Group, pair: MovedName) -> None:
        group.take(pair.old, pair.new)
        self._scopes.add(_scopes(pair.old, pair.new))
        self._found.append(pair)


def _parts(name: str) -> list[str]:
    return name_of_key(name).split("/")


def _shared(one: Iterable[str], other: Iterable[str]) -> int:
    pairs = zip(one, other, strict=False)
    return len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])


def _likeness(old: list[str], new: list[str]) -> _Likeness:
    numbers = [_NUMBER.findall("/".join(parts)) for parts in (old, new)]
    tail = _shared(reversed(old), reversed(new))
    return _Likeness(tail, numbers[0] == numbers[1], _shared(old, new))


def _scopes(old: str, new: str) -> tuple[str, str]:
    """Return what is left of both names without the last parts that they share."""
    one, other = _parts(old), _parts(new)
    tail = _shared(reversed(one), reversed(other))
    if not tail:  # the last parts have changed, too
        one, other = one[:-1], other[:-1]
        tail = _shared(reversed(one), reversed(other))
    return "/".join(one[: len(one) - tail]), "/".join(other[: len(other) - tail])


def _ratio(old: str, new: str) -> float:
    return SequenceMatcher(None, old, new, autojunk=False).ratio()
