"""A report as lines and tables, for terminals and pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.checkpoint.statistics import NumberStatistics
from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes
from tf_ckpt_migrate.live.report import verdict_blocks
from tf_ckpt_migrate.report.words import (
    SECTION_TITLES,
    STATUS_WORDS,
    head_line,
    judged,
    side_line,
)

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.content import MigrationReport, Row, Values

__all__ = ["told"]

_LISTED = 10  # rows under a finding; the sections below have them all


def told(report: MigrationReport) -> Iterator[str | Table]:
    """Yield lines and tables that say what a report says, what needs a look first."""
    yield head_line(report)
    yield f"from {side_line(report.source)}"
    if report.target is not None:
        yield f"to   {side_line(report.target)}"
    yield from (f"note: {note}" for note in report.notes)
    yield from _findings(report)
    if report.verdicts:
        yield ""
        yield from verdict_blocks(report.verdicts)
    for name, title in SECTION_TITLES.items():
        rows_of = report.section(name)
        if rows_of:
            yield ""
            size = human_bytes(sum(row.main.nbytes for row in rows_of))
            yield f"{title}: {counted(len(rows_of), 'tensor')}, {size}"
            yield _rows(rows_of)
    if report.commands:
        yield ""
        yield "To do it again:"
        yield from (f"  {each.text}  # {each.what}" for each in report.commands)


def _findings(report: MigrationReport) -> Iterator[str | Table]:
    for finding in report.findings:
        yield ""
        why = f" ({finding.why})" if finding.why else ""
        yield f"{finding.level}: {finding.title}{why}"
        for number in finding.rows[:_LISTED]:
            yield f"  {report.rows[number].main.key}"
        if len(finding.rows) > _LISTED:
            yield f"  … and {len(finding.rows) - _LISTED:,} more"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return "(same name)" if row.status == "kept" else row.target.key


def _values(values: Values | None) -> str:
    if values is None:
        return ""
    found = values.statistics
    if not isinstance(found, NumberStatistics):
        return counted(found.elements, "string")
    if found.mean is None or found.deviation is None:
        return "nothing finite"
    return f"{found.mean:.4g} ± {found.deviation:.3g}"


_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "source": lambda row: " + ".join(tensor.key for tensor in row.sources),
    "target": _target,
    "tensor": lambda row: row.main.spec,
    ">bytes": lambda row: f"{row.main.nbytes:,}",
    "what": lambda row: row.transform or STATUS_WORDS[row.status],
    "before (mean ± deviation)": lambda row: _values(row.before),
    "after": lambda row: _values(row.after),
    "difference": judged,
}


def _rows(rows: Sequence[Row]) -> Table:
    """Return a table of rows, without the columns that all leave empty."""
    cells = {name: [cell(row) for row in rows] for name, cell in _COLUMNS.items()}
    told = {name: column for name, column in cells.items() if any(column)}
    return Table(tuple(told), list(zip(*told.values(), strict=True)))
