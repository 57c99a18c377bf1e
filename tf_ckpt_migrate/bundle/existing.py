"""Finds the files that a checkpoint has, whole or not, by its prefix.

A remote folder is listed once, which gives the sizes too. A local one is not listed: it
may hold thousands of checkpoints, and each would pay for all. The names that files of
the checkpoint can have are looked at instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from tf_ckpt_migrate.bundle.messages import BundleHeaderProto, parsed
from tf_ckpt_migrate.bundle.naming import index_path, parse_shard_path, shard_path
from tf_ckpt_migrate.bundle.shards import mapped
from tf_ckpt_migrate.errors import CorruptCheckpointError
from tf_ckpt_migrate.files.access import names_in, statuses_in
from tf_ckpt_migrate.files.paths import is_far, join, split
from tf_ckpt_migrate.files.system import Status
from tf_ckpt_migrate.table.reader import TableReader

__all__ = ["existing_files", "existing_sizes", "find_entries"]

_USUAL = 16  # shards: of checkpoints of so many, what is left without an index is found
_MOST = 1000  # shards: for more, listing the folder is cheaper


def existing_files(prefix: str) -> list[str]:
    """Return the files of a checkpoint of this prefix: index, shards of any count.

    A V1 file of the very prefix counts too. In a local folder, shards that no index
    names are found if the first or the last of their count is there, of 16 at most.

    Args:
      prefix: Of the checkpoint, which need not exist.
    """
    return [*existing_sizes(prefix)]


def existing_sizes(prefix: str) -> dict[str, int]:
    """Return the same files, each with its size in bytes, sorted by name."""
    entries = find_entries(prefix).items()
    return {path: found.size for path, found in entries if not found.is_folder}


def find_entries(prefix: str) -> dict[str, Status]:
    """Return the same files, and the folders that have names of such files."""
    if is_far(prefix):
        folder, base = split(prefix)
        return {
            join(folder, name): found
            for name, found in sorted(statuses_in(folder).items())
            if _is_of(name, base)
        }
    entries = ((path, _status(path)) for path in sorted(_possible_files(prefix)))
    return {path: found for path, found in entries if found is not None}


def _is_of(name: str, base: str) -> bool:
    shard = parse_shard_path(name)
    return name in (base, index_path(base)) if shard is None else shard.prefix == base


def _status(path: str) -> Status | None:
    """Return what a local path names; None for nothing."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and os.path.exists(path):
            found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Status(stat.S_ISDIR(found.st_mode), found.st_size)


def _possible_files(prefix: str) -> Iterable[str]:
    """Return the paths, of a local checkpoint, at which it is worth looking."""
    index = index_path(prefix)
    counts = {
        count
        for count in range(1, _USUAL + 1)
        if any(
            os.path.lexists(shard_path(prefix, number, count))
            for number in (0, count - 1)
        )
    }
    if os.path.lexists(index):
        named = _shards_named_in(index)
        if named is None:
            folder, base = split(prefix)
            names = (name for name in names_in(folder) if _is_of(name, base))
            return [join(folder, name) for name in names]
        counts.add(named)
    return [prefix, index, *_shards(prefix, counts)]


def _shards(prefix: str, counts: Iterable[int]) -> Iterator[str]:
    for count in counts:
        yield from (shard_path(prefix, number, count) for number in range(count))


def _shards_named_in(index: str) -> int | None:
    """Return how many shards an index names; None if that cannot be relied on."""
    try:
        raw = TableReader(mapped(index), index).get(b"")
        count = parsed(BundleHeaderProto, bytes(raw or b""), index).num_shards
    except (CorruptCheckpointError, OSError):
        return None
    return count if 1 <= count <= _MOST else None
