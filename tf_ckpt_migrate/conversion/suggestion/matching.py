"""Chooses the best pairs of layers, and says how sure each of them is.

Two pairs of one block could be exchanged. What speaks against the exchange is told by
each scorer on its own: words that only one of the two has, on both sides (``attention``
of ``attention/output/LayerNorm`` and ``output/LayerNorm``); numbers that agree; the
order of creation. A pair holds if something speaks for it and nothing for the exchange,
with every other pair and with all that is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tf_ckpt_migrate.conversion.suggestion.evidence import Block, Evidence, Floats
from tf_ckpt_migrate.conversion.suggestion.numbers import series_name

__all__ = ["SQUARE", "Confidence", "Judged", "judged"]

Confidence: TypeAlias = Literal["certain", "likely", "ambiguous"]

_BACKED = 0.3  # what a scorer must come to, to count
_BETTER = 0.1  # by how much a scorer prefers one pair to another
_AKIN = 0.5  # of the layers that could be matched; less is another model
_MOST = 20  # rivals that are named

SQUARE = "square: transposed, as its siblings, or not"


class Judged(NamedTuple):
    """A pair of layers, and what is thought of it.

    Attributes:
      source: The number of the source.
      target: The number of the target.
      confidence: How sure it is.
      evidence: What speaks for it.
      rivals: Other targets as good or nearly, the best first.
      more: How many further ones there are.
    """

    source: int
    target: int
    confidence: Confidence
    evidence: tuple[str, ...]
    rivals: tuple[int, ...] = ()
    more: int = 0


def judged(evidence: Evidence) -> list[Judged]:
    """Return the best pairs with what is thought of each."""
    found = [each for block in evidence.blocks() for each in _of_block(evidence, block)]
    for rows, columns in evidence.large_groups():
        found += _of_large_group(evidence, rows, columns)
    found = _with_square_doubts(evidence, sorted(found))
    reached = {each.target for each in found}
    least = min(len(evidence.sources), len(evidence.targets))
    return found if len(reached) >= _AKIN * least else [*map(_less_sure, found)]


def _of_block(evidence: Evidence, block: Block) -> Iterator[Judged]:
    pairs = _assigned(block)
    doubts = _doubts(block, pairs)
    for (row, column), rivals in zip(pairs, doubts, strict=True):
        alone = bool(
            block.possible[row].sum() == 1 and block.possible[:, column].sum() == 1
        )
        fit = evidence.fit(block.rows[row], block.columns[column])
        confidence = _confidence(block, (row, column), doubted=rivals is not None)
        if confidence == "ambiguous" and alone and (fit.is_named or fit.pairs[1:]):
            confidence = "likely"
        words = block.words[row, column] > _BACKED
        if alone and fit.is_named and (words or len(fit.pairs) > 1):
            confidence = "certain"
        reasons = ["alone of this shape"] if alone else []
        reasons += ["part of the layer"] if fit.is_named else []
        reasons += _reasons(block, (row, column))
        reasons += ["whole layer"] if len(fit.pairs) > 1 else []
        others = _ordered(block, row, column, rivals or [])
        yield Judged(
            block.rows[row], block.columns[column], confidence, tuple(reasons),
            tuple(block.columns[c] for c in others[:_MOST]),
            max(0, len(others) - _MOST),
        )  # fmt: skip
    yield from _left_out(block, pairs)


def _assigned(block: Block) -> list[tuple[int, int]]:
    """Return the pairs whose scores have the largest sum."""
    # So bad that no sum of others makes up for it.
    worst = -1e3 * (1 + np.abs(block.score).max())
    worth = np.where(block.possible > 0, block.score, worst)
    # Without memory for its copies the solver ends the process; NumPy raises an error.
    np.empty((3, worth.size))
    solver = import_module("scipy.optimize")
    rows, columns = solver.linear_sum_assignment(worth, maximize=True)
    pairs = zip(map(int, rows), map(int, columns), strict=True)
    return [pair for pair in pairs if block.possible[pair] > 0]


def _confidence(block: Block, at: tuple[int, int], *, doubted: bool) -> Confidence:
    if block.same_bytes[at] >= 1:
        return "certain"
    backed = block.words[at] > _BACKED or block.numbers[at] > _BACKED or block.order[at]
    return "likely" if backed and not doubted else "ambiguous"


def _reasons(block: Block, at: tuple[int, int]) -> Iterator[str]:
    if block.same_bytes[at] >= 1:
        yield "equal bytes"
    if block.words[at] > _BACKED:
        yield "words"
    if block.numbers[at] > _BACKED:
        yield "numbers"
    if block.order[at] > 0:
        yield "order of creation"


def _ordered(block: Block, row: int, own: int, rivals: list[int]) -> list[int]:
    """Return the columns that could be meant, the best first."""
    if not rivals:
        return []
    # If it is not its own, what seemed told apart may be wrong as well.
    all_ = [*rivals, *map(int, np.flatnonzero(block.possible[row]))]
    ranked = sorted(dict.fromkeys(all_), key=lambda c: -block.score[row, c])
    return [column for column in ranked if column != own]


def _left_out(block: Block, pairs: Sequence[tuple[int, int]]) -> Iterator[Judged]:
    """Yield the sources without a target that might as well have one that is taken."""
    own = dict(pairs)
    for row, source in enumerate(block.rows):
        if row in own:
            continue
        close = [
            column
            for other, column in pairs
            if block.possible[row, column]
            and block.score[row, column] > block.score[other, column] - _BETTER
        ]
        if close:
            ranked = sorted(close, key=lambda c: -block.score[row, c])
            targets = tuple(block.columns[c] for c in ranked)
            more = max(0, len(targets) - 1 - _MOST)
            yield Judged(source, targets[0], "ambiguous", ("equal shape",),
                         targets[1 : _MOST + 1], more)  # fmt: skip


def _doubts(block: Block, own: Sequence[tuple[int, int]]) -> list[list[int] | None]:
    """Return for each pair the columns that might be meant; None if it is told."""
    taken = {column for _, column in own}
    mine = {row for row, _ in own}
    rivals = [*own, *((row, -1) for row in range(len(block.rows)) if row not in mine)]
    rivals += [(-1, c) for c in range(len(block.columns)) if c not in taken]
    if not own:
        return []
    doubt = _untold(block, own, rivals)
    return [
        [rivals[q][1] for q in np.flatnonzero(doubt[at]) if rivals[q][1] >= 0]
        if doubt[at].any()
        else None
        for at in range(len(own))
    ]


def _untold(
    block: Block, own: Sequence[tuple[int, int]], rivals: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Return for each pair which rivals could take its place, for all one knows."""
    speaks = np.zeros((len(own), len(rivals)), bool)
    against = np.zeros(speaks.shape, bool)
    straight, crossed = _exchanged(block.numbers, own, rivals)
    # Of numberings that hardly agree a little more or less says nothing.
    agree = np.array([block.numbers[pair] > _BACKED for pair in own], bool)
    speaks |= (straight > crossed + _BETTER) & agree[:, None]
    against |= crossed > straight + _BETTER
    for values in (block.order, block.same_bytes):
        straight, crossed = _exchanged(values, own, rivals)
        speaks |= straight > crossed + _BETTER
        against |= crossed > straight + _BETTER
    straight, crossed = _words(block.has_words, own, rivals)
    speaks |= (straight > 0) & (crossed == 0)
    against |= (crossed > 0) & (straight == 0)
    there = _taken(block.possible, own, rivals, nothing=1.0)
    back = _taken(block.possible, rivals, own, nothing=1.0).T
    could = (there > 0) & (back > 0)
    could[np.arange(len(own)), np.arange(len(own))] = False
    return could & (against | ~speaks)


