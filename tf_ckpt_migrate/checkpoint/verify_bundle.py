"""Checks index and data shards of a checkpoint against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice, pairwise, tee
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.foreign import cause_of
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice, bounding_box, covering, is_tiled
from tf_ckpt_migrate.errors import CheckpointError, MissingShardError
from tf_ckpt_migrate.findings import Finding, FindingKind, message_of
from tf_ckpt_migrate.naming.slots import Slot, slot_of
from tf_ckpt_migrate.storage.access import exists, is_file, size_of

__all__ = ["BundleVerifier"]

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
