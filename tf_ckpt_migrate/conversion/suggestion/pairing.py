"""What is chosen for what, and the rules that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tf_ckpt_migrate.conversion.suggestion.cells import HEADS
from tf_ckpt_migrate.conversion.suggestion.confidence import Confidence, judged
from tf_ckpt_migrate.conversion.suggestion.fits import Fit
from tf_ckpt_migrate.conversion.suggestion.items import Item, Side
from tf_ckpt_migrate.conversion.suggestion.linear import Floats
from tf_ckpt_migrate.conversion.suggestion.scores import evidence_of
from tf_ckpt_migrate.conversion.suggestion.target_names import Names
from tf_ckpt_migrate.names.compression import Renamed
from tf_ckpt_migrate.names.rules import Recipe, Rule, Split
from tf_ckpt_migrate.transforms import Chain, Reshape, Slice, Transform

__all__ = ["Choice", "chosen", "rules_of_whole"]


class Choice(NamedTuple):
    """A source, the target chosen for it, and what is thought of that.

    Attributes:
      source: What is taken.
      target: What is filled.
      fit: How one becomes the other.
      confidence: How sure that is.
      evidence: What speaks for it.
      rivals: What might as well be filled, the best first.
      more: How much else might.
    """

    source: Item
    target: Item
    fit: Fit
    confidence: Confidence
    evidence: tuple[str, ...]
    rivals: tuple[Item, ...] = ()
    more: int = 0

    def renamed(self, names: Names) -> Renamed:
        """Return it as one rename of one tensor."""
        return Renamed(self.source.key, names(self.target.key), self.fit.transform)


def chosen(
    sources: Sequence[Item], targets: Sequence[Item], same_bytes: Floats
) -> list[Choice]:
    """Return the best pairs, in the order of the sources."""
    if not sources or not targets:
        return []
    evidence = evidence_of(sources, targets, same_bytes)
    return [
        _with_assumptions(
            Choice(
                sources[each.source],
                targets[each.target],
                each.fit,
                each.confidence,
                each.evidence,
                tuple(targets[rival] for rival in each.rivals),
                each.more,
            )
        )
        for each in judged(evidence, sources, targets)
    ]


def _with_assumptions(choice: Choice) -> Choice:
    """Be less sure of joined heads: that query comes first no file says."""
    if choice.source.form.kind != "heads" or choice.confidence != "certain":
        return choice
    why = (*choice.evidence, f"{', '.join(HEADS)} taken in this order")
    return choice._replace(confidence="likely", evidence=why)


def rules_of_whole(
    choice: Choice, ours: Side, theirs: Side, names: Names
) -> list[Rule]:
    """Return the rules for a pair that stands for several tensors."""
    source, target = choice.source, choice.target
    if source.form.kind == "heads":
        return _split_heads(source, target, ours, theirs, names)
    kind = source.form.kind.removesuffix("_twice")
    options = {"forget_bias": 0.0} if "cudnn" in source.key else {}
    return [Recipe(kind, source.key or "/", target.key or "/", **options)]


def _split_heads(
    source: Item, target: Item, ours: Side, theirs: Side, names: Names
) -> list[Rule]:
    """Return rules that cut columns into query, key and value, in this order."""
    found: list[Rule] = []
    for which, key in enumerate(source.members):
        goals: dict[str, Transform | None] = {}
        parts = target.members[len(HEADS) * which :][: len(HEADS)]
        for at, part in enumerate(parts):
            shape = theirs.specs[part].shape
            goals[names(part)[0]] = _cut(ours.specs[key].shape, shape, at)
        found.append(Split(key, goals))
    return found


def _cut(whole: tuple[int, ...], shape: tuple[int, ...], at: int) -> Transform:
    columns = whole[-1] // len(HEADS)
    rows = whole[-2:-1]
    steps: list[Transform] = []
    if len(whole) > len(rows) + 1:
        steps.append(Reshape((*rows, whole[-1])))
    begin = (*(0 for _ in rows), at * columns)
    steps.append(Slice(begin, (*rows, columns)))
    if (*rows, columns) != shape and math.prod(shape) == math.prod((*rows, columns)):
        steps.append(Reshape(shape))
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))
