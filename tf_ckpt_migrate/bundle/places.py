"""Where an output goes: a directory on disk, or remote storage."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from tf_ckpt_migrate.bundle.commit import (
    existing_files,
    far_name_aside,
    flushed,
    publish,
    staging_folder,
)
from tf_ckpt_migrate.bundle.shards import (
    DataMode,
    Transfer,
    append_range,
    index_path,
    parse_shard_path,
    shard_path,
    transfer,
)
from tf_ckpt_migrate.errors import CheckpointError, FarFileError
from tf_ckpt_migrate.findings import Message, Option
from tf_ckpt_migrate.storage.access import (
    FarWriter,
    copy_file,
    make_folder,
    move_file,
    pieces_of,
    put_file,
    puts_whole,
    read_bytes,
    remove_file,
    remove_folder,
)
from tf_ckpt_migrate.storage.paths import (
    Directory,
    basename,
    copy_permissions,
    create_like,
    is_far,
    join,
)
from tf_ckpt_migrate.table.writer import write_table

__all__ = [
    "FarPlace",
    "Heard",
    "Items",
    "LocalPlace",
    "Place",
    "Taken",
    "copy_range",
    "far_place",
    "local_place",
]


Items = Iterable[tuple[bytes, bytes]]
Heard = Callable[[int], None]


class Taken(NamedTuple):
    """A shard of another checkpoint that is taken over.

    Attributes:
      path: The file.
      size: Its bytes.
      data: How (``links.transfer``).
      kept: A context that sees that the file is still the other checkpoint's, in which
        it is taken over.
      heard: Called with the number of bytes copied since the last call.
    """

    path: str
    size: int
    data: DataMode
    kept: Callable[[], AbstractContextManager[None]]
    heard: Heard


class Place(Protocol):
    """Where one checkpoint is put together, by numbers of shards."""

    @property
    def folder(self) -> str:
        """A folder of this writer alone."""
        ...

    def take(self, number: int, taken: Taken) -> tuple[Transfer, int]:
        """Take a shard over; return how, and its size."""
        ...

    def create(self, number: int) -> Any:
        """Return the file of a new shard."""
        ...

    def append_range(
        self, number: int, source: str, offset: int, size: int, heard: Heard
    ) -> int:
        """Append a range of a file to a new shard; return where it is there."""
        ...

    def publish(self, count: int, items: Items, existing: Iterable[str]) -> None:
        """Make a checkpoint of so many shards visible, with the index of ``items``.

        Of the existing files, the shards go then.
        """
        ...


def copy_range(file: Any, source: str, offset: int, size: int, heard: Heard) -> None:
    """Append a range of a file to one that is being written, a piece at a time.

    Args:
      file: What has a ``write``.
      source: Path of the file to read.
      offset: First byte of the range there.
      size: Number of bytes.
      heard: Called with the number of bytes copied since the last call.

    Raises:
      OSError: If a read or a write fails.
    """
    for piece in pieces_of(source, offset, size):
        file.write(piece)
        heard(len(piece))


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
        self._moved: dict[int, str] = {}

    def _staged(self, number: int) -> str:
        # The final names carry the number of shards, which only the end tells.
        return os.path.join(self.folder, f"shard-{number}")

    def take(self, number: int, taken: Taken) -> tuple[Transfer, int]:
        """Take a shard over; return how, and its size."""
        if taken.data == "move":  # in the end: until then values are computed from it
            self._moved[number] = staged = taken.path
            how = Transfer.MOVED
        else:
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
            os.rename(self._moved.get(number, self._staged(number)), staged)
        index = os.path.join(self.folder, os.path.basename(index_path(self._prefix)))
        with create_like(index, index_path(self._prefix)) as file:
            write_table(file, items)
        flushed(index)
        publish(self._staging, self._prefix, shards, existing)


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
                Message(
                    f"cannot hard-link {taken.path!r} to a file of {self._prefix!r}: "
                    "there are no links on far file systems; ",
                    Option("data", "auto"),
                    " copies",
                )
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
