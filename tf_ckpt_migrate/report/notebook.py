"""Results as compact HTML tables for notebooks, with what is wrong first."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import chain
from typing import Any, TypeAlias

from tf_ckpt_migrate.checkpoint.describe import CheckpointDescription
from tf_ckpt_migrate.checkpoint.diff import CheckpointDiff
from tf_ckpt_migrate.conversion.suggestion.suggestion import Suggestion
from tf_ckpt_migrate.escapes import printable
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.report.content import MigrationReport

__all__ = ["html_table"]

_Row: TypeAlias = tuple[str, str, str]  # what it is, the name, the rest
_MOST = 50


def html_table(value: Any) -> str:
    """Return an HTML table of a result.

    Args:
      value: A plan, a report of a restore, a comparison, a suggestion, a description of
        a checkpoint, or a migration report.

    Example:
      >>> diff = CheckpointDiff("a", "b", ("<w>",), (), (), (), equal_count=2)
      >>> "<td>only in a</td><td>&lt;w&gt;</td><td></td>" in html_table(diff)
      True
    """
    rows = [*_rows(value)]
    shown = rows[:_MOST]
    if len(rows) > _MOST:
        shown.append(("…", f"{len(rows) - _MOST:,} more", ""))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown)
    return f"<table><caption>{_text(repr(value))}</caption>{body}</table>"


def _cell(text: str) -> str:
    return f"<td>{_text(text)}</td>"


def _text(text: str) -> str:
    return escape(printable(text))


def _rows(value: Any) -> Iterator[_Row]:
    if isinstance(value, CheckpointDiff):
        return _of_diff(value)
    if isinstance(value, Suggestion):
        return _of_suggestion(value)
    if isinstance(value, CheckpointDescription):
        return _of_description(value)
    if isinstance(value, MigrationReport):
        return _of_report(value)
    return _of_plan(value if isinstance(value, MigrationPlan) else value.plan)


def _of_plan(plan: MigrationPlan) -> Iterator[_Row]:
    inexact = (each for each in plan.verdicts if each.kind != "exact")
    return chain(
        (("not exact", str(each), "") for each in inexact),
        (("note", note, "") for note in plan.notes),
        (("dropped", key, reason) for key, reason in plan.dropped),
        (("kept", each.name, each.reason) for each in plan.kept_targets),
        (("restored", move.target, str(move)) for move in plan.moves),
    )


def _of_diff(diff: CheckpointDiff) -> Iterator[_Row]:
    return chain(
        (("other dtype or shape", e.key, f"{e.a}; {e.b}") for e in diff.specs),
        (
            ("other values", e.key, f"{e.difference.elements:,} of {e.elements:,}")
            for e in diff.values
        ),
        (("only in a", key, "") for key in diff.only_in_a),
        (("only in b", key, "") for key in diff.only_in_b),
    )


def _of_suggestion(suggestion: Suggestion) -> Iterator[_Row]:
    unmatched = suggestion.unmatched
    return chain(
        (
            ("ambiguous", each.source, ", ".join(each.candidates))
            for each in suggestion.ambiguities
        ),
        (("no target", name, "") for name in unmatched.source),
        (("no source", name, "") for name in unmatched.target),
        (("note", note, "") for note in suggestion.notes),
        ((each.confidence, each.source, each.target) for each in suggestion.matches),
    )


def _of_description(found: CheckpointDescription) -> Iterator[_Row]:
    return chain(
        (("missing file", path, "") for path in found.missing_files),
        (("note", note, "") for note in found.notes),
        (
            (role.name, f"{role.elements:,} elements", f"{role.nbytes:,} bytes")
            for role in found.roles
        ),
        ((each.role, each.key, each.dtype) for each in found.tensors),
    )


def _of_report(report: MigrationReport) -> Iterator[_Row]:
    return chain(
        ((each.level, each.title, each.why) for each in report.findings),
        (("note", note, "") for note in report.notes),
        ((status, f"{count:,}", "") for status, count in report.counts.items()),
    )
