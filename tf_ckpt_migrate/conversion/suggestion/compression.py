"""Writes many renames as few rules: scopes, and patterns whose groups are numbers.

Every pair proposes the rules that it could be an instance of (`generalizations`); the
one that most pairs agree on is taken, then the next. A rule is taken only if every key
that it would decide about comes to its own target: what it fits is looked up, not
guessed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.conversion.suggestion.generalizations import generalizations
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Renamed", "compressed"]

_Renaming: TypeAlias = Rename | RenameScope | RenameRegex


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


def compressed(pairs: Sequence[Renamed], others: Iterable[str]) -> list[_Renaming]:
    r"""Return rules that bring the source of every pair to its target.

    Args:
      pairs: What is to be said.
      others: Further keys of the source, which the rules must leave alone.

    Returns:
      The rules; the first that fits a key decides, as ever.

    Example:
      >>> pairs = [Renamed(f"layer_{i}/w", (f"net/{i}/kernel",)) for i in range(12)]
      >>> print(*compressed(pairs, ["layer_x/w"]))
      RenameRegex('layer_(\\d+)/w', 'net/\\1/kernel')
    """
    wanted = {pair.source: pair for pair in pairs}
    open_ = {*wanted, *others}
    left = {pair.source for pair in pairs if not _is_same(pair)}
    supporters, ranks = _supporters(pairs)
    heap = [
        (-len(keys & left), (ranks[rule], *_price(rule)), at, rule)
        for at, (rule, keys) in enumerate(supporters.items())
        if len(keys & left) > 1
    ]
    heapq.heapify(heap)
    rules: list[_Renaming] = []
    while heap:
        count, price, at, rule = heapq.heappop(heap)
        now = len(supporters[rule] & left)
        if now < -count:  # another rule has taken some of its keys
            if now > 1:
                heapq.heappush(heap, (-now, price, at, rule))
        elif _is_right(rule, open_, wanted):
            rules.append(rule)
            decided = _fitted(rule, open_)
            left -= decided
            open_ -= decided
    return [*rules, *(_plain(wanted[key]) for key in sorted(left))]


def _supporters(
    pairs: Iterable[Renamed],
) -> tuple[dict[_Renaming, set[str]], dict[_Renaming, int]]:
    """Return whose instances each rule has, and how welcome the names are it gives."""
    found: dict[_Renaming, set[str]] = {}
    ranks: dict[_Renaming, int] = {}
    for pair in pairs:
        for rank, target in enumerate(pair.targets):
            for rule in generalizations(pair.source, target, pair.transform):
                found.setdefault(rule, set()).add(pair.source)
                ranks[rule] = max(rank, ranks.get(rule, 0))
    return found, ranks


def _price(rule: _Renaming) -> tuple[int, int]:
    """Return what makes a rule less welcome than another: groups, then length."""
    groups = re.compile(rule.pattern).groups if isinstance(rule, RenameRegex) else 0
    return groups, len(repr(rule))


def _fitted(rule: _Renaming, keys: set[str]) -> set[str]:
    return set(match([rule], keys).decided)


def _is_right(rule: _Renaming, keys: set[str], wanted: Mapping[str, Renamed]) -> bool:
    """Return whether every key that the rule would decide about gets its target."""
    if isinstance(rule, Rename):
        return True
    fits = re.compile(rule.pattern).fullmatch if isinstance(rule, RenameRegex) else None
    for key in _fitted(rule, keys):
        pair = wanted.get(key)
        if pair is None or pair.transform != rule.transform:
            return False
        if isinstance(rule, RenameRegex):
            found = fits(key) if fits else None
            name = found.expand(rule.target) if found else ""
        else:
            name = rule.target_of(key)
        if name not in pair.targets:
            return False
    return True


def _is_same(pair: Renamed) -> bool:
    """Return whether a pair needs no rule: a key goes to the target of its name."""
    return pair.transform is None and pair.source in pair.targets


def _plain(pair: Renamed) -> Rename:
    return Rename(pair.source, pair.targets[0], pair.transform)
