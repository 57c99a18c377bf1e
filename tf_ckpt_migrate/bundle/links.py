"""Gives a file a second name, or a copy, in the cheapest way that the system allows."""

from __future__ import annotations

import enum
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.files.access import copy_file
from tf_ckpt_migrate.files.paths import is_far

__all__ = ["DataMode", "Transfer", "append_range", "transfer"]

# "symlink" is for checkpoints that do not outlive the program: it leans on the source.
# "move" is for sources that nobody else has seen: they are gone then.
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
        symbolic link before these, and ``"move"`` renames the source.
      progress: Called with the number of bytes copied since the last call.

    Returns:
      Which it was.

    Raises:
      CheckpointError: If ``data`` is ``"link"`` and the file system cannot.
      OSError: If the bytes cannot be copied.
    """
    if data not in get_args(DataMode):
        raise ValueError(f'data={data!r}; expected "auto", "link" or "copy"')
    if is_far(source):
        return _fetched(source, target, data, progress)
    if data == "move":
        os.rename(source, target)
        return Transfer.MOVED
    if data == "symlink" and _symlinked(source, target):
        return Transfer.SYMLINKED
    if data != "copy":
        try:
            os.link(Path(source).resolve(), target)
        except OSError as error:
            # Another file system, one without links, or a file that is not ours.
            if data == "link":
                raise CheckpointError(
                    f"cannot hard-link {source!r} to {target!r}: {error.strerror}; "
                    'data="auto" copies where it cannot link'
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
            f"cannot hard-link {source!r} to {target!r}: it is not on this machine; "
            'data="auto" copies where it cannot link'
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
