"""Converts one checkpoint of many, unless that is done already."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from tf_ckpt_migrate.bundle.commit import (
    check_absent,
    existing_sizes,
    remove_unpublished,
)
from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.checkpoint.owned_file import owned_file
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.conversion.convert import ConversionResult, carried_out
from tf_ckpt_migrate.conversion.fleet.recognition import (
    Identity,
    Record,
    digest_of_source,
    record_path,
    remove_shards_without_index,
)
from tf_ckpt_migrate.conversion.fleet.request import Request
from tf_ckpt_migrate.errors import (
    CheckpointError,
    FarFileError,
    OutputExistsError,
    PlanError,
    capped,
)
from tf_ckpt_migrate.findings import OVERWRITE, Message
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.storage.access import looking_once
from tf_ckpt_migrate.storage.paths import basename, is_far

__all__ = ["Outcome", "Status", "convert_once"]


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


def convert_once(request: Request, source: str, output: str) -> Outcome:
    """Convert a checkpoint, unless its conversion is there already.

    Whatever goes wrong is in the outcome, so that the next checkpoint has its turn; an
    interruption by the user is not, and leaves nothing half-written. Where another
    process is at work on the same output, its end is awaited; on a far file system both
    write the same.

    Args:
      request: What is asked for.
      source: Prefix of the checkpoint.
      output: Prefix of its conversion.

    Returns:
      What became of it.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0, 2.0]}) as prefix:
      ...     for _ in range(2):
      ...         convert_once(Request(to="tf2"), prefix, f"{prefix}-tf2").status
      'converted'
      'present'
    """
    try:
        return _converted(request, source, output)
    except Exception as error:  # noqa: BLE001 - one bad checkpoint never stops the rest
        return Outcome.of_error(source, output, error)


def _converted(request: Request, source: str, output: str) -> Outcome:
    with looking_once():
        # Before it is opened: if it changes in between, the next run sees another
        # digest.
        digest = digest_of_source(source)
        reader = load_checkpoint(source)
    if why := request.reason_to_skip(reader):
        _check_shards(reader)
        return Outcome(source, output, "skipped", reason=why)
    plan = request.plan_for(reader)
    identity = Identity.of(digest, plan, request.to)
    present = Outcome(source, output, "present")
    if _is_present(identity, output):
        return present
    try:
        result = _made(request, reader, plan, identity, output)
    except Exception:
        # Of two workers, where there are no locks, one may see what the other changes.
        if is_far(output) and _is_present(identity, output):
            return present
        raise
    return present if result is None else Outcome.of_result(source, result)


def _check_shards(reader: CheckpointReader) -> None:
    """Check of a checkpoint that is skipped what a conversion would notice.

    Raises:
      CheckpointError: If a data shard is missing or too short.
    """
    if reader.bundle is not None:
        shards, index = reader.bundle.shards, reader.bundle.index
        for number in range(shards.count):
            shards.complete(number, index.end_of_shard(number))


def _made(
    request: Request,
    reader: CheckpointReader,
    plan: MigrationPlan,
    identity: Identity,
    output: str,
) -> ConversionResult | None:
    """Make the output; return None where another process has."""
    with owned_file(record_path(output)) as put:
        remove_unpublished(output)
        # Before the record is read: what another worker puts there comes after its own.
        there = existing_sizes(output)
        begun = Record.begun(identity, output, there)
        before = Record.read(output)
        if before and before.identity == identity:
            if before.is_of(output):  # another process has just made it
                return None
            if before.is_of_a_whole(output):
                put(Record.done(identity, output).text())
                return None
        if not request.overwrite:
            _check_ours(before, begun, output, there)
        if not is_far(output):
            if before is not None:
                remove_shards_without_index(output)
                begun = Record.begun(identity, output)
        elif before and before.output is None and before.identity == identity:
            begun = before
        put(begun.text())
        try:
            result = carried_out(
                plan,
                output,
                source=reader,
                overwrite=True,
                data=request.data,
                object_graph=False if request.to == "tf1" else None,
                avoiding=begun.counts if is_far(output) else None,
            )
            done = Record.done(identity, output)
            _check_whole(done, result)
        except BaseException:
            with suppress(OSError):
                if begun == Record.begun(identity, output):  # it is as it was
                    put("" if before is None else before.text())
            raise
        put(done.text())
    return result


def _check_ours(
    record: Record | None, begun: Record, output: str, there: Collection[str]
) -> None:
    """Refuse to replace what others have written there, or made of an output since.

    Raises:
      OutputExistsError: If there is such a checkpoint.
    """
    if record is None:
        check_absent(output, [*there])
    elif (
        record.output is not None and not record.is_of_what(begun) and _is_whole(output)
    ):
        raise OutputExistsError(
            Message(
                f"{output!r} is not as it was converted: somebody has written another "
                "checkpoint there since; move it away, or pass ",
                OVERWRITE,
                " to replace it",
            )
        )


def _check_whole(done: Record, result: ConversionResult) -> None:
    """Check that nobody has written another checkpoint there meanwhile.

    Raises:
      FarFileError: If somebody has, where no lock kept him out.
    """
    made = {basename(shard.path): shard.size for shard in result.shards}
    if done.files != made or not done.output:
        raise FarFileError(
            f"{result.prefix!r}: expected {made} as its data files and found "
            f"{done.files}: another program writes another checkpoint there at the "
            "same time; stop it, and run this again"
        )


def _is_whole(prefix: str) -> bool:
    try:
        return verify_checkpoint(prefix).ok
    except (CheckpointError, OSError):
        return False


def _is_present(identity: Identity, output: str) -> bool:
    record = Record.read(output)
    return record is not None and record.identity == identity and record.is_of(output)
