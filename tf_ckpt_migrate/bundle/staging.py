"""Makes files visible all at once: written beside, flushed, renamed, the index last.

A reader finds a checkpoint by its index. So the index is renamed into place when every
shard already is, and the shards of an older checkpoint go when that is done. As shards
of the new one never have the names of those, a reader sees the old checkpoint or the
new one, and so does a program that starts after a crash.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import secrets
import zlib
from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tf_ckpt_migrate.bundle.locks import owned_folder, remove_abandoned
from tf_ckpt_migrate.bundle.naming import index_path, parse_shard_path
from tf_ckpt_migrate.errors import OutputExistsError
from tf_ckpt_migrate.files.access import is_folder, names_in, put_file, remove_file
from tf_ckpt_migrate.files.paths import is_far, join, split

__all__ = [
    "STAGING_MARK",
    "check_absent",
    "counts_in",
    "existing_files",
    "far_name_aside",
    "flushed",
    "free_count",
    "publish",
    "replace_file",
    "replacing",
    "staging_folder",
]

STAGING_MARK = ".tcm-staging"
_SHOWN = 40  # characters of the basename, which alone may be as long as a name can be


def existing_files(prefix: str) -> list[str]:
    """Return the files of a checkpoint of this prefix: index, shards of any count.

    A V1 file of the very prefix counts too.

    Args:
      prefix: Of the checkpoint, which need not exist.
    """
    folder, base = split(prefix)
    names = sorted(name for name in names_in(folder) if _is_of(name, base))
    paths = [join(folder, name) for name in names]
    return [path for path in paths if not is_folder(path)]


def _is_of(name: str, base: str) -> bool:
    shard = parse_shard_path(name)
    return name in (base, index_path(base)) if shard is None else shard.prefix == base


def check_absent(prefix: str) -> None:
    """Refuse to write over a checkpoint, or to hide one of format V1.

    Raises:
      OutputExistsError: If a file of a checkpoint with this prefix exists.
    """
    if existing := existing_files(prefix):
        raise OutputExistsError(
            f"{prefix!r} exists already: {', '.join(map(repr, existing[:3]))}; choose "
            "another output prefix, or pass overwrite=True (--overwrite) to replace it"
        )


@contextmanager
def staging_folder(prefix: str) -> Generator[str]:
    """Make a folder beside the files of ``prefix``, and remove it in the end.

    It is of this writer alone. What writers that were killed have left in the folder of
    the prefix is removed.

    Yields:
      Its path: on the same file system, so that a rename out of it is atomic.

    Raises:
      OutputInUseError: If another writer is at work on this prefix.
    """
    folder, base = os.path.split(prefix)
    folder = folder or "."
    Path(folder).mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder, STAGING_MARK)
    with owned_folder(os.path.join(folder, _staging_name(base))) as staging:
        yield staging


def _staging_name(base: str) -> str:
    shown = base[:_SHOWN]
    if shown != base:
        shown += f"-{zlib.crc32(base.encode()):08x}"
    return f".{shown}{STAGING_MARK}"


def flushed(path: str) -> None:
    """Wait until the file, or folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(staged: str, final: str) -> None:
    """Put one flushed file in the place of another, for good."""
    os.replace(staged, final)
    flushed(os.path.dirname(final) or ".")


@contextmanager
def replacing(path: str, of: str) -> Generator[BinaryIO]:
    """Let a file be written that then is there, or in the place of another, for good.

    Args:
      path: The file.
      of: The prefix of the checkpoint whose writers are kept out meanwhile.

    Yields:
      The file, aside.

    Raises:
      OutputInUseError: If another writer is at work on this prefix.
      OSError: If a write fails; what was there then stays.
    """
    if is_far(path):
        content = io.BytesIO()
        yield content
        aside = far_name_aside(path)
        try:
            put_file(path, content.getvalue(), aside)
        except BaseException:
            with suppress(OSError):  # it may not have come that far
                remove_file(aside)
            raise
        return
    with staging_folder(of) as staging:
        staged = os.path.join(staging, "file")
        with Path(staged).open("xb") as file:
            yield file
        flushed(staged)
        replace_file(staged, path)


def far_name_aside(path: str) -> str:
    """Return a path beside a far one that nobody else will use.

    Example:
      >>> far_name_aside("s3://bucket/run/m")
      's3://bucket/run/.m.tcm-staging-...'
    """
    folder, base = split(path)
    shown = re.sub(r"[^\w.-]", "_", base[:_SHOWN])  # nothing that could be a pattern
    return join(folder, f".{shown}{STAGING_MARK}-{secrets.token_hex(8)}")


def free_count(prefix: str, least: int, avoiding: Collection[int] | None = None) -> int:
    """Return how many shards a new checkpoint is to have: a number none there has.

    Shards are named after their number and the count of all. With another count than
    that of the checkpoint it replaces, a new one can be complete beside it.

    Args:
      prefix: Of the checkpoint, which need not exist.
      least: The number of shards that it needs.
      avoiding: The numbers that it is not to have; None for those that are there.
    """
    taken = counts_in(existing_files(prefix)) if avoiding is None else avoiding
    return next(count for count in itertools.count(least) if count not in taken)


def counts_in(paths: Iterable[str]) -> set[int]:
    """Return the counts of shards that files are named after.

    Example:
      >>> counts_in(["m.index", "m.data-00000-of-00002", "m.data-00001-of-00002"])
      {2}
    """
    shards = map(parse_shard_path, paths)
    return {shard.count for shard in shards if shard is not None}


def publish(staging: str, prefix: str, shards: Iterable[str]) -> None:
    """Move a staged checkpoint to its place; what was there of an older one goes.

    Args:
      staging: The folder with the flushed files, each under its final basename.
      prefix: Of the checkpoint.
      shards: Final paths of its shards, of a count that is free.

    Raises:
      OSError: If a step fails. Until the new index is in its place, all is then put
        back as it was; from there on the new checkpoint is whole.
    """
    folder, index = os.path.dirname(prefix) or ".", index_path(prefix)
    old = set(existing_files(prefix)) - {prefix, index}
    with ExitStack() as undo:
        for shard in shards:
            staged = os.path.join(staging, os.path.basename(shard))
            os.replace(staged, shard)
            undo.callback(os.replace, shard, staged)
        flushed(folder)
        os.replace(os.path.join(staging, os.path.basename(index)), index)
        undo.pop_all()
    flushed(folder)
    for stale in old:
        Path(stale).unlink()
