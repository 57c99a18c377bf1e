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
import time
import zlib
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tf_ckpt_migrate.bundle.existing import existing_files
from tf_ckpt_migrate.bundle.locks import (
    check_in_place,
    owned_folder,
    remove_abandoned,
    remove_if_abandoned,
)
from tf_ckpt_migrate.bundle.naming import index_path, parse_shard_path, shard_path
from tf_ckpt_migrate.errors import OutputExistsError, OutputInUseError
from tf_ckpt_migrate.files.access import put_file, remove_file
from tf_ckpt_migrate.files.directory import Directory
from tf_ckpt_migrate.files.paths import is_far, join, split
from tf_ckpt_migrate.files.permissions import create_like

__all__ = [
    "STAGING_MARK",
    "check_absent",
    "counts_in",
    "far_name_aside",
    "flushed",
    "free_count",
    "publish",
    "remove_all_unpublished",
    "remove_unpublished",
    "replace_file",
    "replacing",
    "staging_folder",
    "staging_path",
]

STAGING_MARK = ".tcm-staging"
_UNTIL_LISTED: dict[str, int] = {}  # by folder: writes until it is listed again
_PAUSE = 0.05  # seconds
_NOTE = "published"
_LONGEST_NOTE = 16 << 20
_SHOWN = 40  # characters of the basename, which alone may be as long as a name can be


def check_absent(prefix: str, existing: Sequence[str] | None = None) -> None:
    """Refuse to write over a checkpoint, or to hide one of format V1.

    Args:
      prefix: Of the checkpoint.
      existing: Its files; None to look for them.

    Raises:
      OutputExistsError: If a file of a checkpoint with this prefix exists.
    """
    existing = existing_files(prefix) if existing is None else existing
    if not existing:
        return
    listed = ", ".join(map(repr, existing[:3]))
    remedy = (
        "choose another output prefix, or pass overwrite=True (--overwrite) to replace"
    )
    if prefix in existing or index_path(prefix) in existing:
        raise OutputExistsError(f"{prefix!r} exists already: {listed}; {remedy} it")
    raise OutputExistsError(
        f"{prefix!r} has data files without an index, so it is not a checkpoint: "
        f"{listed}. A writer that was killed, or a copy that is not complete, leaves "
        f"such files; {remedy} them"
    )


def remove_unpublished(prefix: str) -> None:
    """Remove what a killed writer of a prefix has left; a remote folder keeps it."""
    if not is_far(prefix):
        remove_if_abandoned(staging_path(prefix), _withdraw)


def remove_all_unpublished(folder: str) -> None:
    """Remove what killed writers have left in a folder; a remote one keeps it."""
    if not is_far(folder) and os.path.isdir(folder or "."):
        remove_abandoned(folder or ".", STAGING_MARK, _withdraw)


@contextmanager
def staging_folder(prefix: str, patience: float = 0.0) -> Generator[Directory]:
    """Make a folder beside the files of ``prefix``, and remove it in the end.

    It is of this writer alone. What writers that were killed have left in the folder of
    the prefix is removed.

    Args:
      prefix: Of the checkpoint, or a file.
      patience: For how many seconds to wait for another writer to end.

    Yields:
      The folder: on the same file system, so that a rename out of it is atomic.

    Raises:
      OutputInUseError: If another writer is at work on this prefix.
      OutputPathError: If something that no writer has made has the folder's name.
    """
    folder = os.path.dirname(prefix) or "."
    Path(folder).mkdir(parents=True, exist_ok=True)
    _remove_abandoned_now_and_then(folder)
    path = staging_path(prefix)
    deadline = time.monotonic() + patience
    with ExitStack() as stack:
        while True:
            try:
                staging = stack.enter_context(owned_folder(path, _withdraw))
                break
            except OutputInUseError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE)
        yield staging


def _remove_abandoned_now_and_then(folder: str) -> None:
    """Remove what killed writers have left, without listing a large folder each time.

    After a listing of n entries, n / 16 writes follow without one. So the cost of a
    write does not grow with the folder, and a small folder is always listed.
    """
    folder = os.path.abspath(folder)
    left = _UNTIL_LISTED.pop(folder, 0)
    if left:
        left -= 1
    else:
        left = remove_abandoned(folder, STAGING_MARK, _withdraw) // 16
    if left:
        _UNTIL_LISTED[folder] = left


