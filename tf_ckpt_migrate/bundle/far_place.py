"""Puts a checkpoint together on a far file system, beside where it is to be.

There are no links and no locks, and to rename an object may mean to copy it. So shards
that are taken over go straight to their final names, which no index names yet, when the
count in these names is known; new ones are written aside. The index, which is one
object, comes last and makes all of them the checkpoint.

Nor is there anybody to keep two workers apart that write the same checkpoint, as when
a runner takes one for dead which is not. So what they share is never taken away: both
put the same bytes under the same names, each file in one step, and who fails leaves
what the other may count on.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress

from tf_ckpt_migrate.bundle.links import Transfer
from tf_ckpt_migrate.bundle.naming import index_path, shard_path
from tf_ckpt_migrate.bundle.place import Heard, Items, Taken, copy_range
from tf_ckpt_migrate.bundle.staging import far_name_aside
from tf_ckpt_migrate.errors import CheckpointError, FarFileError
from tf_ckpt_migrate.files.access import (
    copy_file,
    make_folder,
    move_file,
    put_file,
    puts_whole,
    read_bytes,
    remove_file,
    remove_folder,
)
from tf_ckpt_migrate.files.far_writer import FarWriter
from tf_ckpt_migrate.files.paths import basename, join
from tf_ckpt_migrate.table.writer import write_table

__all__ = ["FarPlace", "far_place"]


@contextmanager
def far_place(prefix: str, *, shared: bool = False) -> Generator[FarPlace]:
    """Make the place for a checkpoint, and remove what is left in it in the end.

    Args:
      prefix: Of the checkpoint.
      shared: Whether others may be writing the same checkpoint, byte for byte.

    Raises:
      OSError: If the file system fails.
    """
    place = FarPlace(prefix, far_name_aside(prefix), shared=shared)
    try:
        yield place
    except BaseException:
        with suppress(OSError):  # what went wrong before is what to tell
            place.discard()
        raise
    place.discard()


class FarPlace:
    """A folder of a far system.

    Args:
      prefix: Of the checkpoint.
      folder: Beside its files, which need not exist.
      shared: As of `far_place`.

    """

    def __init__(self, prefix: str, folder: str, *, shared: bool = False) -> None:
        """Begin with nothing."""
        self._folder = folder
        self._is_made = self._is_lent = False
        self._shared = shared
        self._prefix = prefix
        self._taken: dict[int, Taken] = {}
        self._files: dict[int, FarWriter] = {}

    @property
    def folder(self) -> str:
        """The folder, which is made where it is needed."""
        self._is_lent = True
        return self._made_folder()

    def _made_folder(self) -> str:
        if not self._is_made:
            self._is_made = True
            make_folder(self._folder)
        return self._folder

    def _staged(self, number: int) -> str:
        return join(self._made_folder(), f"shard-{number}")

    def take(self, number: int, taken: Taken) -> tuple[Transfer, int]:
        """Note what is to be copied in the end; return how, and its size."""
        if taken.data == "link":
            raise CheckpointError(
                f"cannot hard-link {taken.path!r} to a file of {self._prefix!r}: there "
                'are no links on far file systems; data="auto" copies'
            )
        self._taken[number] = taken
        how = Transfer.MOVED if taken.data == "move" else Transfer.COPIED
        return how, taken.size

    def create(self, number: int) -> FarWriter:
        """Return the file of a new shard."""
        self._files[number] = FarWriter(self._staged(number))
        return self._files[number]

    def append_range(
        self, number: int, source: str, offset: int, size: int, heard: Heard
    ) -> int:
        """Append a range of a file to a new shard; return where it is there."""
        file = self._files[number]
        at = file.tell()
        copy_range(file, source, offset, size, heard)
        return at

    def publish(self, count: int, items: Items, existing: Iterable[str]) -> None:
        """Make the checkpoint visible, with the index of ``items``.

        Raises:
          OSError: If a step fails; what was there is then as it was, or the new
            checkpoint is whole. Where even that cannot be known, all files stay, and
            of a shared one new data files always do.
        """
        index = io.BytesIO()
        write_table(index, items)
        is_whole = puts_whole(self._prefix)
        old = set(existing) - {self._prefix, index_path(self._prefix)}
        finals = [shard_path(self._prefix, number, count) for number in range(count)]
        with ExitStack() as undo:
            for number, final in enumerate(finals):
                if not self._shared:
                    undo.callback(_removed, final)  # also what a broken copy leaves
                self._put_shard(number, final, is_whole=is_whole)
            self._put_index(index.getvalue(), undo, is_whole=is_whole)
            undo.pop_all()
        if is_whole and not self._is_lent:
            self._is_made = False  # all that was in it is where it belongs
        for stale in old.difference(finals):
            with suppress(FileNotFoundError):  # another has removed it
                remove_file(stale)

    def discard(self) -> None:
        """End what is still being written, and remove the folder."""
        for file in self._files.values():
            file.discard()
        if self._is_made:
            remove_folder(self._folder)

    def _put_shard(self, number: int, final: str, *, is_whole: bool) -> None:
        if number in self._files:
            self._files[number].close()
            move_file(self._staged(number), final)
            return
        path, size, data, kept, heard = self._taken[number]
        with kept():
            if data == "move":
                move_file(path, final)
            elif self._shared and not is_whole:
                copy_file(path, self._staged(number), heard, size)
                move_file(self._staged(number), final)
            else:
                copy_file(path, final, heard, size)

    def _put_index(self, data: bytes, undo: ExitStack, *, is_whole: bool) -> None:
        path = index_path(self._prefix)
        try:
            aside = path  # of no use
            if not is_whole:
                aside = join(self._made_folder(), basename(path))
            put_file(path, data, aside)
        except BaseException as error:
            arrived = _has(path, data)  # an answer may be lost when the work is done
            if arrived is not False:
                undo.pop_all()
            if arrived is None:
                raise FarFileError(
                    f"{error}; whether the new index of {self._prefix!r} has arrived "
                    "cannot be known now, so the data files of the old checkpoint, if "
                    "there was one, and of the new one are both left there: look at "
                    "it again when the file system answers"
                ) from error
            if not arrived or not isinstance(error, Exception):
                raise


def _removed(path: str) -> None:
    with suppress(OSError):  # what went wrong before is what to tell
        remove_file(path)


def _has(path: str, data: bytes) -> bool | None:
    """Return whether a file has these bytes; None where that cannot be known."""
    try:
        return read_bytes(path) == data
    except FileNotFoundError:
        return False
    except OSError:
        return None
