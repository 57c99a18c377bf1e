"""Says where two models begin to differ, by how much, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.checkpoint.text import Table, plain_text
from tf_ckpt_migrate.testing.causes import Findings, causes_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.outputs import Comparison, Row

__all__ = ["findings_text", "outputs_text", "shown"]

_LIKELY = "Likely cause, tried out:"
_BEFORE, _AFTER = 3, 3  # rows that are shown around the first difference


def outputs_text(comparison: Comparison) -> str:
    """Return it for people.

    Args:
      comparison: All of it; something in it differs.
    """
    rows = comparison.rows
    first = next(row for row in rows if not row.result.agrees)
    wrong = [row for row in rows if row.counts and not row.result.agrees]
    what = f"the model does not give what TF1 gives: {_title(wrong[0])}"
    lines = [
        f"{what}; the tolerance is {comparison.near}",
        "",
        *_table(rows, first),
        "",
        *findings_text(causes_of(comparison, first)),
    ]
    return "\n".join(lines)


def _title(row: Row) -> str:
    if math.isinf(row.result.max_abs):
        return f"{row.tf1!r} has {row.result.detail}"
    return f"{row.tf1!r} is off by up to {shown(row.result.max_abs)}"


def _table(rows: Sequence[Row], first: Row) -> list[str]:
    at = rows.index(first)
    start = max(0, at - _BEFORE)
    near = [*rows[start : at + 1 + _AFTER]]
    near += [row for row in rows[at + 1 + _AFTER :] if row.counts]
    cells = [
        (
            row.tf1,
            row.model,
            shown(row.result.max_abs),
            shown(row.result.max_rel),
            _remark(row, first),
        )
        for row in near
    ]
    columns = ("in TF1", "in the model", ">max abs", ">max rel", "")
    lines = plain_text([Table(columns, cells)]).splitlines()
    return [lines[0], *([f"… {start} before agree"] if start else []), *lines[1:]]


def _remark(row: Row, first: Row) -> str:
    if row.result.agrees:
        return "agrees"
    which = "first to differ, " if row is first else ""
    return f"{which}{row.result.detail}"


def shown(number: float) -> str:
    """Return a difference for a table.

    Example:
      >>> shown(0.0), shown(0.00012345), shown(math.inf)
      ('0', '0.00012', '-')
    """
    if math.isinf(number):
        return "-"
    return f"{number:.2g}"


def findings_text(findings: Findings) -> list[str]:
    """Return lines that say why, as far as trying told."""
    lines: list[str] = []
    if findings.causes:
        title = "Likely causes, tried out together:" if findings.is_joint else _LIKELY
        lines += [title, *(f"  {each}" for each in findings.causes)]
    elif findings.mended:
        title = "Tried out, this mends the first difference, but not the outputs:"
        lines += [title, *(f"  {each}" for each in findings.mended)]
    elif findings.closer:
        title = "Tried out, this brings it much closer, so something else differs too:"
        lines += [title, *(f"  {each}" for each in findings.closer)]
    else:
        lines.append("No cause was found by trying.")
    if findings.advice:
        lines += findings.advice.splitlines()
    if findings.causes:
        return lines
    if findings.tried:
        lines.append(f"Tried without effect: {', '.join(findings.tried)}.")
    if findings.failed:
        lines.append(f"Could not be tried: {', '.join(findings.failed)}.")
    if findings.limit:
        lines.append(f"Not everything was tried: {findings.limit}.")
    return lines