def _withdraw(staging: Directory) -> None:
    """Remove the data shards that a killed writer published without their index.

    They are those that it noted before; each must still be the same file. While the new
    index is in the staging directory, and no other is there, no reader needs them.
    """
    try:
        descriptor = staging.open(_NOTE, os.O_RDONLY)
    except OSError:
        return
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        text = file.read(_LONGEST_NOTE)
    folder, names = os.path.dirname(staging.path), staging.names()
    for line in text.splitlines():
        name, _, identity = line.rpartition("\t")
        shard = parse_shard_path(name)
        if shard is None or os.path.basename(name) != name:
            continue
        index = index_path(shard.prefix)
        if index not in names or os.path.lexists(os.path.join(folder, index)):
            continue
        path = os.path.join(folder, name)
        with suppress(OSError):
            if _identity(path) == identity:
                os.unlink(path)


def _note_shards(staging: str, shards: Iterable[str]) -> None:
    """Note which files are about to be published, for `_withdraw`."""
    lines: list[str] = []
    for shard in shards:
        name = os.path.basename(shard)
        if name.isprintable():
            lines.append(f"{name}\t{_identity(os.path.join(staging, name))}\n")
    with Path(staging, _NOTE).open("xb") as file:
        file.write("".join(lines).encode())


def _identity(path: str) -> str:
    seen = os.lstat(path)
    return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns}"


def staging_path(prefix: str) -> str:
    """Return the path of the staging directory of a local prefix, or of a file.

    Example:
      >>> staging_path("run/m")
      'run/.m.tcm-staging'
    """
    folder, base = os.path.split(prefix)
    shown = base[:_SHOWN]
    if shown != base:
        shown += f"-{zlib.crc32(os.fsencode(base)):08x}"
    return os.path.join(folder or ".", f".{shown}{STAGING_MARK}")


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
        staged = os.path.join(staging.path, "file")
        with create_like(staged, path) as file:
            yield file
        flushed(staged)
        check_in_place(staging)
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
    if avoiding is None:
        avoiding = counts_in(existing_files(prefix))
    free = (count for count in itertools.count(least) if count not in avoiding)
    if is_far(prefix):
        return next(free)
    return next(count for count in free if not _is_any_there(prefix, count))


def _is_any_there(prefix: str, count: int) -> bool:
    return any(os.path.lexists(shard_path(prefix, n, count)) for n in range(count))


def counts_in(paths: Iterable[str]) -> set[int]:
    """Return the counts of shards that files are named after.

    Example:
      >>> counts_in(["m.index", "m.data-00000-of-00002", "m.data-00001-of-00002"])
      {2}
    """
    shards = map(parse_shard_path, paths)
    return {shard.count for shard in shards if shard is not None}


def publish(
    staging: Directory,
    prefix: str,
    shards: Sequence[str],
    existing: Iterable[str] | None = None,
) -> None:
    """Move a staged checkpoint to its place; what was there of an older one goes.

    Args:
      staging: The folder with the flushed files, each under its final basename.
      prefix: Of the checkpoint.
      shards: Final paths of its shards, of a count that is free.
      existing: The files of the older one; None to look for them.

    Raises:
      OSError: If a step fails. Until the new index is in its place, all is then put
        back as it was; from there on the new checkpoint is whole.
    """
    folder, index = os.path.dirname(prefix) or ".", index_path(prefix)
    old = set(existing_files(prefix) if existing is None else existing)
    old -= {prefix, index}
    check_in_place(staging)
    _note_shards(staging.path, shards)
    with ExitStack() as undo:
        for shard in shards:
            staged = os.path.join(staging.path, os.path.basename(shard))
            os.replace(staged, shard)
            undo.callback(os.replace, shard, staged)
        flushed(folder)
        os.replace(os.path.join(staging.path, os.path.basename(index)), index)
        undo.pop_all()
    flushed(folder)
    # Shard 0 last: by that what is left, if this is broken off, is found.
    for stale in sorted(old, reverse=True):
        Path(stale).unlink()
