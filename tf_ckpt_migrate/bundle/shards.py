"""The data shards of a checkpoint, mapped into memory on first use."""

from __future__ import annotations

import enum
import errno
import mmap
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from tf_ckpt_migrate.bundle.foreign import STAND_IN_SIZE, stand_in, what_is
from tf_ckpt_migrate.errors import (
    CheckpointError,
    MissingShardError,
    NotACheckpointError,
    TruncatedFileError,
    capped,
)
from tf_ckpt_migrate.findings import Message, Option
from tf_ckpt_migrate.storage.access import (
    copy_file,
    exists,
    is_file,
    looking_once,
    names_in,
    size_of,
)
from tf_ckpt_migrate.storage.paths import is_far, split
from tf_ckpt_migrate.storage.remote_bytes import FarBytes
from tf_ckpt_migrate.table.block import Stored

__all__ = [
    "INDEX_SUFFIX",
    "DataMode",
    "ShardName",
    "Shards",
    "Transfer",
    "append_range",
    "index_path",
    "mapped",
    "parse_shard_path",
    "parse_v1_shard_path",
    "shard_path",
    "transfer",
]


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


# "symlink" is for checkpoints that do not outlive the program: it leans on the source.
# "move" is for sources that no other program has seen: a place renames them in the end.
DataMode = Literal["auto", "link", "copy", "symlink", "move"]

_FICLONE = 0x40049409  # linux/fs.h: make a file share the extents of another
_CHUNK = 16 << 20
_RANGE = 64 << 20  # after so many bytes an interruption is noticed, and progress told
_NO_CLONE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS}
_NO_RANGE = _NO_CLONE | {errno.EPERM, errno.EBADF, errno.ETXTBSY}


class Transfer(enum.Enum):
    """How the bytes of a shard came to the output."""

    LINKED = "linked"
    MOVED = "moved"
    SYMLINKED = "symlinked"
    REFLINKED = "reflinked"
    COPIED = "copied"
    WRITTEN = "written"


def transfer(
    source: str,
    target: str,
    data: DataMode = "auto",
    progress: Callable[[int], None] | None = None,
) -> Transfer:
    """Make ``target`` a file with the bytes of ``source``.

    Args:
      source: An existing file; a symbolic link is followed. A far one is copied.
      target: A path of this machine where nothing is yet.
      data: ``"link"`` takes only a hard link, ``"copy"`` never takes one, ``"auto"``
        takes the first that works of hard link, reflink, copy, ``"symlink"`` a
        symbolic link before these.
      progress: Called with the number of bytes copied since the last call.

    Returns:
      Which it was.

    Raises:
      CheckpointError: If ``data`` is ``"link"`` and the file system cannot.
      OSError: If the bytes cannot be copied.
    """
    if data == "move" or data not in get_args(DataMode):
        raise ValueError(f'data={data!r}; expected "auto", "link" or "copy"')
    if is_far(source):
        return _fetched(source, target, data, progress)
    if data == "symlink" and _symlinked(source, target):
        return Transfer.SYMLINKED
    if data != "copy":
        try:
            os.link(Path(source).resolve(), target)
        except OSError as error:
            # Another file system, one without links, or a file that is not ours.
            if data == "link":
                raise CheckpointError(
                    Message(
                        f"cannot hard-link {source!r} to {target!r}: "
                        f"{error.strerror}; ",
                        Option("data", "auto"),
                        " copies where it cannot link",
                    )
                ) from error
        else:
            return Transfer.LINKED
    with Path(source).open("rb") as reading, Path(target).open("xb") as writing:
        if _cloned(reading.fileno(), writing.fileno()):
            return Transfer.REFLINKED
        ends = reading.fileno(), writing.fileno()
        append_range(*ends, 0, _size(ends[0]), progress)
    return Transfer.COPIED


def _fetched(
    source: str,
    target: str,
    data: DataMode,
    progress: Callable[[int], None] | None,
) -> Transfer:
    if data == "link":
        raise CheckpointError(
            Message(
                f"cannot hard-link {source!r} to {target!r}: it is not on this "
                "machine; ",
                Option("data", "auto"),
                " copies where it cannot link",
            )
        )
    copy_file(source, target, progress)
    return Transfer.COPIED


def append_range(
    source: int,
    target: int,
    offset: int,
    size: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Append a range of one open file to another, within the kernel where possible.

    Args:
      source: Descriptor of the file to read.
      target: Descriptor of the file to write, positioned at its end.
      offset: First byte of the range.
      size: Number of bytes.
      progress: Called with the number of bytes copied since the last call.

    Raises:
      OSError: If the source ends before the range does, or a write fails.
    """
    end = offset + size
    in_kernel = hasattr(os, "copy_file_range")
    while offset < end:
        if in_kernel:
            try:
                part = min(_RANGE, end - offset)
                moved = os.copy_file_range(source, target, part, offset)
            except OSError as error:
                if error.errno not in _NO_RANGE:
                    raise
                in_kernel = False
                continue
        else:
            chunk = os.pread(source, min(_CHUNK, end - offset), offset)
            moved = os.write(target, chunk)
        if not moved:
            raise OSError(errno.EIO, f"the file ends {end - offset} bytes too early")
        offset += moved
        if progress is not None:
            progress(moved)


def _symlinked(source: str, target: str) -> bool:
    try:
        os.symlink(Path(source).resolve(), target)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # not everywhere, nor for everyone
        return False
    return True


def _size(descriptor: int) -> int:
    return os.fstat(descriptor).st_size


def _cloned(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        return False
    return True


INDEX_SUFFIX = ".index"

_SHARD = re.compile(r"(?as)(.*)\.data-(\d{5,9})-of-(\d{5,9})")
_V1_SHARD = re.compile(r"(?as)(.*)-(\d{5,9})-of-(\d{5,9})")


class ShardName(NamedTuple):
    """What the path of a shard says.

    Attributes:
      prefix: The checkpoint prefix.
      number: The shard's own number, from 0.
      count: How many shards the checkpoint has.
    """

    prefix: str
    number: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - hides tuple.count


def index_path(prefix: str) -> str:
    """Return the path of the index of ``prefix``.

    Example:
      >>> index_path("logs/model.ckpt-7")
      'logs/model.ckpt-7.index'
    """
    return prefix + INDEX_SUFFIX


@lru_cache(maxsize=4096)
def shard_path(prefix: str, number: int, count: int) -> str:
    """Return the path of data shard ``number`` of ``count``.

    Example:
      >>> shard_path("logs/model.ckpt-7", 0, 2)
      'logs/model.ckpt-7.data-00000-of-00002'
    """
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


def parse_shard_path(path: str) -> ShardName | None:
    """Return what the path of a data shard says, or None if it is no such path.

    Example:
      >>> parse_shard_path("m.data-00001-of-00002")
      ShardName(prefix='m', number=1, count=2)
    """
    return _parsed(_SHARD, path)


def parse_v1_shard_path(path: str) -> ShardName | None:
    """Return what the path of a shard of a V1 checkpoint says, or None.

    Example:
      >>> parse_v1_shard_path("export-00000-of-00001")
      ShardName(prefix='export', number=0, count=1)
    """
    return _parsed(_V1_SHARD, path)


def _parsed(pattern: re.Pattern[str], path: str) -> ShardName | None:
    match = pattern.fullmatch(path)
    return match and ShardName(match[1], int(match[2]), int(match[3]))
