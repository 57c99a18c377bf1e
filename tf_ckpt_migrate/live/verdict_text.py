"""Verdicts as people read them: for each optimizer a sentence, then a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from tf_ckpt_migrate.checkpoint.text import Table
from tf_ckpt_migrate.recipes.epsilon import STEPS_AHEAD
from tf_ckpt_migrate.recipes.verdicts import Verdict

__all__ = ["verdict_blocks"]

_ANY = float("inf")


def verdict_blocks(verdicts: Iterable[Verdict]) -> Iterator[str | Table]:
    """Yield lines and tables.

    Example:
      >>> from tf_ckpt_migrate.checkpoint.text import plain_text
      >>> epsilon = Verdict("Adam", "epsilon", "exact", "1e-08, as you say", into="opt")
      >>> print(plain_text(verdict_blocks([epsilon])))
      optimizer 'Adam' goes on in 'opt' as in TF1
      what     verdict  why
      epsilon  exact    1e-08, as you say
    """
    by_optimizer: dict[tuple[str, str], list[Verdict]] = {}
    for each in verdicts:
        by_optimizer.setdefault((each.optimizer, each.into), []).append(each)
    for (optimizer, into), own in by_optimizer.items():
        yield f"optimizer {optimizer!r} goes on in {into!r} {_summary(own)}"
        assumed = ", ".join(each.assumes for each in own if each.assumes)
        if assumed:
            yield f"if TF1 had {assumed}: no checkpoint tells, nor does the recipe"
        # What is not exact comes first: it is what someone has to read.
        rows = sorted(own, key=lambda verdict: verdict.kind == "exact")
        yield Table(
            ("what", "verdict", "why"),
            [(each.what, each.kind, each.reason) for each in rows],
        )


def _summary(verdicts: Sequence[Verdict]) -> str:
    doubtful = [each for each in verdicts if each.kind != "exact"]
    far = math.prod(1 + each.how_far for each in doubtful) - 1
    names = ", ".join(each.what for each in doubtful)
    if not doubtful:
        return "as in TF1"
    if far == _ANY:
        return f"not as in TF1: {names}"
    return f"with the next {STEPS_AHEAD} steps each within {far:.1e} of TF1's: {names}"
