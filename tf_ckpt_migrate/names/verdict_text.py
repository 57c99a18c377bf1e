"""Verdicts as people read them: for each optimizer a sentence, then a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from tf_ckpt_migrate.names.verdict import STEPS_AHEAD, Verdict

__all__ = ["VERDICT_COLUMNS", "verdict_groups"]

VERDICT_COLUMNS = ("what", "verdict", "why")

_ANY = float("inf")


def verdict_groups(
    verdicts: Iterable[Verdict],
) -> Iterator[tuple[list[str], list[tuple[str, ...]]]]:
    r"""Yield for each optimizer lines about it, and rows of `VERDICT_COLUMNS`.

    Example:
      >>> known = Verdict("Adam", "epsilon", "exact", "1e-08, as you say", into="opt")
      >>> for head, rows in verdict_groups([known]):
      ...     print(*head, *rows, sep="\n")
      optimizer 'Adam' goes on in 'opt' as in TF1
      ('epsilon', 'exact', '1e-08, as you say')
    """
    by_optimizer: dict[tuple[str, str], list[Verdict]] = {}
    for each in verdicts:
        by_optimizer.setdefault((each.optimizer, each.into), []).append(each)
    for (optimizer, into), own in by_optimizer.items():
        text = _summary(own, is_of_tf1=not own[0].saved_by)
        head = [f"optimizer {optimizer!r} goes on in {into!r} {text}"]
        assumed = ", ".join(each.assumes for each in own if each.assumes)
        supposed = ", ".join(each.supposes for each in own if each.supposes)
        given = [f"{own[0].saved_by or 'TF1'} had {assumed}"] if assumed else []
        given += [f"Keras has {supposed}"] if supposed else []
        if given:
            head.append(
                f"if {' and '.join(given)}: no checkpoint tells, nor does the recipe"
            )
        # What is not exact comes first: it is what someone has to read.
        rows = sorted(own, key=lambda verdict: verdict.kind == "exact")
        yield head, [(each.what, each.kind, each.reason) for each in rows]


def _summary(verdicts: Sequence[Verdict], *, is_of_tf1: bool) -> str:
    doubtful = [each for each in verdicts if each.kind != "exact"]
    far = math.prod(1 + each.how_far for each in doubtful) - 1
    names = ", ".join(dict.fromkeys(each.what for each in doubtful))
    as_before = "as in TF1" if is_of_tf1 else "as before"
    if not doubtful:
        return as_before
    if far == _ANY:
        return f"not {as_before}: {names}"
    steps = f"with the next {STEPS_AHEAD} steps each within {far:.1e} of"
    return f"{steps} {'TF1' if is_of_tf1 else 'the saved one'}'s: {names}"
