"""A report as lines and tables, for terminals and pipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tf_ckpt_migrate.checkpoint.statistics import NumberStatistics
from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes
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
        rows = [
            (each.optimizer, each.what, each.kind, each.why, each.instead)
            for each in report.verdicts
        ]
        yield Table(("optimizer", "what", "verdict", "why", "instead"), rows)
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


def _rows(rows: Sequence[Row]) -> Table:
    has_values = any(row.before or row.after for row in rows)
    columns = ("source", "target", "tensor", ">bytes", "what")
    if has_values:
        columns += ("before", "after", "difference")
    made: list[tuple[str, ...]] = []
    for row in rows:
        cells = (
            " + ".join(tensor.key for tensor in row.sources),
            _target(row),
            row.main.spec,
            f"{row.main.nbytes:,}",
            _what(row),
        )
        if has_values:
            cells += (_values(row.before), _values(row.after), judged(row))
        made.append(cells)
    if not any(row.target for row in rows):
        keep = [number for number in range(len(columns)) if number not in (1, 6, 7)]
        columns = tuple(columns[number] for number in keep)
        made = [tuple(cells[number] for number in keep) for cells in made]
    return Table(columns, made)


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return "(same name)" if row.status == "kept" else row.target.key


def _what(row: Row) -> str:
    if row.transform and row.status == "computed":
        return row.transform
    return STATUS_WORDS[row.status]


def _values(values: Values | None) -> str:
    if values is None:
        return ""
    found = values.statistics
    if not isinstance(found, NumberStatistics):
        return counted(found.elements, "string")
    if found.mean is None or found.deviation is None:
        return "nothing finite"
    return f"{found.mean:.4g} ± {found.deviation:.3g}"
