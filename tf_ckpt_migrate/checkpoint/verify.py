"""Verifies a checkpoint: every byte against its checksum, every reference both ways."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.shards import mapped
from tf_ckpt_migrate.bundle.writer import Progress, unheard
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.checkpoint.verify_bundle import BundleVerifier
from tf_ckpt_migrate.checkpoint.verify_graph import graph_problems
from tf_ckpt_migrate.errors import CheckpointError, CorruptCheckpointError
from tf_ckpt_migrate.escapes import printable, to_json
from tf_ckpt_migrate.findings import Finding, as_findings, message_of
from tf_ckpt_migrate.storage.access import size_of
from tf_ckpt_migrate.table.reader import TableReader

__all__ = ["Verification", "verify_checkpoint"]


class Verification(NamedTuple):
    """What verifying a checkpoint found.

    Attributes:
      prefix: Of the checkpoint.
      tensors: Number of its keys.
      checked_bytes: Bytes that were read and have the right checksum.
      problems: All that is wrong, a sentence each.
      notes: What is not wrong, but worth knowing.
      checked_tensors: Number of the keys whose tensors were read and have the right
        checksum.
      findings: All that is wrong as values; ``source`` has the keys that are concerned.

    Example:
      >>> print(Verification("m", 2, 8, ("'b' is damaged",), checked_tensors=1))
      m: 1 problem in 2 tensors; 1 tensor, 8 bytes fit their checksums
      problem: 'b' is damaged
    """

    prefix: str
    tensors: int
    checked_bytes: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    checked_tensors: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __repr__(self) -> str:
        found = "ok" if self.ok else counted(len(self.problems), "problem")
        return f"<Verification {self.prefix!r}: {found}>"

    def __str__(self) -> str:
        verdict = "ok" if self.ok else counted(len(self.problems), "problem")
        if self.checked_tensors != self.tensors:
            verdict += f" in {counted(self.tensors, 'tensor')}"
        read = f"{self.checked_bytes:,} bytes fit their checksums"
        head = f"{verdict}; {counted(self.checked_tensors, 'tensor')}, {read}"
        return "\n".join(
            [
                f"{printable(self.prefix)}: {head}",
                *(f"problem: {problem}" for problem in self.problems),
                *(f"note: {note}" for note in self.notes),
            ]
        )

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return to_json(self.to_config())

    def to_config(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        found = [finding.to_config() for finding in self.findings]
        return {"ok": self.ok, **self._asdict(), "findings": found}


@reopening
def verify_checkpoint(
    ckpt_dir_or_file: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Verification:
    """Check a checkpoint whole, and gather all that is wrong with it.

    The index and every tensor are checked against their checksums, bytes that two keys
    share once. Data files must be there and long enough, tensors must not overlap,
    slices must make up their variable, and object graph and keys must name each other.

    Args:
      ckpt_dir_or_file: A checkpoint prefix; one of the files of a checkpoint; a model
        directory; a SavedModel.
      progress: Called with the bytes checked so far and the bytes there are to check,
        at least every 16 MB.

    Returns:
      What was found; its ``ok`` says whether all is well.

    Raises:
      CheckpointNotFoundError: If there is no checkpoint.
      AmbiguousCheckpointError: If there are several.
      NotACheckpointError: If the file is of another kind.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0, 3.0]}) as prefix:
      ...     verify_checkpoint(prefix).ok
      True
    """
    try:
        reader = load_checkpoint(ckpt_dir_or_file)
    except CorruptCheckpointError as error:
        found = (Finding("corrupt", message_of(error)),)
        prefix = os.fspath(ckpt_dir_or_file)
        return Verification(prefix, 0, 0, (found[0].text,), findings=found)
    report = progress or unheard
    if reader.bundle is None:
        return _of_v1(reader, report)
    found = BundleVerifier(reader.bundle, report)
    with reader.bundle.index.kept_current():
        findings = [*_findings_of(partial(_check_frames, reader))]
        found.run()
        graph = graph_problems(reader, found.unreadable)
        findings += (*found.findings, *as_findings("object_graph", graph))
    notes = (*reader.notes, *found.notes)
    return Verification(
        reader.prefix,
        len(reader),
        found.checked_bytes,
        tuple(each.text for each in findings),
        notes,
        len(reader) - len(found.unreadable),
        tuple(findings),
    )


def _of_v1(reader: CheckpointReader, report: Progress) -> Verification:
    """Read every tensor: the blocks of a V1 file hold values and checksums alike."""
    findings = [*_findings_of(partial(_check_frames, reader))]
    total = sum(size_of(path) for path in reader.files)
    weights = {key: spec.nbytes + 1 for key, spec in reader.specs.items()}
    whole, done, checked, fitting = sum(weights.values()), 0, 0, 0
    for key, weight in weights.items():
        finding = next(_findings_of(partial(reader.check, key), key), None)
        if finding:
            findings.append(finding)
        else:
            checked += weight - 1
            fitting += 1
        done += weight
        report(total * done // whole, total)
    return Verification(
        reader.prefix,
        len(reader),
        checked,
        tuple(each.text for each in findings),
        reader.notes,
        fitting,
        tuple(findings),
    )


def _check_frames(reader: CheckpointReader) -> None:
    """Check what of the tables is no key's, in an index or in V1 files."""
    if reader.bundle is not None:
        reader.bundle.index.check_searchable()
        return
    for path in reader.files:
        TableReader(mapped(path), path).check_searchable()


def _findings_of(check: Callable[[], None], *keys: str) -> Iterator[Finding]:
    try:
        check()
    except CheckpointError as error:
        yield Finding("corrupt", message_of(error), keys)
