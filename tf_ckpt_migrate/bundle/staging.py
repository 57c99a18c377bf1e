"""Makes files visible all at once: written beside, flushed, renamed, the index last.

A reader finds a checkpoint by its index. So the index is renamed into place when every
shard already is, and where shards of an older checkpoint must give way to shards of the
same names, the old index goes first: a reader sees the old checkpoint, none, or the
new one. What gives way is kept until the new index is there, and comes back if a step
before that fails.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tf_ckpt_migrate.bundle.naming import index_path, parse_shard_path
from tf_ckpt_migrate.errors import OutputExistsError

__all__ = [
    "check_absent",
    "existing_files",
    "flushed",
    "publish",
    "replace_file",
    "staging_folder",
]

_STAGING_MARK = ".tcm-staging-"
_SHOWN = 40  # characters of the basename, which alone may be as long as a name can be


def existing_files(prefix: str) -> list[str]:
    """Return the files of a checkpoint of this prefix: index, shards of any count.

    A V1 file of the very prefix counts too.

    Args:
      prefix: Of the checkpoint, which need not exist.
    """
    folder, base = os.path.split(prefix)
    if not os.path.isdir(folder or "."):
        return []
    names = sorted(name for name in os.listdir(folder or ".") if _is_of(name, base))
    paths = [os.path.join(folder, name) for name in names]
    return [path for path in paths if not os.path.isdir(path)]


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

    Yields:
      Its path: on the same file system, so that a rename out of it is atomic.
    """
    folder = os.path.dirname(prefix) or "."
    Path(folder).mkdir(parents=True, exist_ok=True)
    mark = f".{os.path.basename(prefix)[:_SHOWN]}{_STAGING_MARK}"
    staging = tempfile.mkdtemp(prefix=mark, dir=folder)
    try:
        yield staging
    finally:
        shutil.rmtree(staging)


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


def publish(staging: str, prefix: str, shards: Iterable[str]) -> None:
    """Move a staged checkpoint to its place; what was there of an older one goes.

    Args:
      staging: The folder with the flushed files, each under its final basename.
      prefix: Of the checkpoint.
      shards: Final paths of its shards.

    Raises:
      OSError: If a step fails. Until the new index is in its place, all is then put
        back as it was; from there on the new checkpoint is whole.
    """
    shards = list(shards)
    folder, index = os.path.dirname(prefix) or ".", index_path(prefix)
    old = set(existing_files(prefix)) - {prefix, index}
    with ExitStack() as undo:
        if clashing := sorted(old.intersection(shards)):
            for number, path in enumerate([index, *clashing]):
                if os.path.lexists(path):
                    _move(path, os.path.join(staging, f"old-{number}"), undo)
        for shard in shards:
            _move(os.path.join(staging, os.path.basename(shard)), shard, undo)
        flushed(folder)
        os.replace(os.path.join(staging, os.path.basename(index)), index)
        undo.pop_all()
    flushed(folder)
    for stale in old.difference(shards):
        Path(stale).unlink()


def _move(path: str, to: str, undo: ExitStack) -> None:
    os.replace(path, to)
    undo.callback(os.replace, to, path)
