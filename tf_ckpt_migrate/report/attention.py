"""What of a report needs a look: all that is not simply as it was, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from tf_ckpt_migrate.checkpoint.statistics import NumberStatistics
from tf_ckpt_migrate.checkpoint.text import counted

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.content import MigrationReport, Row

__all__ = ["Finding", "findings_of"]


class Finding(NamedTuple):
    """What needs a look.

    Attributes:
      level: ``"problem"`` for what is wrong, ``"check"`` for what was on purpose, or
        may be.
      title: What it is.
      why: The reason, or what to do.
      rows: Which rows of the report it is about, by number.
    """

    level: Literal["problem", "check"]
    title: str
    why: str = ""
    rows: tuple[int, ...] = ()


def findings_of(report: MigrationReport) -> tuple[Finding, ...]:
    """Return what needs a look, problems first.

    Example:
      >>> from tf_ckpt_migrate.report.content import MigrationReport, Row, Side, Tensor
      >>> w = Tensor("w", ("w",), "float32[2]", 8)
      >>> row = Row("dropped", "weight", (w,), reason="not needed")
      >>> findings_of(MigrationReport("plan", Side("a"), Side("b"), (row,)))[0].title
      '1 weight left behind'
    """
    found = [*_problems(report), *_checks(report)]
    return tuple(sorted(found, key=lambda each: each.level != "problem"))


def _problems(report: MigrationReport) -> Iterator[Finding]:
    for verdict in report.verdicts:
        if verdict.kind == "impossible":
            title = f"{verdict.optimizer} {verdict.what}: impossible"
            yield Finding("problem", title, verdict.reason)
    yield from _by(
        report,
        "problem",
        lambda row: row.status == "missing",
        "{} unused: not in the second checkpoint",
        lambda row: (
            "no tensor of that name is there; a rule that renames or drops it "
            "would account for it"
        ),
    )
    yield from _by(
        report,
        "problem",
        lambda row: row.status == "extra",
        "{} unused: only in the second checkpoint",
        lambda row: "nothing of the first was to become it",
    )
    yield from _by(
        report,
        "problem",
        lambda row: bool(row.found),
        "{} of another dtype or shape",
        lambda row: f"planned {row.main.spec}, found {row.found}",
    )
    yield from _by(
        report,
        "problem",
        lambda row: report.kind == "pair" and row.differs and not row.found,
        "{} of other values",
        lambda row: "the second checkpoint does not hold what it should",
    )


def _checks(report: MigrationReport) -> Iterator[Finding]:
    for verdict in report.verdicts:
        if verdict.kind == "approximate":
            title = f"{verdict.optimizer} {verdict.what}: approximate"
            yield Finding("check", title, verdict.reason)
    yield from _by(
        report,
        "check",
        lambda row: row.status == "dropped",
        "{} left behind",
        lambda row: row.reason,
    )
    yield from _by(
        report,
        "check",
        lambda row: row.status == "held",
        "{} of the target not filled: the value it has stays",
        lambda row: row.reason,
    )
    yield from _by(
        report,
        "check",
        lambda row: not row.exact,
        "{} rounded",
        lambda row: f"{row.transform} does not keep every digit",
    )
    yield from _by(
        report,
        "check",
        _has_odd_values,
        "{} with NaN or infinite values",
        lambda row: "",
    )


def _has_odd_values(row: Row) -> bool:
    found = [each.statistics for each in (row.before, row.after) if each is not None]
    return any(
        bool(each.nans or each.infinities)
        for each in found
        if isinstance(each, NumberStatistics)
    )


_NOUNS = {
    "weight": "weight",
    "slot": "optimizer slot",
    "average": "moving average",
    "step": "step counter",
    "optimizer": "optimizer variable",
    "bookkeeping": "bookkeeping tensor",
}


def _by(
    report: MigrationReport,
    level: Literal["problem", "check"],
    is_one: Callable[[Row], bool],
    title: str,
    why: Callable[[Row], str],
) -> Iterator[Finding]:
    """Yield a finding for each role and reason; rows come with weights first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(report.rows):
        if is_one(row):
            groups.setdefault((row.role, why(row)), []).append(number)
    for (role, reason), rows in groups.items():
        yield Finding(
            level, title.format(counted(len(rows), _NOUNS[role])), reason, tuple(rows)
        )
