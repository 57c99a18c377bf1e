"""The words of a report, which its page, its text and its terminal form share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_ckpt_migrate.checkpoint.text import counted, human_bytes

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.content import MigrationReport, Row, Side, Status

__all__ = [
    "SECTIONS",
    "SECTION_TITLES",
    "STATUS_WORDS",
    "head_line",
    "judged",
    "side_line",
]

# What training needs apart from what it makes, and apart from what only serves
# TensorFlow.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "weights": ("weight",),
    "optimizer": ("slot", "average", "optimizer", "step"),
    "bookkeeping": ("bookkeeping",),
}

SECTION_TITLES: Mapping[str, str] = {
    "weights": "Weights",
    "optimizer": "Optimizer state",
    "bookkeeping": "Bookkeeping",
}

STATUS_WORDS: Mapping[Status, str] = {
    "renamed": "renamed",
    "kept": "same name",
    "computed": "computed",
    "dropped": "left behind",
    "held": "keeps its value",
    "added": "added",
    "missing": "not there",
    "extra": "of no source",
    "present": "",
}


def head_line(report: MigrationReport) -> str:
    """Return one line that says how it stands."""
    counts = [
        f"{number:,} {STATUS_WORDS[status]}"
        for status in STATUS_WORDS
        if (number := report.counts.get(status)) and STATUS_WORDS[status]
    ]
    problems = sum(each.level == "problem" for each in report.findings)
    head = counted(problems, "problem") if problems else ""
    return ", ".join(filter(None, [head, counted(len(report.rows), "tensor"), *counts]))


def side_line(side: Side) -> str:
    """Return what a side is, in a line."""
    files = ""
    if side.files:
        files = f"{human_bytes(side.file_bytes)} in {counted(side.files, 'file')}"
    known = counted(side.tensors, "tensor") if side.tensors else ""
    parts = filter(None, [side.format, known, files or human_bytes(side.nbytes)])
    return f"{side.name or 'other names'} ({', '.join(parts)})"


def judged(row: Row) -> str:
    """Return how the target compares with what it should be; "" if nobody looked."""
    if row.found:
        return f"found {row.found}"
    if row.shared:
        return "same bytes"
    found = row.difference
    if found is None:
        return ""
    if not found.elements:
        return "equal"
    far = "" if found.max_abs is None else f", max abs {found.max_abs:.3g}"
    verb = "differs" if found.elements == 1 else "differ"
    return f"{counted(found.elements, 'element')} {verb}{far}"
