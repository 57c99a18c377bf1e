"""Writes many renames as few rules: scopes, and patterns whose groups are numbers.

Every pair proposes the rules that it could be an instance of (`generalizations`); the
one that most pairs agree on is taken, then the next. A rule is taken only if every key
that it would decide about comes to its own target, or rules for the few that would
not can stand before it: what it fits is looked up, not guessed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import NamedTuple, TypeAlias

from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Transform

__all__ = ["Renamed", "RenamingRule", "compressed", "generalizations"]


_PIECES = re.compile(r"\d+|/|[^/\d]+")
_MOST_GROUPS = 4
_MOST_NUMBERS = 6
_MOST_WAYS = 64  # to refer to the same groups
_MOST_PIECES = 60  # of a name; a longer one is written out
_REST = "(.+)"


class _Piece(NamedTuple):
    """A part of the source that may become a group of a pattern."""

    start: int  # of the pieces
    stop: int
    pattern: str
    text: str


def generalizations(
    source: str, target: str, transform: Transform | None
) -> Iterator[RenameScope | RenameRegex]:
    r"""Yield rules that rename ``source`` to ``target``, and maybe others too.

    Example:
      >>> for rule in generalizations("a_1/w", "b/1/w", None):
      ...     print(rule)
      RenameScope('a_1/', 'b/1/')
      RenameRegex('a_(\\d+)/w', 'b/\\1/w')
      RenameRegex('a_1/([^/]+)', 'b/1/\\1')
      RenameRegex('a_(\\d+)/([^/]+)', 'b/\\1/\\2')
    """
    yield from _scopes(source, target, transform)
    ours, theirs = _PIECES.findall(source), _PIECES.findall(target)
    if max(len(ours), len(theirs)) > _MOST_PIECES:
        return
    numbers = [
        _Piece(at, at + 1, r"(\d+)", piece)
        for at, piece in enumerate(ours)
        if piece.isdecimal() and piece in theirs
    ][:_MOST_NUMBERS]
    for words in (
        [],
        *([word] for word in _words(ours, theirs)),
        *_tails(ours, theirs),
    ):
        for chosen in _subsets(numbers, words):
            groups = sorted([*chosen, *words])
            if groups:
                yield from _patterns(ours, theirs, groups, transform)


# Each scope of a deeper name would cost all above it; no program has such names.
_DEEPEST = 64


def _scopes(
    source: str, target: str, transform: Transform | None
) -> Iterator[RenameScope]:
    ours, theirs = source.split("/"), target.split("/")
    common = 0
    while (
        common < min(len(ours), len(theirs), _DEEPEST)
        and ours[-1 - common] == theirs[-1 - common]
    ):
        common += 1
        scopes = ["/".join(names[:-common]) for names in (ours, theirs)]
        yield RenameScope(scopes[0], scopes[1], transform)


def _subsets(
    numbers: Sequence[_Piece], words: Sequence[_Piece]
) -> Iterator[list[_Piece]]:
    free = [
        n for n in numbers if all(n.stop <= w.start or n.start >= w.stop for w in words)
    ]
    for count in range(min(len(free), _MOST_GROUPS) + 1):
        yield from map(list, combinations(free, count))


def _words(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[_Piece]:
    """Yield whole components, without numbers, that the target has too."""
    for at, piece in enumerate(ours):
        if _is_component(ours, at) and any(
            piece == other and _is_component(theirs, there)
            for there, other in enumerate(theirs)
        ):
            yield _Piece(at, at + 1, "([^/]+)", piece)


def _is_component(pieces: Sequence[str], at: int) -> bool:
    before = at == 0 or pieces[at - 1] == "/"
    after = at + 1 == len(pieces) or pieces[at + 1] == "/"
    return before and after and pieces[at] != "/" and not pieces[at].isdecimal()


def _tails(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[list[_Piece]]:
    """Yield the longest end of several components that both have."""
    common = 0
    while (
        common < min(len(ours), len(theirs), _DEEPEST)
        and ours[-1 - common] == theirs[-1 - common]
    ):
        common += 1
    end = list(ours[len(ours) - common :])
    while end and common < len(ours) and ours[len(ours) - len(end) - 1] != "/":
        del end[0]
    while end and end[0] == "/":
        del end[0]
    if "/" in end and len(end) < len(ours):
        start = len(ours) - len(end)
        yield [_Piece(start, len(ours), _REST, "".join(end))]


def _patterns(
    ours: Sequence[str],
    theirs: Sequence[str],
    groups: Sequence[_Piece],
    transform: Transform | None,
) -> Iterator[RenameRegex]:
    """Yield the patterns of these groups, with each way to refer to them."""
    pattern, at = "", 0
    for group in groups:
        pattern += re.escape("".join(ours[at : group.start])) + group.pattern
        at = group.stop
    pattern += re.escape("".join(ours[at:]))
    pattern = pattern.replace(r"\-", "-")  # "-" means itself; it reads better
    for target in _references(theirs, groups):
        yield RenameRegex(pattern, target, transform)


def _references(theirs: Sequence[str], groups: Sequence[_Piece]) -> Iterator[str]:
    tail = groups[-1] if groups[-1].pattern == _REST else None
    body = list(theirs)
    end = ""
    if tail is not None:
        count = len(_PIECES.findall(tail.text))
        body, end = body[:-count], rf"\{len(groups)}"
        groups = groups[:-1]
    ways = [_ways(body, at, groups, theirs) for at in range(len(body))]
    for way in islice(product(*ways), _MOST_WAYS):
        text = "".join(way)
        if all(rf"\{n}" in way for n in range(1, len(groups) + 1)):
            yield text + end


def _ways(
    body: Sequence[str], at: int, groups: Sequence[_Piece], theirs: Sequence[str]
) -> list[str]:
    """Return how a piece of the target may be written: by a group, or as it is."""
    piece = body[at]
    may_refer = piece.isdecimal() or _is_component(theirs, at)
    references = [
        rf"\{n}" for n, group in enumerate(groups, 1)
        if may_refer and group.text == piece
    ]  # fmt: skip
    return [*references, piece.replace("\\", r"\\")]


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
