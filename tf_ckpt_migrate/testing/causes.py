"""Finds why a layer differs from TF1's by trying: with which change would it agree?

A change is made to one layer of the running model, the model is run again, and what the
layer that differed then gives is compared with what TF1 gave. Nothing is guessed: a
cause is told only if the difference goes away with it, or nearly all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.testing.layers import Listened, run
from tf_ckpt_migrate.testing.relations import relation_of
from tf_ckpt_migrate.testing.search import Outcome, Search, found_in, told

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.outputs import Comparison, Row

__all__ = ["Findings", "causes_of"]

_TOGETHER = 4  # causes that are found one after the other


class Findings(NamedTuple):
    """What was found by trying.

    Attributes:
      causes: What makes the difference go away, a sentence each.
      is_joint: Whether only all causes together do.
      mended: What makes the first differences go away, but not those of the outputs.
      closer: What makes the first difference much smaller.
      tried: The kinds of changes that did not help.
      failed: The changes that could not be made, with the error that said so.
      advice: What to change in the map.
      limit: What was not tried any more; empty if everything was.
    """

    causes: Sequence[str] = ()
    is_joint: bool = False
    mended: Sequence[str] = ()
    closer: Sequence[str] = ()
    tried: Sequence[str] = ()
    failed: Sequence[str] = ()
    advice: str = ""
    limit: str = ""


def causes_of(comparison: Comparison, row: Row) -> Findings:
    """Return why a row differs.

    A change that makes the first row agree, but not the outputs, is kept, and a cause
    of what differs then is searched for.

    Args:
      comparison: All of it.
      row: The first that differs.
    """
    random = [*_random(comparison)]
    if random:  # nothing else could be told from what changes by itself
        return Findings(random)
    found = found_in(comparison, comparison.listened, row)
    if relation := relation_of(row.expected, found):
        return Findings([relation])
    search = Search(comparison)
    made: list[Outcome] = []
    first = row
    while len(made) < _TOGETHER:
        outcomes = search.outcomes(first, made)
        solved = [each for each in outcomes if each.is_whole]
        if solved:
            advice = {search.advice([*made, each]): None for each in solved}
            return Findings(
                [*map(str, made), *told(solved)],
                bool(made),
                advice="\n".join(filter(None, advice)),
            )
        mended = [each for each in outcomes if each.result.agrees]
        if not mended:
            break
        made.append(
            search.widened(min(mended, key=lambda each: each.result.max_abs), made)
        )
        if made[-1].is_whole:
            advice = search.advice(made)
            return Findings([*map(str, made)], len(made) > 1, advice=advice)
        following = search.first_after(made)
        if following is None or following is first:
            break
        first = following
    most = row.result.max_abs
    return Findings(
        mended=[*map(str, made)],
        closer=[] if made else told(search.closer(most)),
        tried=[*dict.fromkeys(search.kinds)],
        failed=[f"{kind} ({why})" for kind, why in search.failed.items()],
        advice=search.advice(made),
        limit=search.limit,
    )


def _random(comparison: Comparison) -> Iterator[str]:
    """Yield what gives something else each time: dropout that is on."""
    reference = comparison.reference
    fetches = list(reference.results.values())
    if _differ(reference.run(fetches), reference.run(fetches)):
        yield (
            "TF1's outputs are random: they change from run to run. Its dropout is on; "
            "build the graph for inference (keep_prob=1, training=False)"
        )
    again = _again(comparison)
    for one, other in zip(comparison.listened.captures, again.captures, strict=False):
        if one.name == other.name and _differ([one.output], [other.output]):
            yield (
                f"layer {one.name!r} of the model is random: it changes from run to "
                "run. Dropout is on; call the model with training=False"
            )
            return
    if not again.captures and _differ([_first(comparison.listened)], [_first(again)]):
        yield (
            "the model's output is random: it changes from run to run. Dropout is on; "
            "call it for inference"
        )


def _first(listened: Listened) -> Any:
    from tf_ckpt_migrate.testing.tf1 import named_results

    return next(iter(named_results(listened.result).values()))


def _differ(one: Sequence[Any], other: Sequence[Any]) -> bool:
    import numpy as np

    return any(
        not np.array_equal(np.asarray(a), np.asarray(b))
        for a, b in zip(one, other, strict=True)
    )


def _again(comparison: Comparison, **options: Any) -> Listened:
    return run(
        comparison.model, comparison.inputs, training=comparison.training, **options
    )
