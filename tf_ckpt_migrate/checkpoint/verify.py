"""Verifies a checkpoint: every byte against its checksum, every reference both ways."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice, pairwise, tee
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.foreign import cause_of
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.shards import mapped
from tf_ckpt_migrate.bundle.slices import TensorSlice, bounding_box, covering, is_tiled
from tf_ckpt_migrate.bundle.writer import Progress, unheard
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, load_checkpoint
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CorruptCheckpointError,
    MissingShardError,
    capped,
    nearest,
)
from tf_ckpt_migrate.escapes import printable, to_json
from tf_ckpt_migrate.findings import Finding, FindingKind, as_findings, message_of
from tf_ckpt_migrate.naming.keys import parse_object_key
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.storage.access import exists, is_file, size_of
from tf_ckpt_migrate.table.reader import TableReader

__all__ = ["BundleVerifier", "Verification", "graph_problems", "verify_checkpoint"]


_TOLD = 10  # missing shards; a header can promise 100,000


class _Use(NamedTuple):
    """An entry and what it refers to; they sort as the bytes lie.

    There is one for each key: it holds little, and no text.
    """

    shard: int
    offset: int
    size: int
    key: str
    number: int  # of the slice; -1 for a whole tensor
    entry: Entry

    @property
    def end(self) -> int:
        return self.offset + self.size


class _Part(NamedTuple):
    """A key that stores a part of a tensor, and what is wrong if others lack."""

    key: str
    spec: TensorSpec
    pieces: Sequence[TensorSlice]
    problem: str


class BundleVerifier:
    """Checks one checkpoint with an index.

    Args:
      bundle: Its reader.
      report: Called with the bytes checked so far, and those there are to check.

    Attributes:
      findings: What is wrong; ``source`` has the keys of the tensors concerned.
      notes: What is not wrong, but worth knowing.
      unreadable: The keys of tensors with something wrong.
      checked_bytes: Bytes that have the right checksum.
    """

    def __init__(
        self, bundle: BundleReader, report: Callable[[int, int], None]
    ) -> None:
        """Check nothing yet."""
        self._bundle = bundle
        self._report = report
        self._uses: list[_Use] = []
        self._in_parts: dict[Slot, list[_Part]] = {}
        self._done = self._total = self._missing = 0
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.unreadable: set[str] = set()
        self.checked_bytes: int = 0

    def run(self) -> None:
        """Check everything."""
        for key in self._bundle.index:
            for problem in self._gather(key):
                self._blame(problem, key)
        for parts in self._in_parts.values():
            self._check_parts(parts)
        self._uses.sort()
        self._total = sum(users[0].size for users in _places(self._uses))
        by_shard = groupby(self._uses, attrgetter("shard"))
        shard, uses = next(by_shard, (-1, None))
        for number in range(self._bundle.shards.count):
            if number == shard and uses:
                self._check_shard(number, [*uses])
                shard, uses = next(by_shard, (-1, None))
            else:
                self._check_shard(number, [])
        self._uses.clear()  # they are many; what is checked next takes its own memory
        if self._missing > _TOLD:
            text = f"{self._missing - _TOLD:,} more data shards are missing"
            self.findings.append(Finding("missing", text))

    def _blame(self, problem: str, *keys: str, kind: FindingKind = "corrupt") -> None:
        last = self.findings[-1] if self.findings else None
        # In a file of another kind the same is wrong with each tensor.
        if last is not None and last.text == problem:
            self.findings[-1] = replace(last, source=(*last.source, *keys))
        else:
            self.findings.append(Finding(kind, problem, keys))
        self.unreadable.update(keys)

    def _gather(self, key: str) -> Iterator[str]:
        """Note where the bytes of a key are; yield what is wrong with its entries."""
        try:
            entry = self._bundle.index[key]
        except CheckpointError as error:
            yield str(error)
            return
        if entry.spec.dtype is DType.resource:
            yield (
                f"{self._bundle.index.path}, key {key!r}: is a resource, a handle of a "
                "running program, which no checkpoint can hold"
            )
            return
        if not entry.slices:
            self._add(entry, key)
            return
        where = f"{self._bundle.index.path}, key {key!r}"
        placed: list[TensorSlice] = []
        for number, piece in enumerate(entry.slices):
            try:
                ranges = piece.ranges(entry.spec.shape, where)
                stored = self._bundle.index.slice_entry(key, piece)
            except CheckpointError as error:
                yield str(error)
                continue
            shape = tuple(high - low for low, high in ranges)
            if stored.spec != entry.spec._replace(shape=shape):
                yield (
                    f"{where}: its slice {piece} is {stored.spec}, but lies in "
                    f"{entry.spec}"
                )
            placed.append(piece)
            self._add(stored, key, number)
        whole, _ = bounding_box(None, entry.spec.shape)
        try:
            covering(entry.spec, placed, whole, where)
        except CheckpointError as error:
            slot = slot_of(key, self._bundle.index)
            if slot is None or slot.variable is None:
                yield str(error)
            else:  # TF1 stores a slot of each part of a variable under its own key
                part = _Part(key, entry.spec, placed, str(error))
                self._in_parts.setdefault(slot, []).append(part)

    def _check_parts(self, parts: Sequence[_Part]) -> None:
        """Check that keys which store a part each have all of the slot together."""
        spec, pieces = parts[0].spec, [piece for part in parts for piece in part.pieces]
        boxes = [piece.ranges(spec.shape, parts[0].key) for piece in pieces]
        if {part.spec for part in parts} == {spec} and is_tiled(boxes, spec.shape):
            return
        for part in parts:
            self._blame(part.problem, part.key)

    def _add(self, entry: Entry, key: str, number: int = -1) -> None:
        place = entry.shard, entry.offset, entry.size
        self._uses.append(_Use(*place, key, number, entry))

    def _what(self, use: _Use) -> str:
        what = f"tensor {use.key!r}"
        if use.number < 0:
            return what
        return f"{what}, slice {self._bundle.index[use.key].slices[use.number]}"

    def _check_shard(self, shard: int, uses: list[_Use]) -> None:
        path = self._bundle.shards.path(shard)
        if not exists(path):
            self._blame_missing(shard, {use.key for use in uses})
            return
        before = len(self.findings)
        self._check_ranges(uses)
        filled = [users[0] for users in _places(uses) if users[0].size]
        self._check_overlaps(path, filled)
        if len(self.findings) == before:
            self._note_gaps(path, filled)
            return
        cause = cause_of(path) if is_file(path) else ""
        stated = any(
            cause.removeprefix("it ") in each.text for each in self.findings[before:]
        )
        if cause and not stated:  # what has caused all of them comes first
            self.findings.insert(before, Finding("corrupt", f"{path}: {cause}"))

    def _blame_missing(self, shard: int, keys: set[str]) -> None:
        self._missing += 1
        if self._missing > _TOLD:
            self.unreadable |= keys
            return
        try:
            self._bundle.shards.present(shard)
        except MissingShardError as error:
            text = f"{error} ({len(keys):,} tensors are in it)"
            self._blame(text, *keys, kind="missing")

    def _check_ranges(self, uses: list[_Use]) -> None:
        # Empty tensors of several kinds may lie at one place, each with its checksum.
        places, ahead = tee(_distinct(users) for users in _places(uses))
        stored = ((use.entry, self._what(use)) for users in ahead for use in users)
        found = self._bundle.check_many(stored, self._summed)
        for users, distinct in zip(_places(uses), places, strict=True):
            before = self._done
            errors = [error for error in islice(found, len(distinct)) if error]
            if errors:
                self._blame(message_of(errors[0]), *(user.key for user in users))
            else:
                self.checked_bytes += users[0].size
            self._done = before
            self._advance(users[0].size)

    def _summed(self, size: int) -> None:
        self._bundle.release(size)
        self._advance(size)

    def _advance(self, size: int) -> None:
        self._done += size
        self._report(min(self._done, self._total), self._total)

    def _check_overlaps(self, path: str, places: list[_Use]) -> None:
        for a, b in pairwise(places):
            if b.offset < a.end:
                self._blame(
                    f"{path}: {self._what(a)} ({a.size:,} bytes at {a.offset:,}) and "
                    f"{self._what(b)} ({b.size:,} bytes at {b.offset:,}) overlap",
                    *(a.key, b.key),
                )

    def _note_gaps(self, path: str, places: list[_Use]) -> None:
        size = size_of(path)
        position = unused = 0
        for place in places:
            unused += max(0, place.offset - position)
            position = max(position, place.end)
        unused += max(0, size - position)
        if unused:
            self.notes.append(
                f"{path}: {unused:,} of {size:,} bytes belong to no tensor; "
                "`tf-ckpt-migrate compact` writes the checkpoint without them"
            )


def _places(uses: Iterable[_Use]) -> Iterator[list[_Use]]:
    """Yield what refers to each range of bytes, which are in order."""
    return (list(users) for _, users in groupby(uses, itemgetter(0, 1, 2)))


def _distinct(users: Iterable[_Use]) -> list[_Use]:
    return list({(u.entry.crc32c, u.entry.spec.dtype): u for u in users}.values())


_HINTED = 10


def graph_problems(
    reader: CheckpointReader, unreadable: Container[str]
) -> Iterator[str]:
    """Yield what is wrong between the object graph and the keys of a checkpoint.

    Args:
      reader: Of the checkpoint.
      unreadable: Keys whose tensors are known to be damaged; of a damaged graph nothing
        more is said.
    """
    if OBJECT_GRAPH_KEY not in reader or OBJECT_GRAPH_KEY in unreadable:
        return
    try:
        graph = reader.object_graph
    except CheckpointError as error:
        yield str(error)
        return
    if graph is not None:
        yield from _compared(graph, reader)


def _compared(graph: ObjectGraph, reader: CheckpointReader) -> Iterator[str]:
    named = {attribute.checkpoint_key for attribute in graph.attributes}
    orphans = sorted(
        key for key in reader if parse_object_key(key) and key not in named
    )
    absent: list[str] = []
    found: set[str] = set()
    for name in sorted(named.difference(reader)):
        # An object of several tensors names what their keys begin with.
        tensors = list(_beginning_with(name, orphans))
        found.update(tensors)
        absent += [] if tensors else [name]
    for number, name in enumerate(absent):
        # Each hint costs a look at all keys.
        near = nearest(name, reader, 1) if number < _HINTED else []
        hint = "".join(f"; nearest: {key!r}" for key in near)
        yield (
            f"{reader.prefix}: the object graph names key {name!r}, which the "
            f"checkpoint does not have{hint}"
        )
    if unnamed := [key for key in orphans if key not in found]:
        yield (
            f"{reader.prefix}: the object graph does not name {len(unnamed):,} of the "
            f"object keys, so that no restore will find them: "
            f"{', '.join(capped(map(repr, unnamed), 3))}"
        )


def _beginning_with(start: str, ordered: list[str]) -> Iterator[str]:
    position = bisect_left(ordered, start)
    while position < len(ordered) and ordered[position].startswith(start):
        yield ordered[position]
        position += 1


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
