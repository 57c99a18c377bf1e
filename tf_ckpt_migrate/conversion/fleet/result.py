"""What became of many checkpoints, as a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tf_ckpt_migrate.checkpoint.text import Table, counted, human_bytes, plain_text
from tf_ckpt_migrate.conversion.fleet.outcome import Outcome, Status
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.escapes import to_json

__all__ = ["ConvertAllResult"]

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
