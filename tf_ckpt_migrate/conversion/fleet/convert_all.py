"""Converts every checkpoint of a tree of folders, one after the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tf_ckpt_migrate.bundle.commit import check_folder_path
from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.checkpoint.owned_file import remove_left_behind
from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes, plain_text
from tf_ckpt_migrate.conversion.fleet.found import Found, by_folder, find, state_made
from tf_ckpt_migrate.conversion.fleet.once import Outcome, Status, convert_once
from tf_ckpt_migrate.conversion.fleet.request import Direction, Names, Request
from tf_ckpt_migrate.conversion.planning import Averages
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing, Unused
from tf_ckpt_migrate.storage.paths import path_of

__all__ = [
    "ConvertAllResult",
    "Sources",
    "carry_out",
    "convert_all",
    "found_for",
    "result_of",
]


_SHOWN = 50  # failures; what fails 2,000 times is mostly one thing


@dataclass(frozen=True)
class ConvertAllResult:
    """What became of many checkpoints.

    Attributes:
      outcomes: Of each checkpoint, in the order of the sources.
      others: What else has failed: folders that cannot be looked into, and state files.
      notes: What a reader should know.

    Example:
      >>> done = Outcome("a/m-1", "b/m-1", "converted", keys=7, bytes_linked=124)
      >>> lost = Outcome.of_error("a/m-2", "b/m-2", OSError(5, "Input/output error"))
      >>> print(ConvertAllResult((done, lost)))
      2 checkpoints: 1 converted, 0 there already, 1 failed
      7 keys; 124 bytes linked, 0 bytes written
      <BLANKLINE>
      failed  error    why
      a/m-2   OSError  [Errno 5] Input/output error
    """

    outcomes: tuple[Outcome, ...]
    others: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether none has failed; what is skipped has not."""
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """All that has failed."""
        lost = (each for each in self.outcomes if each.status == "failed")
        return (*lost, *self.others)

    def count(self, status: Status) -> int:
        """Return of how many checkpoints the status is this one."""
        return sum(each.status == status for each in self.outcomes)

    def __repr__(self) -> str:
        return (
            f"<ConvertAllResult {counted(len(self.outcomes), 'checkpoint')}: "
            f"{self.count('converted'):,} converted, {len(self.failed):,} failed>"
        )

    def __str__(self) -> str:
        failed = self.failed
        linked, written = (
            human_bytes(sum(getattr(each, name) for each in self.outcomes))
            for name in ("bytes_linked", "bytes_written")
        )
        keys = counted(sum(each.keys for each in self.outcomes), "key")
        head = counted(len(self.outcomes), "checkpoint")
        counts = f"{self.count('converted'):,} converted, {self.count('present'):,}"
        counts += " there already, "
        skipped = [each for each in self.outcomes if each.status == "skipped"]
        counts += f"{len(skipped):,} skipped, " if skipped else ""
        counts += f"{self.count('failed'):,} failed"
        blocks: list[str | Table] = [
            f"{head}: {counts}",
            f"{keys}; {linked} linked, {written} written",
            *_why_skipped(skipped),
            *(f"note: {note}" for note in self.notes),
        ]
        if failed:
            rows = [(each.source, each.error, each.reason) for each in failed]
            blocks += ["", Table(("failed", "error", "why"), rows[:_SHOWN])]
        if len(failed) > _SHOWN:
            kinds = Counter(each.error for each in failed).most_common()
            told = ", ".join(f"{number:,} {kind}" for kind, number in kinds)
            blocks.append(
                f"… and {len(failed) - _SHOWN:,} more; in all {told}; to_json() "
                "(--output_format=json) lists each"
            )
        return plain_text(blocks)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return to_json(
            {
                "converted": self.count("converted"),
                "present": self.count("present"),
                "skipped": self.count("skipped"),
                "failed": self.count("failed"),
                "outcomes": [each.to_config() for each in self.outcomes],
                "others": [each.to_config() for each in self.others],
                "notes": self.notes,
            }
        )


def _why_skipped(skipped: Iterable[Outcome]) -> Iterator[str]:
    """Yield one line for each reason to skip checkpoints, with the first of them."""
    by_reason: dict[str, list[str]] = {}
    for each in skipped:
        by_reason.setdefault(each.reason, []).append(each.source)
    for reason, sources in by_reason.items():
        yield f"skipped, as {reason}: {', '.join(capped(sources, 3))}"


