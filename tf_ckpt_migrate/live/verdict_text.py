"""Verdicts as people read them: for each optimizer a sentence, then a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tf_ckpt_migrate.checkpoint.text import Table
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.names.verdict_text import VERDICT_COLUMNS, verdict_groups

__all__ = ["verdict_blocks"]


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
    for head, rows in verdict_groups(verdicts):
        yield from head
        yield Table(VERDICT_COLUMNS, rows)
