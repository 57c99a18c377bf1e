"""Checks index and data shards of a checkpoint against each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tf_ckpt_migrate.bundle.assembly import bounding_box, covering
from tf_ckpt_migrate.bundle.entry import Entry
from tf_ckpt_migrate.bundle.foreign import cause_of
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.errors import CheckpointError, MissingShardError

__all__ = ["BundleVerifier"]

_TOLD = 10  # missing shards; a header can promise 100,000


class _Range(NamedTuple):
    """A range of bytes in a shard; ranges sort as they lie."""

    shard: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class _User(NamedTuple):
    """What refers to a range: an entry, its key, and how to name it."""

    entry: Entry
    key: str
    what: str


class BundleVerifier:
    """Checks one checkpoint with an index.

    Args:
      bundle: Its reader.
      report: Called with the bytes checked so far, and those there are to check.

    Attributes:
      problems: What is wrong, a sentence each.
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
        self._users: dict[_Range, list[_User]] = {}
        self._done = self._total = self._missing = 0
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.unreadable: set[str] = set()
        self.checked_bytes: int = 0

    def run(self) -> None:
        """Check everything."""
        for key in self._bundle.index:
            for problem in self._gather(key):
                self._blame(problem, key)
        self._total = sum(place.size for place in self._users)
        by_shard: dict[int, list[_Range]] = {}
        for place in sorted(self._users):
            by_shard.setdefault(place.shard, []).append(place)
        for shard in range(self._bundle.shards.count):
            self._check_shard(shard, by_shard.get(shard, []))
        if self._missing > _TOLD:
            self.problems.append(
                f"{self._missing - _TOLD:,} more data shards are missing"
            )

    def _blame(self, problem: str, *keys: str) -> None:
        # Of a file that is something else, each tensor in it tells the same.
        if problem not in self.problems[-1:]:
            self.problems.append(problem)
        self.unreadable.update(keys)

    def _gather(self, key: str) -> Iterator[str]:
        """Note where the bytes of a key are; yield what is wrong with its entries."""
        try:
            entry = self._bundle.index[key]
        except CheckpointError as error:
            yield str(error)
            return
        if not entry.slices:
            self._add(entry, key, f"tensor {key!r}")
            return
        where = f"{self._bundle.index.path}, key {key!r}"
        placed: list[TensorSlice] = []
        for piece in entry.slices:
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
            self._add(stored, key, f"tensor {key!r}, slice {piece}")
        whole, _ = bounding_box(None, entry.spec.shape)
        try:
            covering(entry.spec, placed, whole, where)
        except CheckpointError as error:
            yield str(error)

    def _add(self, entry: Entry, key: str, what: str) -> None:
        place = _Range(entry.shard, entry.offset, entry.size)
        self._users.setdefault(place, []).append(_User(entry, key, what))

    def _check_shard(self, shard: int, places: list[_Range]) -> None:
        path = self._bundle.shards.path(shard)
        if not os.path.exists(path):
            self._blame_missing(shard, places)
            return
        before = len(self.problems)
        for place in places:
            self._check_range(place)
        filled = [place for place in places if place.size]
        self._check_overlaps(path, filled)
        if len(self.problems) == before:
            self._note_gaps(path, filled)
        else:
            self._note_cause(path)

    def _blame_missing(self, shard: int, places: list[_Range]) -> None:
        keys = {user.key for place in places for user in self._users[place]}
        self._missing += 1
        if self._missing > _TOLD:
            self.unreadable |= keys
            return
        try:
            self._bundle.shards.present(shard)
        except MissingShardError as error:
            self._blame(f"{error} ({len(keys):,} tensors are in it)", *keys)

    def _check_range(self, place: _Range) -> None:
        # Empty tensors of several kinds may lie at one place, each with its checksum.
        distinct = {(u.entry.crc32c, u.entry.spec.dtype): u for u in self._users[place]}
        before = self._done
        for user in distinct.values():
            try:
                self._bundle.check_stored(user.entry, user.what, self._advance)
            except CheckpointError as error:
                self._blame(str(error), *(u.key for u in self._users[place]))
                break
        else:
            self.checked_bytes += place.size
        self._done = before
        self._advance(place.size)

    def _advance(self, size: int) -> None:
        self._done += size
        self._report(min(self._done, self._total), self._total)

    def _check_overlaps(self, path: str, places: list[_Range]) -> None:
        for a, b in pairwise(places):
            if b.offset < a.end:
                users = self._users[a][0], self._users[b][0]
                self._blame(
                    f"{path}: {users[0].what} ({a.size:,} bytes at {a.offset:,}) and "
                    f"{users[1].what} ({b.size:,} bytes at {b.offset:,}) overlap",
                    *(user.key for user in users),
                )

    def _note_cause(self, path: str) -> None:
        cause = cause_of(path) if os.path.isfile(path) else ""
        if cause and cause.removeprefix("it ") not in self.problems[-1]:
            self.notes.append(f"{path}: {cause}")

    def _note_gaps(self, path: str, places: list[_Range]) -> None:
        size = os.path.getsize(path)
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
