r"""The rules that one rename could be an instance of.

Of ``layer_3/attention/w`` and ``net/3/attention/kernel`` these are, among others::

    layer_(\d+)/attention/w  ->  net/\1/attention/kernel
    layer_(\d+)/([^/]+)/w    ->  net/\1/\2/kernel

and of names that end alike the scopes before the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, islice, product
from typing import NamedTuple

from tf_ckpt_migrate.names.rules import RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Transform

__all__ = ["generalizations"]

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
