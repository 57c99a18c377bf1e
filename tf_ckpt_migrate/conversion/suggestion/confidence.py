"""How sure a pair is, and why; what cannot be told is said to be so.

``certain``
    The bytes are equal; or it is the only pair of its form, or clearly better than the
    next best by its name or numbers, and something of another kind agrees.
``likely``
    Told from all others, but by one kind of evidence, or by numbers alone.
``ambiguous``
    Nothing tells it from another, or evidence disagrees; or nothing but its form speaks
    for it. The order of names is no evidence, nor is what other pairs came to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from tf_ckpt_migrate.conversion.suggestion.fits import Fit
from tf_ckpt_migrate.conversion.suggestion.items import Item
from tf_ckpt_migrate.conversion.suggestion.linear import Floats
from tf_ckpt_migrate.conversion.suggestion.matching import Pair, best_pairs
from tf_ckpt_migrate.conversion.suggestion.numbers import series_name
from tf_ckpt_migrate.conversion.suggestion.scores import Evidence
from tf_ckpt_migrate.conversion.suggestion.telling import Doubts, doubts_of

_DIGITS = re.compile(r"(\d+)")

__all__ = ["Confidence", "Judged", "judged", "natural"]

Confidence: TypeAlias = Literal["certain", "likely", "ambiguous"]

_DOUBT = 0.15  # what is worse by less is a rival
_CLEAR = 0.5  # by how much a certain one is better
_BETTER = 0.1  # by how much a kind of evidence prefers one to the next
_BACKED = 0.3  # what a kind of evidence must come to, to count
_AKIN = 0.5  # of the weights that could be matched; less is another model
_CLOSE = 0.05  # what is worse by less is as good
_MOST = 20  # rivals that are named


class Judged(NamedTuple):
    """A pair, and what is thought of it.

    Attributes:
      source: The number of the source.
      target: The number of the target.
      fit: What is done to the value.
      confidence: How sure it is.
      evidence: What speaks for it.
      rivals: Other targets as good or nearly, the best first.
      more: How many further ones there are.
    """

    source: int
    target: int
    fit: Fit
    confidence: Confidence
    evidence: tuple[str, ...]
    rivals: tuple[int, ...] = ()
    more: int = 0


def judged(
    evidence: Evidence, sources: Sequence[Item], targets: Sequence[Item]
) -> list[Judged]:
    """Return the best pairs with what is thought of each."""
    pairs = best_pairs(evidence, _DOUBT)
    doubts = doubts_of(evidence, [p[:2] for p in pairs if p.margin > 0])
    pairs = [_doubted(pair, doubts.get(pair[:2])) for pair in pairs]
    doubtful = {pair.source for pair in pairs if pair.margin < _CLOSE}
    if doubtful:
        pairs = _untied(evidence, sources, targets, pairs, doubtful)
    found = [_judged(evidence, sources, targets, pair) for pair in pairs]
    found = _with_square_doubts(found, sources, targets)
    reached = {each.target for each in found}
    shared = len(reached) / max(1, min(len(sources), len(targets)))
    return found if shared >= _AKIN else [*map(_less_sure, found)]


def _doubted(pair: Pair, doubts: Doubts | None) -> Pair:
    """Return a pair without a margin, and with its rivals, if nothing tells it."""
    if doubts is None or not doubts.any:
        return pair
    rivals = tuple(dict.fromkeys((*pair.rivals, *doubts.targets)))
    more = max(pair.more, len(rivals) - _MOST)
    return pair._replace(margin=0.0, rivals=rivals[:_MOST], more=max(0, more))


def _less_sure(each: Judged) -> Judged:
    """Return a pair of two models that have little in common."""
    if "equal bytes" in each.evidence:
        return each
    less: Confidence = "likely" if each.confidence == "certain" else "ambiguous"
    return each._replace(confidence=less)


def _untied(
    evidence: Evidence,
    sources: Sequence[Item],
    targets: Sequence[Item],
    pairs: Sequence[Pair],
    doubtful: set[int],
) -> list[Pair]:
    """Return the pairs with proposals for the doubtful that go with each other.

    Of two layers that cannot be told apart, kernel and bias are to come from the same:
    names are taken in order. That is a proposal, and no evidence.
    """
    by = _order(sources, targets)
    sure = [pair for pair in pairs if pair.source not in doubtful]
    for pair in sure:
        by[pair[:2]] += 100
    proposed = {pair.source: pair for pair in best_pairs(evidence.nudged(by), _DOUBT)}
    before = {pair.source: pair for pair in pairs}
    found = list(sure)
    for source in sorted(doubtful):
        old = before[source]
        target = proposed[source].target if source in proposed else old.target
        rivals = [c for c in (old.target, *old.rivals) if c != target]
        found.append(Pair(source, target, old.margin, tuple(rivals), old.more))
    return sorted(found)


def natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts names so that numbers count: ``w_2`` before ``w_10``."""
    parts = _DIGITS.split(name)
    return [(int(p[:18]), p) if at % 2 else (0, p) for at, p in enumerate(parts)]


