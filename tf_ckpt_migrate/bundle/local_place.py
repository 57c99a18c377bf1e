"""Puts a checkpoint together in a folder of this machine, beside where it is to be."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from tf_ckpt_migrate.bundle.existing import existing_files
from tf_ckpt_migrate.bundle.links import Transfer, append_range, transfer
from tf_ckpt_migrate.bundle.naming import index_path, parse_shard_path, shard_path
from tf_ckpt_migrate.bundle.place import Heard, Items, Taken, copy_range
from tf_ckpt_migrate.bundle.staging import flushed, publish, staging_folder
from tf_ckpt_migrate.files.directory import Directory
from tf_ckpt_migrate.files.paths import is_far
from tf_ckpt_migrate.files.permissions import copy_permissions, create_like
from tf_ckpt_migrate.table.writer import write_table

__all__ = ["LocalPlace", "local_place"]


@contextmanager
def local_place(prefix: str) -> Generator[LocalPlace]:
    """Make the place for a checkpoint, and remove it in the end.

    Raises:
      OutputInUseError: If another writer is at work on this prefix.
      OSError: If it cannot be made.
    """
    with staging_folder(prefix) as staging, ExitStack() as files:
        yield LocalPlace(prefix, staging, files)


class LocalPlace:
    """A folder of this machine.

    Args:
      prefix: Of the checkpoint.
      staging: Beside its files.
      files: Closes what is open in the end.

    Attributes:
      folder: The path of the staging directory.
    """

    def __init__(self, prefix: str, staging: Directory, files: ExitStack) -> None:
        """Begin with nothing."""
        self.folder: str = staging.path
        self._staging = staging
        # A new shard gets the permissions of one that is there, or of the index.
        shards = [path for path in existing_files(prefix) if parse_shard_path(path)]
        self._like = (*shards, index_path(prefix))[0]
        self._prefix = prefix
        self._open = files
        self._files: dict[int, BinaryIO] = {}

    def _staged(self, number: int) -> str:
        # The final names carry the number of shards, which only the end tells.
        return os.path.join(self.folder, f"shard-{number}")

    def take(self, number: int, taken: Taken) -> tuple[Transfer, int]:
        """Take a shard over; return how, and its size."""
        staged = self._staged(number)
        with taken.kept():
            how = transfer(taken.path, staged, taken.data, taken.heard)
        if how not in (Transfer.LINKED, Transfer.SYMLINKED):
            copy_permissions(self._like, staged)
            flushed(staged)  # before the index that refers to it
        return how, Path(staged).stat().st_size

    def create(self, number: int) -> BinaryIO:
        """Return the file of a new shard."""
        file = self._open.enter_context(create_like(self._staged(number), self._like))
        self._files[number] = file
        return file

    def append_range(
        self, number: int, source: str, offset: int, size: int, heard: Heard
    ) -> int:
        """Append a range of a file to a new shard; return where it is there."""
        file = self._files[number]
        file.flush()
        at = file.tell()
        if is_far(source):
            copy_range(file, source, offset, size, heard)
        else:
            with Path(source).open("rb") as reading:
                ends = reading.fileno(), file.fileno()
                append_range(*ends, offset, size, heard)
            file.seek(at + size)
        return at

    def publish(self, count: int, items: Items, existing: Iterable[str]) -> None:
        """Make the checkpoint visible, with the index of ``items``."""
        shards = [shard_path(self._prefix, number, count) for number in range(count)]
        for number, final in enumerate(shards):
            if number in self._files:
                file = self._files[number]
                file.flush()
                os.fsync(file.fileno())
                file.close()
            staged = os.path.join(self.folder, os.path.basename(final))
            os.rename(self._staged(number), staged)
        index = os.path.join(self.folder, os.path.basename(index_path(self._prefix)))
        with create_like(index, index_path(self._prefix)) as file:
            write_table(file, items)
        flushed(index)
        publish(self._staging, self._prefix, shards, existing)
