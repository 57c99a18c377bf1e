"""What is chosen for what, and the rules that say so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.conversion.suggestion.cells import HEADS
from tf_ckpt_migrate.conversion.suggestion.evidence import Evidence, Pairs
from tf_ckpt_migrate.conversion.suggestion.items import Item, Names, Side
from tf_ckpt_migrate.conversion.suggestion.layers import Fit, Layer
from tf_ckpt_migrate.conversion.suggestion.matching import Confidence, Judged, judged
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
    sources: Sequence[Layer],
    targets: Sequence[Layer],
    same_bytes: Pairs,
    order: Pairs,
) -> list[Choice]:
    """Return the best pairs of tensors, those of one layer together."""
    if not sources or not targets:
        return []
    evidence = Evidence(sources, targets, same_bytes, order)
    return [
        _with_assumptions(choice)
        for each in judged(evidence)
        for choice in _parts_of(evidence, each)
    ]


def _parts_of(evidence: Evidence, each: Judged) -> Iterator[Choice]:
    """Yield the pairs of tensors of a pair of layers."""
    source, target = evidence.sources[each.source], evidence.targets[each.target]
    fit = evidence.fit(each.source, each.target)
    others = [(t, evidence.find_fit(each.source, t)) for t in each.rivals]
    for ours, theirs, how in fit.pairs:
        roles = [(t, role) for t, other in others if other
                 for mine, role, _ in other.pairs if mine == ours]  # fmt: skip
        rivals = tuple(evidence.targets[t].parts[role] for t, role in roles)
        is_known = each.evidence[:1] == ("alone of this shape",)
        why = each.evidence if is_known else (how.why, *each.evidence)
        if is_known and how.transform is not None:
            why = (why[0], how.why, *why[1:])
        yield Choice(source.parts[ours], target.parts[theirs], how, each.confidence,
                     tuple(dict.fromkeys(why)), rivals, each.more)  # fmt: skip


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
    return [Recipe(kind, source.key or "/", target.key or "/")]


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
