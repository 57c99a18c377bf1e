"""The index of a checkpoint: its header, and the serialized entry of every key.

Entries stay serialized until one is asked for: a renaming passes them on as they are,
unknown fields included, and a listing of 20,000 names parses none.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.bundle.foreign import what_is, with_cause
from tf_ckpt_migrate.bundle.proto import (
    BundleHeaderProto,
    Entry,
    parse_entry,
    parsed,
    scan_entries,
)
from tf_ckpt_migrate.bundle.shards import index_path
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.errors import (
    CheckpointReplacedError,
    CorruptCheckpointError,
    NotACheckpointError,
    TensorNotFoundError,
    looks_like,
    nearest,
)
from tf_ckpt_migrate.findings import message_of
from tf_ckpt_migrate.storage.access import identity, read_bytes
from tf_ckpt_migrate.table.reader import TableReader

__all__ = ["HEADER_KEY", "BundleIndex", "not_found", "serialized_header"]

HEADER_KEY = b""
_SLICE_MARK = 0  # first byte of the key of a slice; no name begins so

_BIG_ENDIAN = 1  # BundleHeaderProto.Endianness.BIG
_VERSION = 1  # kTensorBundleVersion: the only one there has been
_MAX_SHARDS = 100_000  # file names hold five digits


class BundleIndex(Mapping[str, Entry]):
    """The index of one checkpoint, as a mapping of keys to entries.

    Args:
      prefix: Of the checkpoint.

    Attributes:
      path: The index file.
      prefix: As given.
      header: The serialized header.
      shards: Number of data shards.
      big_endian: Whether numbers in the data shards are big-endian.
      raw: The serialized entry of every key, in the order of the file.

    Raises:
      FileNotFoundError: If there is no such file.
      NotACheckpointError: If it is a file of another kind.
      CorruptCheckpointError: If it is no index, or a damaged one.
    """

    def __init__(self, prefix: str) -> None:
        """Read the file."""
        self.prefix = prefix
        self.path: str = index_path(prefix)
        self._seen = identity(self.path)  # before it is read: a doubt is looked into
        self._table = _table(self.path)
        keys, values = self._table.columns()
        # Sorted as they are: the header's empty key, slices' keys, names.
        start = bisect_left(keys, bytes([_SLICE_MARK]))
        names = bisect_left(keys, bytes([_SLICE_MARK + 1]))
        values = cast(list[bytes], values)  # parts of the file, which came as bytes
        header = values[0] if start else None
        self._slices = dict(zip(keys[start:names], values[start:names], strict=True))
        self.raw: dict[str, bytes] = dict(
            zip(self._decoded(keys[names:]), values[names:], strict=True)
        )
        if header is None:
            raise CorruptCheckpointError(
                f"{self.path}: a table without a header: not the index of a checkpoint"
            )
        self.header = header
        self.shards: int
        self.big_endian: bool
        self.shards, self.big_endian = self._checked_header(header)
        if self._slices:
            self._check_slices()

    def check_searchable(self) -> None:
        """Check of the file that was read what only a search for a key needs.

        Raises:
          CorruptCheckpointError: If it is damaged.
        """
        self._table.check_searchable()

    def _decoded(self, keys: Sequence[bytes]) -> list[str]:
        try:
            return [key.decode() for key in keys]
        except UnicodeDecodeError as error:
            raise CorruptCheckpointError(
                f"{self.path}: key {error.object!r} is not UTF-8"
            ) from None

    def _checked_header(self, raw: bytes) -> tuple[int, bool]:
        header = parsed(BundleHeaderProto, raw, f"{self.path}, header")
        version = header.version
        if version.min_consumer > _VERSION or _VERSION in version.bad_consumers:
            raise CorruptCheckpointError(
                f"{self.path}: written for readers of version {version.min_consumer} "
                f"on; this one knows version {_VERSION}"
            )
        if version.producer < 0:  # TensorFlow refuses it too
            raise CorruptCheckpointError(
                f"{self.path}: impossible header: written by version {version.producer}"
            )
        if not 1 <= header.num_shards <= _MAX_SHARDS or header.endianness not in (
            0,
            _BIG_ENDIAN,
        ):
            raise CorruptCheckpointError(
                f"{self.path}: impossible header: {header.num_shards} shards, "
                f"endianness {header.endianness}"
            )
        return header.num_shards, header.endianness == _BIG_ENDIAN

    def check_current(self) -> None:
        """See that the files of this prefix are still those that this index tells of.

        An index is put in its place when its shards are there, and no shard of one gets
        the name of one of the other. So what was opened before is of this checkpoint.

        Raises:
          CheckpointReplacedError: If they are those of another checkpoint.
        """
        seen = identity(self.path)
        if seen == self._seen:
            return
        if not seen or not self._agrees_with(BundleIndex(self.prefix)):
            raise CheckpointReplacedError(
                f"{self.prefix!r} has been replaced, or deleted, since its index was "
                "read: open it again"
            )
        self._seen = seen

    @contextmanager
    def kept_current(self) -> Generator[None]:
        """See that data files which are opened in the context were of this checkpoint.

        Raises:
          CheckpointReplacedError: If they are of another one, or went on the way.
        """
        try:
            yield
        except FileNotFoundError:
            self.check_current()
            raise
        self.check_current()

    def _agrees_with(self, other: BundleIndex) -> bool:
        """Whether ``other`` is of the same shards: keys were added, or taken away."""
        both = self.raw.keys() & other.raw.keys()
        same = all(self.raw[key] == other.raw[key] for key in both)
        return bool(both) and same and self.header == other.header

    @property
    def specs(self) -> Mapping[str, TensorSpec]:
        """Dtype and shape of every tensor.

        Raises:
          CorruptCheckpointError: If an entry is impossible.
        """
        return self._scanned[0]

    def end_of_shard(self, number: int) -> int:
        """Return how many bytes a shard must have for all entries that name it.

        Raises:
          CorruptCheckpointError: If an entry is impossible.
        """
        ends = self._scanned[1]
        return ends[number] if number < len(ends) else 0

    @cached_property
    def _scanned(self) -> tuple[Mapping[str, TensorSpec], Sequence[int]]:
        """Return specs by key and needed lengths by shard, from one pass."""
        specs, ends, unusual = scan_entries(self.raw, self.shards)
        if not unusual:
            return specs, ends
        for key in unusual:  # the long way tells what is wrong, if anything is
            specs[key] = self[key].spec
            for shard, end in self._places(key):
                ends[shard] = max(end, ends[shard])
        return {key: specs[key] for key in self.raw}, ends

    def _places(self, key: str) -> list[tuple[int, int]]:
        """Return shard and end of the bytes of a tensor, or of each of its slices."""
        entry = self[key]
        pieces = [self.slice_entry(key, piece) for piece in entry.slices] or [entry]
        return [(piece.shard, piece.offset + piece.size) for piece in pieces]

    @property
    def has_slices(self) -> bool:
        """Whether any variable is partitioned."""
        return bool(self._slices)

    def slices(self) -> list[tuple[str, TensorSlice]]:
        """Return the slices of all partitioned variables, in the order of the file."""
        if not self._slices:
            return []
        pieces = [(key, piece) for key in self for piece in self[key].slices]
        return sorted(pieces, key=lambda each: slice_key(*each))

    def _check_slices(self) -> None:
        declared = {slice_key(key, piece) for key, piece in self.slices()}
        if stray := set(self._slices) - declared:
            raise CorruptCheckpointError(
                f"{self.path}: {len(stray)} slices belong to no variable, such as "
                f"{min(stray)!r}"
            )

    def __getitem__(self, key: str) -> Entry:
        """Return the entry of ``key``.

        Raises:
          TensorNotFoundError: If there is none.
          CorruptCheckpointError: If it is impossible.
        """
        raw = self.raw.get(key)
        if raw is None:
            raise TensorNotFoundError(not_found(key, self.path, self.raw))
        return parse_entry(raw, self.shards, lambda: f"{self.path}, key {key!r}")

    def __contains__(self, key: object) -> bool:
        return key in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def raw_slice(self, key: str, piece: TensorSlice) -> bytes:
        """Return the serialized entry of one slice of a partitioned variable.

        Raises:
          CorruptCheckpointError: If the index lists the slice but does not hold it.
        """
        raw = self._slices.get(slice_key(key, piece))
        if raw is None:
            raise CorruptCheckpointError(
                f"{self.path}, key {key!r}: its slice {piece} is missing"
            )
        return raw

    def slice_entry(self, key: str, piece: TensorSlice) -> Entry:
        """Return the entry of one slice of a partitioned variable.

        Raises:
          CorruptCheckpointError: If it is missing or impossible.
        """
        raw = self.raw_slice(key, piece)
        where = f"{self.path}, key {key!r}, slice {piece}"
        entry = parse_entry(raw, self.shards, lambda: where)
        if entry.slices:
            raise CorruptCheckpointError(f"{where}: a slice has no slices of its own")
        return entry


def _table(path: str) -> TableReader:
    try:
        return TableReader(read_bytes(path), path)
    except CorruptCheckpointError as error:
        if (kind := what_is(path)) is not None:
            raise NotACheckpointError(f"{path!r} is {kind}") from None
        raise type(error)(with_cause(message_of(error), path)) from None


def not_found(key: str, where: str | os.PathLike[str], keys: Mapping[str, Any]) -> str:
    """Return the text of the error for a key that is not in a checkpoint."""
    near = nearest(str(key), keys)
    hint = ", ".join(ascii(n) if looks_like(n, str(key)) else repr(n) for n in near)
    return (
        f"Key {key} not found in checkpoint {os.fspath(where)!r} of {len(keys):,} keys"
        + (f"; nearest: {hint}" if hint else "")
    )


def serialized_header(shards: int, *, big_endian: bool = False) -> bytes:
    """Return the ``BundleHeaderProto`` of an index.

    Example:
      >>> serialized_header(1).hex()
      '08011a020801'
    """
    header = BundleHeaderProto(num_shards=shards, endianness=int(big_endian))
    header.version.producer = _VERSION
    return header.SerializeToString(deterministic=True)
