"""The data shards of a checkpoint, mapped into memory on first use."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from tf_ckpt_migrate.bundle.foreign import STAND_IN_SIZE, stand_in, what_is
from tf_ckpt_migrate.bundle.naming import shard_path
from tf_ckpt_migrate.errors import (
    MissingShardError,
    NotACheckpointError,
    TruncatedFileError,
    capped,
)
from tf_ckpt_migrate.files.access import (
    exists,
    is_file,
    looking_once,
    names_in,
    size_of,
)
from tf_ckpt_migrate.files.far_bytes import FarBytes
from tf_ckpt_migrate.files.paths import is_far, split
from tf_ckpt_migrate.table.coding import Stored

__all__ = ["Shards", "mapped"]

_MOST_MAPPED = 64  # at once: each keeps a file open, of which a process may have 1,024


def mapped(
    path: str, after: Callable[[], None] = lambda: None
) -> memoryview | FarBytes:
    """Map a file into memory, read-only; only pages that are touched are read.

    Of a far one, only slices that are taken are fetched.

    Args:
      path: Of the file.
      after: As of `FarBytes`, for a far one.

    Raises:
      OSError: If the file cannot be opened.
    """
    if is_far(path):
        return FarBytes(path, after)
    with Path(path).open("rb") as file:
        if not file.seek(0, 2):
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _check_no_stand_in(path: str, data: bytes) -> None:
    """Refuse a pointer or a link in place of a shard: short tensors would lie in it."""
    if (kind := stand_in(path, data)) is not None:
        raise NotACheckpointError(f"{path!r} is {kind}")


class Shards:
    """The data shards of one checkpoint.

    Args:
      prefix: Of the checkpoint.
      count: Number of shards that the index names.
      check_current: Raises an error if the files are of another checkpoint by now.

    Example:
      >>> Shards("m", 2).path(1)
      'm.data-00001-of-00002'
    """

    def __init__(
        self, prefix: str, count: int, check_current: Callable[[], None] = lambda: None
    ) -> None:
        """Open nothing yet."""
        self._check_current = check_current
        self._prefix = prefix
        self.count = count
        self._mapped: dict[int, memoryview | FarBytes] = {}

    def path(self, number: int) -> str:
        """Return the path of one shard."""
        return shard_path(self._prefix, number, self.count)

    def present(self, number: int) -> str:
        """Return the path of a shard that is there.

        Raises:
          MissingShardError: If it is not.
          CheckpointReplacedError: If another checkpoint is in the place of this one.
          NotACheckpointError: If it is a folder, or a pipe, which would never end.
        """
        path = self.path(number)
        if is_file(path):
            return path
        if exists(path):
            raise NotACheckpointError(
                f"{path!r} is no regular file, which a data shard is"
            )
        self._check_current()
        raise self._missing(path)

    def complete(self, number: int, end: int) -> str:
        """Return the path of a shard that is there and has ``end`` bytes or more.

        Raises:
          MissingShardError: If it is not there.
          NotACheckpointError: If another kind of file is in its place.
          TruncatedFileError: If it ends too soon.
        """
        return self.complete_with_size(number, end)[0]

    def complete_with_size(self, number: int, end: int) -> tuple[str, int]:
        """Return the same path, and the size of the file."""
        try:
            with looking_once():
                path = self.present(number)
                length = size_of(path)
        except FileNotFoundError:  # it went in this very moment
            self._check_current()
            raise
        if length < end:
            raise self._too_short(number, end, length, "its last tensor")
        return path, length

    def read(self, number: int, offset: int, size: int, what: str) -> memoryview:
        """Return a range of a shard as read-only memory.

        Args:
          number: Of the shard.
          offset: Of the first byte.
          size: Number of bytes.
          what: The tensor whose bytes these are, for messages.

        Raises:
          MissingShardError: If the shard is not there.
          CheckpointReplacedError: If another checkpoint is in the place of this one.
          NotACheckpointError: If another kind of file is in its place.
          TruncatedFileError: If it ends before the range does.
        """
        return self._whole(number, offset + size, what)[offset : offset + size]

    def part(self, number: int, offset: int, size: int, what: str) -> Stored:
        """Return a range of a shard, of which a far one is fetched by slices of it.

        The arguments and errors are those of `read`, and then of taking a slice.
        """
        whole = self._whole(number, offset + size, what)
        return (
            whole.part(offset, size)
            if isinstance(whole, FarBytes)
            else (whole[offset : offset + size])
        )

    def _whole(self, number: int, end: int, what: str) -> memoryview | FarBytes:
        whole = self._mapped.get(number)
        if whole is None:
            whole = self._opened(number)
        if end > len(whole):
            self._check_current()  # a file of another checkpoint may be shorter
            raise self._too_short(number, end, len(whole), what)
        return whole

    def release(self) -> None:
        """Let go of the memory that holds what was read; it can be read again."""
        dont_need = getattr(mmap, "MADV_DONTNEED", None)  # not on every system
        for whole in [*self._mapped.values()]:  # others may map more meanwhile
            if isinstance(whole, FarBytes):
                whole.release()
                continue
            held = whole.obj
            if dont_need is not None and isinstance(held, mmap.mmap):
                held.madvise(dont_need)

    def close(self) -> None:
        """Close every shard; one that is read later is opened again."""
        self._mapped.clear()  # a mapped file is closed with the last array of it

    def _opened(self, number: int) -> memoryview | FarBytes:
        try:
            with looking_once():
                path = self.present(number)
                whole = mapped(path, self._check_current)
        except MissingShardError:
            raise
        except FileNotFoundError:  # it went in this very moment
            self._check_current()
            raise self._missing(self.path(number)) from None
        is_far_file = isinstance(whole, FarBytes)  # which looks after each fetch
        if not is_far_file:
            self._check_current()
        if not is_far_file and len(whole) <= STAND_IN_SIZE:
            _check_no_stand_in(self.path(number), bytes(whole[: len(whole)]))
        self._mapped[number] = whole
        # Who still uses an older one has it; others come by it again.
        for oldest in [*self._mapped][:-_MOST_MAPPED]:
            self._mapped.pop(oldest, None)
        return whole

    def _too_short(self, number: int, end: int, length: int, what: str) -> Exception:
        path = self.path(number)
        if (kind := what_is(path)) is not None:
            return NotACheckpointError(f"{path!r} is {kind}")
        return TruncatedFileError(
            f"{path!r}: {what} ends at byte {end:,}, but the file ends at {length:,}; "
            "a copy or an upload broke off: copy the file again from where it is whole"
        )

    def _missing(self, path: str) -> MissingShardError:
        folder, name = split(path)
        base = name[: name.rfind(".data-")]
        beside = sorted(each for each in names_in(folder) if each.startswith(base))
        return MissingShardError(
            f"data shard {path!r} is missing; beside it there are: "
            f"{', '.join(capped(beside)) or 'no files of this checkpoint'}. "
            f"A checkpoint is its index and all of its shards, here {self.count}: copy "
            "what is missing here too"
        )
