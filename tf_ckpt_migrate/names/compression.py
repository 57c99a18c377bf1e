"""Writes many renames as few rules: scopes, and patterns whose groups are numbers.

Every pair proposes the rules that it could be an instance of (`generalizations`); the
one that most pairs agree on is taken, then the next. A rule is taken only if every key
that it would decide about comes to its own target, or rules for the few that would
not can stand before it: what it fits is looked up, not guessed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.names.generalizations import generalizations
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Renamed", "RenamingRule", "compressed"]

_Wide: TypeAlias = RenameScope | RenameRegex
RenamingRule: TypeAlias = Rename | _Wide


class Renamed(NamedTuple):
    """A source and where it goes.

    Attributes:
      source: Its key.
      targets: The names of its target, any of which will do; the first is preferred.
      transform: What is done to the value.
    """

    source: str
    targets: tuple[str, ...]
    transform: Transform | None = None


def compressed(
    pairs: Sequence[Renamed], others: Iterable[str], *, even_same: bool = False
) -> list[RenamingRule]:
    r"""Return rules that bring the source of every pair to its target.

    Args:
      pairs: What is to be said.
      others: Further keys of the source, which the rules must leave alone.
      even_same: Whether to say too what keeps its name, as rules must that stand
        before others.

    Returns:
      The rules; the first that fits a key decides, as ever.

    Example:
      >>> pairs = [Renamed(f"layer_{i}/w", (f"net/{i}/kernel",)) for i in range(12)]
      >>> print(*compressed(pairs, ["layer_x/w"]))
      RenameRegex('layer_(\\d+)/w', 'net/\\1/kernel')
    """
    wanted = {pair.source: pair for pair in pairs}
    said = {pair.source for pair in pairs if even_same or not _is_same(pair)}
    keys = {*wanted, *others}
    compression = _Compression(wanted)
    # Exceptions before a wide rule may come to fewer rules than narrow ones, or more.
    made = (compression.rules(said, keys, exceptions=may) for may in (False, True))
    return min(made, key=len)


class _Compression:
    """Chooses among all the rules that pairs are instances of."""

    def __init__(self, wanted: Mapping[str, Renamed]) -> None:
        """Collect the rules, whose instances each has, and how welcome they are."""
        self._wanted = wanted
        self._supporters: dict[_Wide, set[str]] = {}
        self._of: dict[str, list[_Wide]] = {key: [] for key in wanted}
        ranks: dict[_Wide, int] = {}
        for pair in wanted.values():
            for rank, target in enumerate(pair.targets):
                for rule in generalizations(pair.source, target, pair.transform):
                    self._supporters.setdefault(rule, set()).add(pair.source)
                    self._of[pair.source].append(rule)
                    ranks[rule] = max(rank, ranks.get(rule, 0))
        self._order = {
            rule: (rank, *_price(rule), at)
            for at, (rule, rank) in enumerate(ranks.items())
        }

    def rules(
        self, said: set[str], keys: set[str], *, exceptions: bool
    ) -> list[RenamingRule]:
        """Return rules for what is to be said, which are right for all of ``keys``."""
        left, open_ = {*said}, {*keys}
        rules: list[RenamingRule] = []
        heap = self._heap(left)
        while heap:
            count, order, rule = heapq.heappop(heap)
            now = len(self._supporters[rule] & left)
            if now < -count:  # another rule has taken some of its keys
                if now > 1:
                    heapq.heappush(heap, (-now, order, rule))
                continue
            wrong = self._wrong(rule, open_)
            if len(wrong) * 2 > (now if exceptions else 0) or wrong - left:
                continue
            before = self.rules(wrong, open_, exceptions=False) if wrong else []
            if len(before) * 2 < now:
                rules += [*before, rule]
                decided = {*match([*before, rule], open_).decided}
                left -= decided
                open_ -= decided
        return [*rules, *(_plain(self._wanted[key]) for key in sorted(left))]

    def _heap(self, left: set[str]) -> list[tuple[int, tuple[int, ...], _Wide]]:
        """Return the rules that say more than one of what is left, as a heap."""
        rules = {rule for key in left for rule in self._of[key]}
        counts = {rule: len(self._supporters[rule] & left) for rule in rules}
        heap = [(-n, self._order[rule], rule) for rule, n in counts.items() if n > 1]
        heapq.heapify(heap)
        return heap

    def _wrong(self, rule: _Wide, keys: set[str]) -> set[str]:
        """Return the keys that a rule would not bring to their targets."""
        return {
            key
            for key in match([rule], keys).decided
            if (pair := self._wanted.get(key)) is None
            or pair.transform != rule.transform
            or rule.target_of(key) not in pair.targets
        }


def _price(rule: _Wide) -> tuple[int, int]:
    """Return what makes a rule less welcome than another: groups, then length."""
    groups = re.compile(rule.pattern).groups if isinstance(rule, RenameRegex) else 0
    return groups, len(repr(rule))


def _is_same(pair: Renamed) -> bool:
    """Return whether a pair needs no rule: a key goes to the target of its name."""
    return pair.transform is None and pair.source in pair.targets


def _plain(pair: Renamed) -> Rename:
    return Rename(pair.source, pair.targets[0], pair.transform)