def _order(sources: Sequence[Item], targets: Sequence[Item]) -> Floats:
    places: list[Floats] = []
    for side in (sources, targets):
        ordered = sorted(range(len(side)), key=lambda at: natural(side[at].names[-1]))
        place = np.zeros(len(side))
        place[ordered] = np.arange(len(side)) / max(1, len(side))
        places.append(place)
    # Squared, so that two pairs that do not cross are better than two that do.
    return -0.1 * (places[0][:, None] - places[1][None, :]) ** 2


def _judged(
    evidence: Evidence, sources: Sequence[Item], targets: Sequence[Item], pair: Pair
) -> Judged:
    at = pair.source, pair.target
    fit = evidence.fits[sources[pair.source].form, targets[pair.target].form]
    reasons = _reasons(evidence, pair, fit)
    confidence = _confidence(evidence, pair)
    return Judged(*at, fit, confidence, tuple(reasons), pair.rivals, pair.more)


def _confidence(evidence: Evidence, pair: Pair) -> Confidence:
    at = pair.source, pair.target
    alone = _is_only(evidence, pair)
    if evidence.bytes_[at] >= 1:
        return "certain"
    backed = evidence.score[at] - max(0.0, evidence.kinds[at])
    if alone and evidence.kinds[at] > 0:
        backed = max(backed, _BACKED)
    if pair.margin < _CLOSE or backed < _BACKED:
        return "ambiguous"
    named = evidence.words[at] > _BACKED
    around = evidence.layers[at] > _BACKED
    if alone:
        return "certain" if around or named else "likely"
    better = any(_is_better(evidence, pair, what) for what in ("words", "numbers"))
    agreeing = around or evidence.kinds[at] > 0
    is_sure = named and better and agreeing and pair.margin >= _CLEAR
    return "certain" if is_sure else "likely"


def _is_only(evidence: Evidence, pair: Pair) -> bool:
    row, column = evidence.possible[pair.source], evidence.possible[:, pair.target]
    return bool(row.sum() == 1 and column.sum() == 1)


def _is_better(evidence: Evidence, pair: Pair, what: str) -> bool:
    """Return whether one kind of evidence prefers the pair to the next best one."""
    values: Floats = getattr(evidence, what)
    others = np.where(
        evidence.possible[pair.source] > 0, evidence.score[pair.source], -np.inf
    )
    others[pair.target] = -np.inf
    rival = int(np.argmax(others))
    return bool(values[pair.source, pair.target] > values[pair.source, rival] + _BETTER)


def _reasons(evidence: Evidence, pair: Pair, fit: Fit) -> list[str]:
    at = pair.source, pair.target
    found = ["alone of this shape" if _is_only(evidence, pair) else fit.why]
    if found[0] != fit.why and fit.transform is not None:
        found.append(fit.why)
    if evidence.bytes_[at] >= 1:
        found.append("equal bytes")
    if evidence.kinds[at] > 0:
        found.append("part of the layer")
    if evidence.words[at] > _BACKED:
        found.append("words")
    if evidence.numbers[at] > _BACKED:
        found.append("numbers")
    if evidence.layers[at] > _BACKED:
        found.append("whole layer")
    return found


def _with_square_doubts(
    found: list[Judged], sources: Sequence[Item], targets: Sequence[Item]
) -> list[Judged]:
    """Doubt squares whose siblings are transposed: the form does not say."""
    turned = {
        (
            series_name(sources[j.source].names[-1]),
            series_name(targets[j.target].names[-1]),
        )
        for j in found
        if j.fit.why == "transposed"
    }
    doubted: list[Judged] = []
    for each in found:
        a, b = sources[each.source], targets[each.target]
        is_square = len(a.form.shape) == 2 and len(set(a.form.shape)) == 1
        siblings = series_name(a.names[-1]), series_name(b.names[-1])
        if is_square and each.fit.transform is None and siblings in turned:
            why = (*each.evidence, "square: transposed, as its siblings, or not")
            each = each._replace(confidence="ambiguous", evidence=why)  # noqa: PLW2901
        doubted.append(each)
    return doubted