Sources: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def convert_all(  # noqa: PLR0913 one request, and how to write: options by keyword
    sources: Sources,
    output_dir: str | os.PathLike[str],
    *,
    to: Direction | None = None,
    assignment_map: AssignmentMapLike | None = None,
    plan: MigrationPlan | None = None,
    like: str | os.PathLike[str] | None = None,
    names: Names = "full_name",
    unused: Unused = "error",
    missing: Missing = "error",
    averages: Averages | None = None,
    overwrite: bool = False,
    data: DataMode = "auto",
    progress: Progress | None = None,
) -> ConvertAllResult:
    """Convert every checkpoint below a folder, all by one request.

    The tree is kept: ``runs/a/model.ckpt-7`` of ``runs`` becomes
    ``output_dir/a/model.ckpt-7``, and where a folder has a ``checkpoint`` state file,
    that of its outputs names the same checkpoint as the latest. One that cannot be
    converted is told of in the result, and the others are converted all the same.

    What was converted before is recognised, by the source's index, by what was to be
    done with it and by the output's files, and stays as it is. So an interrupted run is
    resumed by running it again, and after a mended map only those are converted that
    had failed, or of which more is to be made now than then.

    Args:
      sources: A folder; a pattern of prefixes, as ``"runs/*/model.ckpt-*"``, in which
        ``**`` stands for any number of folders; a checkpoint; or several of these.
      output_dir: The folder for the outputs. It may lie in that of the sources. Like
        these, it may be on a far file system, as ``"gs://bucket/runs_tf2"``.
      to: ``"tf2"`` converts from names to objects, as ``convert_tf1_to_tf2``; ``"tf1"``
        back, as ``convert_tf2_to_tf1``; None gives other names only, as
        ``plan_migration`` and ``convert``. A checkpoint that has the wanted keys
        already is skipped.
      assignment_map: Rules from keys of a source to those of its output.
      plan: A plan for all, in place of rules and direction; it fits every checkpoint
        of the tensors that it was made for.
      like: A checkpoint whose keys, and object graph, every output is to have; for
        those of a model, one that the model has saved.
      names: With ``to="tf1"`` and no rules, where the names come from:
        ``"full_name"`` or ``"key"``.
      unused: What becomes of a source tensor without a place: ``"error"``,
        ``"keep"`` or ``"drop"``.
      missing: What becomes of a tensor of ``like`` without a source: ``"error"`` or
        ``"keep"``.
      averages: What variables get whose moving averages are there: ``"average"``,
        ``"raw"`` or ``"both"``.
      overwrite: Whether checkpoints may be replaced that others have written to where
        outputs go.
      data: ``"link"`` hard-links data shards, ``"copy"`` copies them, ``"auto"`` links
        where the file system can.
      progress: Called with the number of checkpoints done and of all.

    Returns:
      What became of each.

    Raises:
      CheckpointNotFoundError: If a source is not there, or nothing is found in it.
      OutputPathError: If the output folder is that of the sources or cannot be made, or
        two checkpoints would have one output.
      RuleError: If nothing is asked for, or a rule is not well formed.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     folder = os.path.dirname(prefix)
      ...     for _ in range(2):
      ...         result = convert_all(folder, os.path.join(folder, "tf2"), to="tf2")
      ...         print(str(result).splitlines()[0])
      1 checkpoint: 1 converted, 0 there already, 0 failed
      1 checkpoint: 0 converted, 1 there already, 0 failed
    """
    request = Request.asked(
        to=to,
        assignment_map=assignment_map,
        plan=plan,
        like=like,
        names=names,
        unused=unused,
        missing=missing,
        averages=averages,
        overwrite=overwrite,
        data=data,
    )
    found = found_for(request, sources, output_dir)
    return result_of(found, carry_out(request, found, progress))


def found_for(
    request: Request, sources: Sources, output_dir: str | os.PathLike[str]
) -> Found:
    """Return what is to be converted; the arguments are those of `convert_all`."""
    request.check()
    output_dir = path_of(output_dir)
    check_folder_path(output_dir)
    one = isinstance(sources, str | os.PathLike)
    each = [sources] if one else [*sources]
    return find([*map(path_of, each)], output_dir)


def carry_out(
    request: Request, found: Found, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Convert what was found, one after the other; yield what became of each."""
    for number, (source, output) in enumerate(found.pairs, 1):
        yield convert_once(request, source, output)
        if progress is not None:
            progress(number, len(found.pairs))


def result_of(found: Found, outcomes: Iterable[Outcome]) -> ConvertAllResult:
    """Give the folders their state files, and return all outcomes.

    Args:
      found: What was to be converted.
      outcomes: What became of it, in any order.
    """
    done = {each.output: each for each in outcomes}
    ordered = [done[output] for _, output in found.pairs]
    wrong = [Outcome.of_error(folder, "", e) for folder, e in found.unreadable]
    for (source, output), here in by_folder(ordered).items():
        if (lost := state_made(source, output, here)) is not None:
            wrong.append(lost)
        remove_left_behind(output)
    return ConvertAllResult(tuple(ordered), tuple(wrong), found.notes)
