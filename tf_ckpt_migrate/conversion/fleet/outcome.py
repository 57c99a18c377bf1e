"""What became of one checkpoint of many."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.result import ConversionResult
from tf_ckpt_migrate.errors import PlanError, capped

__all__ = ["Outcome", "Status"]

Status: TypeAlias = Literal["converted", "present", "skipped", "failed"]

_LONGEST = 1000  # characters of a reason: of 2,000 failures, all must be readable
_IN_PLACE = (Transfer.LINKED, Transfer.MOVED, Transfer.SYMLINKED)


@dataclass(frozen=True)
class Outcome:
    """What became of one checkpoint.

    Attributes:
      source: Its prefix.
      output: The prefix that its conversion has, or was to have.
      status: ``"converted"`` now; ``"present"`` where the output was there already, of
        this source and this request; ``"skipped"`` where the source has the wanted
        keys already; ``"failed"``.
      error: The kind of error, as ``"MissingShardError"``; "" without one.
      reason: What it says, in one line; or why the checkpoint is skipped.
      keys: Number of keys of what was converted.
      bytes_linked: Of data shards that were linked.
      bytes_written: Of data shards that were copied or written.

    Example:
      >>> print(Outcome.of_error("a/m", "b/m", OSError(28, "No space left on device")))
      a/m: failed: OSError: [Errno 28] No space left on device
    """

    source: str
    output: str
    status: Status
    error: str = ""
    reason: str = ""
    keys: int = 0
    bytes_linked: int = 0
    bytes_written: int = 0

    @classmethod
    def of_result(cls, source: str, result: ConversionResult) -> Outcome:
        """Return the outcome of a conversion that was carried out."""
        linked = sum(result.bytes_by(way) for way in _IN_PLACE)
        return cls(
            source,
            result.prefix,
            "converted",
            keys=result.keys,
            bytes_linked=linked,
            bytes_written=sum(shard.size for shard in result.shards) - linked,
        )

    @classmethod
    def of_error(cls, source: str, output: str, error: Exception) -> Outcome:
        """Return the outcome of a conversion that an error has ended."""
        reason = _one_line(error)
        if len(reason) > _LONGEST:
            reason = f"{reason[:_LONGEST]}…"
        return cls(source, output, "failed", type(error).__name__, reason)

    def __str__(self) -> str:
        told = (f"{self.source}: {self.status}", self.error, self.reason)
        return ": ".join(filter(None, told))

    def to_config(self) -> dict[str, Any]:
        """Return plain data, of which `Outcome(**config)` is the outcome again."""
        return asdict(self)


def _one_line(error: Exception) -> str:
    if isinstance(error, PlanError) and error.problems:
        problems = "; ".join(capped(error.problems, 3))
        found = counted(len(error.problems), "thing")
        return " ".join(f"{found} unaccounted for: {problems}".split())
    return " ".join(str(error).split())