def _taken(
    values: Floats,
    ours: Sequence[tuple[int, int]],
    theirs: Sequence[tuple[int, int]],
    nothing: float,
) -> Floats:
    """Return the values of the sources of some pairs with the targets of others."""
    padded = np.pad(values, ((0, 1), (0, 1)), constant_values=nothing)
    return padded[np.ix_([row for row, _ in ours], [column for _, column in theirs])]


def _exchanged(
    values: Floats, own: Sequence[tuple[int, int]], rivals: Sequence[tuple[int, int]]
) -> tuple[Floats, Floats]:
    """Return what two pairs come to as they are, and with their targets exchanged."""
    padded = np.pad(values, ((0, 1), (0, 1)))
    kept = [np.array([padded[pair] for pair in each]) for each in (own, rivals)]
    there = _taken(values, own, rivals, nothing=0.0)
    back = _taken(values, rivals, own, nothing=0.0).T
    return kept[0][:, None] + kept[1][None, :], there + back


def _words(
    has_words: tuple[Floats, Floats],
    own: Sequence[tuple[int, int]],
    rivals: Sequence[tuple[int, int]],
) -> tuple[Floats, Floats]:
    """Return how many words that only one of two pairs has speak for each reading."""
    ours, theirs = (np.pad(each, ((0, 1), (0, 0))) for each in has_words)
    a, b = (ours[[row for row, _ in each]] for each in (own, rivals))
    c, d = (theirs[[column for _, column in each]] for each in (own, rivals))
    straight = (a * c) @ ((1 - b) * (1 - d)).T + ((1 - a) * (1 - c)) @ (b * d).T
    crossed = (a * (1 - c)) @ ((1 - b) * d).T + ((1 - a) * c) @ (b * (1 - d)).T
    return straight, crossed


