"""Folders that one writer owns as long as it runs, and those of writers that died.

A lock of the operating system on a file within tells one from the other: it ends with
the process, however that ends.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tf_ckpt_migrate.errors import OutputInUseError

try:
    import fcntl
except ImportError:  # Windows, where moreover no open file can be removed
    fcntl = None

__all__ = ["owned_folder", "remove_abandoned"]

_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def owned_folder(path: str) -> Generator[str]:
    """Make a folder, empty and of this writer alone, and remove it in the end.

    Where the file system has no locks, nobody is kept out.

    Yields:
      The path.

    Raises:
      OutputInUseError: If another writer owns it.
      OSError: If it cannot be made.
    """
    descriptor = _own(path)
    try:
        _empty(path)
        yield path
    finally:
        _remove(path, descriptor)


def remove_abandoned(folder: str, mark: str) -> None:
    """Remove folders that their owners, killed, have left behind.

    Args:
      folder: Where to look.
      mark: How the names of such folders end.
    """
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not name.endswith(mark) or not os.path.isdir(path):
            continue
        # Another's, by rights or at work: it is not this writer's to complain about.
        with suppress(OSError):
            _remove_if_abandoned(path)


def _remove_if_abandoned(path: str) -> None:
    try:
        descriptor = os.open(os.path.join(path, _LOCK), os.O_RDWR)
    except FileNotFoundError:
        os.rmdir(path)  # killed before it had a lock, or after; if it is empty
        return
    if _locked(descriptor) is True:
        _remove(path, descriptor)
    else:
        os.close(descriptor)


def _own(path: str) -> int:
    """Return the descriptor of the lock of a folder, which is made where missing."""
    lock = os.path.join(path, _LOCK)
    while True:
        with suppress(FileExistsError):
            os.mkdir(path)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the owner before has just removed the folder
            continue
        if _locked(descriptor) is False:
            os.close(descriptor)
            raise OutputInUseError(
                f"another writer is at work on {path!r}: let it end, or write to "
                "another prefix. Workers of one training may not all save to one "
                "prefix; let the chief, or give each its own"
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Lock a file, unless another has; None where that cannot be known."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


def _empty(path: str) -> None:
    for entry in Path(path).iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()


def _remove(path: str, descriptor: int) -> None:
    """Remove a folder, the lock last, and give that up."""
    try:
        _empty(path)
        if fcntl is not None:  # while it is held: nobody may lock a file that goes
            os.unlink(os.path.join(path, _LOCK))
    finally:
        os.close(descriptor)
    with suppress(OSError):  # not empty: the next owner is there already
        if fcntl is None:
            os.unlink(os.path.join(path, _LOCK))
        os.rmdir(path)
