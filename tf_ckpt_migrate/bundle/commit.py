"""Makes files visible all at once: written beside, flushed, renamed, the index last.

A reader finds a checkpoint by its index. So the index is renamed into place when every
shard already is, and the shards of an older checkpoint go when that is done. As shards
of the new one never have the names of those, a reader sees the old checkpoint or the
new one, and so does a program that starts after a crash.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import secrets
import stat
import time
import zlib
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tf_ckpt_migrate.bundle.locks import (
    check_in_place,
    owned_folder,
    remove_abandoned,
    remove_if_abandoned,
)
from tf_ckpt_migrate.bundle.proto import BundleHeaderProto, parsed
from tf_ckpt_migrate.bundle.shards import (
    INDEX_SUFFIX,
    index_path,
    mapped,
    parse_shard_path,
    shard_path,
)
from tf_ckpt_migrate.errors import (
    CorruptCheckpointError,
    OutputExistsError,
    OutputInUseError,
    OutputPathError,
)
from tf_ckpt_migrate.findings import OVERWRITE, Message
from tf_ckpt_migrate.storage.access import (
    is_file,
    is_folder,
    names_in,
    put_file,
    remove_file,
    statuses_in,
)
from tf_ckpt_migrate.storage.backend import Status
from tf_ckpt_migrate.storage.paths import (
    Directory,
    basename,
    create_like,
    is_far,
    join,
    split,
)
from tf_ckpt_migrate.table.reader import TableReader

__all__ = [
    "STAGING_MARK",
    "check_absent",
    "check_file_path",
    "check_folder_path",
    "check_prefix",
    "counts_in",
    "existing_files",
    "existing_sizes",
    "far_name_aside",
    "find_entries",
    "flushed",
    "free_count",
    "publish",
    "refuse_file_name",
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
    remedy = Message("choose another output prefix, or pass ", OVERWRITE, " to replace")
    if prefix in existing or index_path(prefix) in existing:
        raise OutputExistsError(
            Message(f"{prefix!r} exists already: {listed}; ", remedy, " it")
        )
    raise OutputExistsError(
        Message(
            f"{prefix!r} has data files without an index, so it is not a checkpoint: "
            f"{listed}. A writer that was killed, or a copy that is not complete, "
            "leaves such files; ",
            remedy,
            " them",
        )
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


_KERAS = (".weights.h5", ".keras", ".h5", ".hdf5")


def check_prefix(prefix: str) -> list[str]:
    """Check that the files of a checkpoint can have the names that a prefix gives them.

    Returns:
      The files that a checkpoint of this prefix has already (`existing_files`).

    Raises:
      OutputPathError: If they cannot.
    """
    _check_text(prefix)
    if not is_far(prefix):
        _check_local(prefix, shard_path("", 0, 1))
    entries = find_entries(prefix)
    for path, found in entries.items():
        if found.is_folder and path != join(*split(prefix)):
            raise OutputPathError(
                f"cannot write the checkpoint {prefix!r}: {path!r}, which would be one "
                "of its files, is a directory; choose another output prefix"
            )
    return [path for path, found in entries.items() if not found.is_folder]


def refuse_file_name(prefix: str) -> None:
    """Refuse a folder, and the name of one file of a checkpoint, as an output prefix.

    Raises:
      OutputPathError: If the prefix is such a path.
    """
    _check_text(prefix)
    if basename(prefix) in ("", ".", ".."):
        meant = join(prefix, "model.ckpt")
        raise OutputPathError(
            f"the output {prefix!r} is a folder; a prefix of file names is wanted, as "
            f"{meant!r}"
        )
    if prefix.endswith(_KERAS) and not is_file(index_path(prefix)):
        raise OutputPathError(
            f"the output {prefix!r} has the name of a Keras file, but a TensorFlow "
            "checkpoint is written, which load_weights does not read from such a name; "
            "choose a prefix such as 'model.ckpt', or restore into the model and call "
            "its save_weights()"
        )
    shard = parse_shard_path(prefix)
    meant = prefix.removesuffix(INDEX_SUFFIX) if shard is None else shard.prefix
    if meant != prefix:
        raise OutputPathError(
            f"the output {prefix!r} is called as one file of a checkpoint; give the "
            f"prefix of all of them, {meant!r}"
        )


def check_file_path(path: str) -> None:
    """Check that a file can be written at a path.

    Raises:
      OutputPathError: If it cannot.
    """
    _check_text(path)
    if is_folder(path) or not basename(path):
        raise OutputPathError(
            f"the output {path!r} is a directory; give the path of a file, such as "
            f"{join(path, 'output')!r}"
        )
    if not is_far(path):
        _check_local(path)


def check_folder_path(path: str) -> None:
    """Check that a path is a directory, or that one can be made there.

    Raises:
      OutputPathError: If neither is so.
    """
    _check_text(path)
    if not is_far(path):
        _check_local(os.path.join(path, "m"))


def _check_text(path: str) -> None:
    if not path:
        raise OutputPathError(
            "the output path is empty; give the path to write to ('.' is the working "
            "directory)"
        )
    if "\0" in path:
        raise OutputPathError(
            f"the output {path!r} contains a NUL character ('\\0'), which no file name "
            "can contain; remove it"
        )
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise OutputPathError(
            f"the output {path!r} contains characters that file names here cannot "
            f"contain ({error.reason}); choose another name"
        ) from None


def _check_local(path: str, ending: str = "") -> None:
    """Check a path of this machine, with the longest ending that it will get."""
    folder, name = os.path.split(path)
    staged = os.path.join(staging_path(path), f"{name}{ending}")
    for each in (path + ending, staged):
        _check_lookup(path, each)
    missing = [name + ending]
    while not os.path.lexists(folder or "."):
        folder, name = os.path.split(folder)
        missing.append(name)
    if not os.path.isdir(folder or "."):
        kind = "a link that leads to none" if os.path.islink(folder) else "a file"
        raise OutputPathError(
            f"cannot write {path!r}: {folder!r} is not a directory, but {kind}; choose "
            "another output path"
        )
    for name in missing:  # the system looks at a name only in a folder that is there
        _check_lookup(path, os.path.join(folder, name))


def _check_lookup(path: str, looked_up: str) -> None:
    try:
        os.lstat(looked_up)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputPathError(
                f"cannot write {path!r}: the path, or a name in it, is longer than the "
                f"file system allows ({len(os.fsencode(path)):,} bytes, and up to 20 "
                "more for the file of a checkpoint); choose a shorter one"
            ) from None