def _of_large_group(
    evidence: Evidence, rows: Sequence[int], columns: Sequence[int]
) -> Iterator[Judged]:
    """Yield pairs of numbers that agree in full; all others are open."""
    ours, theirs = set(rows), set(columns)
    found: dict[int, int] = {}
    for numbering in evidence.numberings:
        if ours <= {*numbering.ours} and theirs <= {*numbering.theirs}:
            found = {a: b for a, b in numbering.equal() if a in ours and b in theirs}
            break
    for row in rows:
        if row in found and evidence.find_fit(row, found[row]):
            yield Judged(row, found[row], "likely", ("equal shape", "numbers"))
        elif not found:
            shown = tuple(columns[: _MOST + 1])
            yield Judged(row, shown[0], "ambiguous", ("equal shape",), shown[1:],
                         len(columns) - len(shown))  # fmt: skip


def _less_sure(each: Judged) -> Judged:
    """Return a pair of two models that have little in common."""
    if "equal bytes" in each.evidence:
        return each
    less: Confidence = "likely" if each.confidence == "certain" else "ambiguous"
    return each._replace(confidence=less)


def _with_square_doubts(evidence: Evidence, found: list[Judged]) -> list[Judged]:
    """Doubt squares whose siblings are transposed: the form does not say."""
    turned = {
        _series(evidence, each)
        for each in found
        if evidence.fit(each.source, each.target).is_transposed
    }
    return [
        each._replace(confidence="ambiguous", evidence=(*each.evidence, SQUARE))
        if _series(evidence, each) in turned and _has_square(evidence, each)
        else each
        for each in found
    ]


def _series(evidence: Evidence, each: Judged) -> tuple[str, str]:
    ours, theirs = evidence.sources[each.source], evidence.targets[each.target]
    return series_name(ours.names[-1]), series_name(theirs.names[-1])


def _has_square(evidence: Evidence, each: Judged) -> bool:
    shapes = (i.form.shape for i in evidence.sources[each.source].parts.values())
    is_square = any(len(shape) == 2 and len(set(shape)) == 1 for shape in shapes)
    fit = evidence.fit(each.source, each.target)
    return is_square and not fit.is_transposed
