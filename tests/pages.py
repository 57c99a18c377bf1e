"""Tables in ``docs/`` that tests measure: marked, read, and written anew.

A table stands between two comments:

    <!-- measured: NAME, by python -m MODULE -->
    <!-- end of NAME -->

An environment knows only some of the columns, as one Keras has no other beside it. So a
generator reads the table, puts in what it has measured, and writes all of it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["DOCS", "bound", "holds", "read_table", "write_table"]

DOCS = Path(__file__).parent.parent / "docs"
_LEAST = 1e-6  # what is told of a difference that is no more than rounding


def read_table(page: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table, by the heads of its columns."""
    lines = _block(page.read_text(encoding="utf-8"), page, name)[2].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def write_table(page: Path, name: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Replace a table by rows that all have the same columns."""
    text = page.read_text(encoding="utf-8")
    block = _block(text, page, name)
    heads = list(rows[0])
    lines = [
        heads,
        ["---"] * len(heads),
        *([row[head] for head in heads] for row in rows),
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    new = f"{block[1]}\n{table}\n{block[3]}"
    page.write_text(text.replace(block[0], new), encoding="utf-8")


def bound(measured: float) -> str:
    """Return what is told of a difference, which may vary: 1, 2 or 5 of some power.

    A third more than was measured is below it, and nothing less than 1e-6 is told.
    """
    steps = (float(f"{digit}e{power}") for power in range(-6, 3) for digit in (1, 2, 5))
    least = next(step for step in steps if step >= 4 / 3 * measured)
    return f"{least:g}".replace("e-0", "e-")


def holds(told: str, measured: float) -> bool:
    """Return whether a bound is kept, and not far more than it need be."""
    return measured <= float(told) <= max(100 * measured, _LEAST)


def _block(text: str, page: Path, name: str) -> re.Match[str]:
    start = rf"(<!-- measured: {re.escape(name)},.*? -->)\n"
    end = rf"(<!-- end of {re.escape(name)} -->)"
    found = re.search(f"{start}(.*?){end}", text, re.DOTALL)
    if not found:
        raise LookupError(f"{page} has no table between comments named {name!r}")
    return found
