"""What a far file system is to us, and what its errors are to our callers."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from tf_ckpt_migrate.errors import CheckpointError, FarFileError

__all__ = ["FarSystem", "Status", "Writable", "telling"]


class Status(NamedTuple):
    """What a path stands for.

    Attributes:
      is_folder: Whether it is one, or the beginning of the names of objects.
      size: Of a file, in bytes.
      changed: When a file was last written, in seconds; 0 where that is not known.
      stamp: What tells a file from another that takes its place; empty where the system
        knows nothing of the kind.
    """

    is_folder: bool
    size: int = 0
    changed: float = 0.0
    stamp: tuple[str, ...] = ()


class Writable(Protocol):
    """A file that is being written from its beginning."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Write all of it."""
        ...

    def close(self) -> object:
        """Wait until the system has it."""
        ...

    def discard(self) -> object:
        """End it, there or not; it is to be removed."""
        ...


class FarSystem(Protocol):
    """A file system that is not this machine's, by whole URLs.

    Its errors may be of any kind; whoever calls turns them into ours (``telling``).
    """

    def status(self, path: str) -> Status | None:
        """Return what is there; None for nothing."""
        ...

    def names_in(self, folder: str) -> list[str]:
        """Return the names in a folder; none where there is no folder."""
        ...

    def statuses_in(self, folder: str) -> dict[str, Status]:
        """Return what is in a folder, by name; nothing where there is no folder."""
        ...

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return a range of a file; what there is of it where the file ends sooner."""
        ...

    def create(self, path: str) -> Writable:
        """Begin a file where nothing is yet."""
        ...

    def put(self, path: str, data: bytes, aside: str) -> None:
        """Make a file of ``data``, or replace one, at once if the system can.

        The path ``aside`` is free, and is for a system that needs it for that.
        """
        ...

    def puts_whole(self, path: str) -> bool:
        """Return whether a file is there whole, at once, when it has been written."""
        ...

    def move(self, source: str, target: str) -> None:
        """Give a file another name; a file of that name gives way, if it can."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Copy a file; one of that name gives way."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, where the system has such."""
        ...

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all in it; nothing there is no mistake."""
        ...

    def canonical(self, path: str) -> str:
        """Return the one spelling of a path."""
        ...


@contextmanager
def telling(action: str, path: str) -> Generator[None]:
    """Let errors of a far file system be of the kinds that a local one has.

    Args:
      action: What is being done, as ``"read"``.
      path: The file.

    Raises:
      FileNotFoundError: If it is not there.
      PermissionError: If that is forbidden.
      FarFileError: If anything else went wrong.

    Example:
      >>> with telling("read", "s3://bucket/m"):
      ...     raise RuntimeError("timed out")
      Traceback (most recent call last):
        ...
      tf_ckpt_migrate.errors.FarFileError: cannot read 's3://bucket/m': RuntimeError: \
timed out
    """
    try:
        yield
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        what = f"cannot {action} it: {_first_line(error)}"
        raise FileNotFoundError(errno.ENOENT, what, path) from None
    except PermissionError as error:
        what = f"cannot {action} it: {_first_line(error) or 'permission denied'}"
        raise PermissionError(errno.EACCES, what, path) from None
    except Exception as error:  # every system has kinds of its own
        kind = type(error).__name__
        raise FarFileError(
            f"cannot {action} {path!r}: {kind}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
