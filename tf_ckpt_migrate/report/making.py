"""Makes a report of a plan, a checkpoint, two of them, or what a function returned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, get_args, runtime_checkable

from tf_ckpt_migrate.bundle.text_file import write_text
from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.conversion.convert import ConversionResult
from tf_ckpt_migrate.conversion.plan_on_file import read_plan
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.report.commands import Typed
from tf_ckpt_migrate.report.content import MigrationReport, WhichValues
from tf_ckpt_migrate.report.kinds import Making
from tf_ckpt_migrate.storage.access import is_file
from tf_ckpt_migrate.storage.paths import path_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike

__all__ = ["Restored", "Subject", "make_report", "write_report"]

_PLAN_SUFFIXES = (".yaml", ".yml", ".json")


@runtime_checkable
class Restored(Protocol):
    """What a restore returns: it has the plan that was carried out."""

    @property
    def plan(self) -> MigrationPlan:
        """What was carried out."""
        ...


Subject: TypeAlias = "CheckpointLike | MigrationPlan | ConversionResult | Restored"


@reopening
def make_report(  # noqa: PLR0913 what to show, by keyword
    subject: Subject,
    converted: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | MigrationPlan | None = None,
    *,
    values: WhichValues = "changed",
    typed: Typed | None = None,
    progress: Progress | None = None,
) -> MigrationReport:
    """Say what moved where, how well, and what needs a look.

    Args:
      subject: A checkpoint; a plan, or the path of one as YAML; or what ``convert`` or
        ``restore`` returned.
      converted: The checkpoint that came of the first, or of the plan; then it is held
        to that, value by value.
      assignment_map: Between two checkpoints, the rules or the plan that lead from the
        first to the second; None if all names are the same.
      values: Which values to read, for histograms and differences: ``"none"``;
        ``"changed"``, those that a transform changes or that are not, in both, the very
        same bytes of one file; ``"all"``.
      typed: What was typed to make it, for the commands that it shows.
      progress: Called with the bytes read so far and those there are.

    Returns:
      The report: print it, or take it ``to_html()`` or ``to_json()``.

    Raises:
      ValueError: If ``values`` is none of these, or what is given does not go together;
        a `RuleError` where a map or a plan goes with a plan.
      PlanError: If a plan was made for another checkpoint, or a map does not fit.
      CheckpointError: If a checkpoint cannot be read, or one of its values.

    Example:
      >>> import tf_ckpt_migrate as tcm
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0], "global_step": 7}) as prefix:
      ...     rules = [tcm.RenameScope("net", "model"), tcm.Drop("global_step")]
      ...     report = make_report(tcm.plan_migration(prefix, None, rules))
      >>> [finding.title for finding in report.findings]
      ['1 step counter left behind']
    """
    _check_words(values, assignment_map, paired=converted is not None)
    subject, typed = _loaded(subject, typed or Typed())
    making = Making(values, typed, progress)
    if converted is not None:
        return _paired(making, subject, as_reader(converted), assignment_map)
    if isinstance(subject, MigrationPlan):
        return making.of_plan(subject, "plan")
    if isinstance(subject, ConversionResult):
        return making.of_result(subject)
    if isinstance(subject, Restored):
        return making.of_plan(subject.plan, "restore")
    return making.of_checkpoint(as_reader(subject))


def write_report(
    subject: Subject,
    output: str | os.PathLike[str],
    converted: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | MigrationPlan | None = None,
    *,
    values: WhichValues = "changed",
) -> MigrationReport:
    """Write a report as one page, which needs no network and no other file.

    Args:
      subject: As of ``make_report``, as the other arguments are.
      output: The file to write; one that is there is replaced whole.
      converted: The checkpoint that came of it.
      assignment_map: What leads from one to the other.
      values: Which values to read.

    Returns:
      The report.

    Raises:
      CheckpointError: As ``make_report``.
      OSError: If the file cannot be written.

    Example:
      >>> import os
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     report = write_report(prefix, prefix + ".html", values="all")
      ...     os.path.exists(prefix + ".html")
      True
    """
    report = make_report(subject, converted, assignment_map, values=values)
    write_text(output, report.to_html())
    return report


def _check_words(values: str, assignment_map: object, *, paired: bool) -> None:
    if values not in get_args(WhichValues):
        raise ValueError(f'values={values!r}; expected "none", "changed" or "all"')
    if assignment_map is not None and not paired:
        raise ValueError(
            "an assignment map leads from one checkpoint to another, and there is one; "
            "give both, make_report(source, converted, assignment_map), or the plan "
            "that it makes: make_report(plan_migration(source, None, assignment_map))"
        )


def _loaded(subject: Subject, typed: Typed) -> tuple[Subject, Typed]:
    """Return the plan where a path is that of one."""
    if not isinstance(subject, str | Path):
        return subject, typed
    path = path_of(subject)
    if not path.endswith(_PLAN_SUFFIXES) or not is_file(path):
        return subject, typed
    return read_plan(path), typed._replace(plan=path)


def _paired(
    making: Making,
    subject: Subject,
    converted: CheckpointReader,
    assignment_map: AssignmentMapLike | MigrationPlan | None,
) -> MigrationReport:
    if isinstance(subject, MigrationPlan):
        if assignment_map is not None:
            raise RuleError(
                "a plan says itself what becomes of every tensor: give it without an "
                "assignment map"
            )
        return making.of_pair(as_reader(subject.source), converted, subject)
    if isinstance(subject, str | os.PathLike | CheckpointReader):
        return making.of_pair(as_reader(subject), converted, assignment_map)
    raise ValueError(
        f"subject={subject!r} has no checkpoint to compare {converted.prefix!r} with; "
        "expected a checkpoint or a plan"
    )
