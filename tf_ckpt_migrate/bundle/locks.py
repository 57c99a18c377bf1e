"""Folders that one writer owns while it runs, and those that killed writers have left.

A folder is owned by whoever holds the operating system's lock on the file ``lock`` in
it. The lock ends with the process, however that ends. Three checks keep every writer
away from what it did not make:

- the folder, and the file, are opened without following symbolic links;
- after locking, the file must still be the one in the folder, and the folder the one at
  its path: another process may have removed both, and a third made them again;
- the first line of the file says that it was made here. A folder without such a file is
  not emptied, whatever it is called.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress

from tf_ckpt_migrate.errors import OutputInUseError, OutputPathError
from tf_ckpt_migrate.storage.paths import Directory

try:
    import fcntl
except ImportError:  # Windows, where moreover no open file can be removed
    fcntl = None

__all__ = ["check_in_place", "owned_folder", "remove_abandoned", "remove_if_abandoned"]

_LOCK = "lock"
_MADE_HERE = b"staging directory of tf_ckpt_migrate\n"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
# A clean-up holds a lock for a moment; a writer holds it as long as it writes.
_CHANGES = 1000
_TRIES = 20
_PAUSE = 0.01  # seconds

_Settle = Callable[[Directory], None]


def _settle_nothing(_: Directory) -> None:
    """Do nothing (the default)."""


@contextmanager
def owned_folder(path: str, settle: _Settle = _settle_nothing) -> Generator[Directory]:
    """Make a folder, empty and of this writer alone, and remove it in the end.

    Where the file system has no locks, whoever makes the lock file owns the folder; one
    that a killed writer left is then refused too, as nothing tells it from one in use.

    Args:
      path: The folder.
      settle: Called with a folder that a killed writer left, before it is emptied.

    Yields:
      The folder.

    Raises:
      OutputInUseError: If another writer owns it.
      OutputPathError: If something else is at this path, such as a symbolic link or a
        folder that no writer has made; or if something else takes its place meanwhile.
      OSError: If it cannot be made.
    """
    folder, lock = _own(path)
    try:
        settle(folder)
        folder.clear(but=_LOCK)
        yield folder
    except OSError as error:
        if folder.is_at_its_path():
            raise
        raise _replaced(path) from error
    finally:
        with folder:
            try:
                _remove(folder)
            finally:
                os.close(lock)
            _remove_empty(folder)


def check_in_place(folder: Directory) -> None:
    """Check that nothing has taken the place of an owned folder.

    Raises:
      OutputPathError: If something has.
    """
    if not folder.is_at_its_path():
        raise _replaced(folder.path)


def _replaced(path: str) -> OutputPathError:
    return OutputPathError(
        f"the staging directory {path!r} was moved, removed or replaced by another "
        "program while it was in use; find out which program changes this directory, "
        "then write again"
    )


def remove_abandoned(folder: str, mark: str, settle: _Settle = _settle_nothing) -> int:
    """Remove folders that writers, now killed, have left.

    Args:
      folder: Where to look.
      mark: How the names of such folders end.
      settle: Called with each before it is removed.

    Returns:
      How many entries the folder has.
    """
    names = os.listdir(folder)
    for name in names:
        if name.endswith(mark):
            remove_if_abandoned(os.path.join(folder, name), settle)
    return len(names)


def remove_if_abandoned(path: str, settle: _Settle = _settle_nothing) -> None:
    """Remove one such folder, if it is there.

    Links, folders of others, and those in use stay, and so do those that this process
    may not remove.
    """
    with suppress(OSError):
        _remove_if_abandoned(path, settle)


def _remove_if_abandoned(path: str, settle: _Settle) -> None:
    with Directory(path) as folder:
        try:
            lock = folder.open(_LOCK, os.O_RDWR)
        except FileNotFoundError:
            os.rmdir(path)  # killed before it had a lock, or after; if it is empty
            return
        try:
            if not (_locked(lock) and _is_in_place(folder, lock)):
                return
            line = _first_line(lock)
            # Killed before it wrote the line, a writer leaves nothing else.
            if line == _MADE_HERE or (not line and folder.names() == [_LOCK]):
                settle(folder)
                _remove(folder)
        finally:
            os.close(lock)
        _remove_empty(folder)


def _own(path: str) -> tuple[Directory, int]:
    """Return a folder, made where missing, and the descriptor of its lock."""
    tries = 0
    for _ in range(_CHANGES):
        with suppress(FileExistsError):
            os.mkdir(path)
        try:
            folder = Directory(path)
        except FileNotFoundError:  # the owner before has just removed it
            continue
        except NotADirectoryError:
            raise _foreign(path) from None
        with ExitStack() as stack:
            stack.enter_context(folder)
            try:
                lock = _take_lock(folder)
            except _LockedError:
                tries += 1
                if tries > _TRIES:
                    raise OutputInUseError(_in_use(path)) from None
                time.sleep(_PAUSE)
                continue
            if lock is not None:
                stack.pop_all()
                return folder, lock
    raise OutputInUseError(
        f"{path!r} changes all the time, so it cannot be locked: either many writers "
        "use it at once, or its file system gives one file several identities; write "
        "to another directory"
    )


class _LockedError(Exception):
    """Another process has the lock."""


def _take_lock(folder: Directory) -> int | None:
    """Lock a folder; return the lock, or None if it is to be tried again.

    Raises:
      _LockedError: If another process has the lock.
      OutputInUseError: If another process may have it.
      OutputPathError: If no writer has made the folder.
    """
    try:
        lock, is_new = _open_lock(folder)
    except FileNotFoundError:  # the folder, or the lock, has just been removed
        return None
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise _foreign(folder.path) from None
    try:
        if _is_taken(folder, lock, is_new=is_new):
            kept, lock = lock, -1
            return kept
        return None
    finally:
        if lock >= 0:
            os.close(lock)


def _open_lock(folder: Directory) -> tuple[int, bool]:
    """Return the descriptor of the lock file of a folder, and whether it is new."""
    try:
        return folder.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL), True
    except FileExistsError:
        return folder.open(_LOCK, os.O_RDWR), False


def _is_taken(folder: Directory, lock: int, *, is_new: bool) -> bool:
    """Lock a folder; return whether it is now owned, and not to be tried again."""
    locked = _locked(lock)
    if locked is False:
        raise _LockedError
    if not _is_in_place(folder, lock):
        return False
    if is_new:
        if folder.names() != [_LOCK]:
            folder.remove(_LOCK)
            raise _foreign(folder.path)
        os.write(lock, _MADE_HERE)
        return True
    if locked is None:
        raise OutputInUseError(
            f"{_in_use(folder.path)}. The file system has no locks, so it may also be "
            "what a killed writer left: if no writer runs, remove that folder"
        )
    line = _first_line(lock)
    if not line and folder.names() == [_LOCK]:  # of a writer killed just then
        folder.remove(_LOCK)
        return False
    if line != _MADE_HERE:
        raise _foreign(folder.path)
    return True


def _is_in_place(folder: Directory, lock: int) -> bool:
    return folder.holds(_LOCK, lock) and folder.is_at_its_path()


def _first_line(lock: int) -> bytes:
    return os.read(lock, len(_MADE_HERE) + 1)


def _foreign(path: str) -> OutputPathError:
    if os.path.islink(path):
        what = f"is a symbolic link to {os.readlink(path)!r}, which is not followed"
    elif os.path.isdir(path):
        what = "is a directory that this package did not create, and is not emptied"
    else:
        what = "is a file"
    return OutputPathError(
        f"cannot use the staging directory {path!r}: it {what}. Look at what it is, "
        "then rename or remove it, or write to another prefix"
    )


def _in_use(path: str) -> str:
    return (
        f"another writer is at work on {path!r}: let it end, or write to another "
        "prefix. Workers of one training may not all save to one prefix; let the "
        "chief, or give each its own"
    )


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


def _remove(folder: Directory) -> None:
    """Remove what is in a folder, the lock last."""
    folder.clear(but=_LOCK)
    if fcntl is not None:  # while it is held: nobody may lock a file that goes
        with suppress(FileNotFoundError):
            folder.remove(_LOCK)


def _remove_empty(folder: Directory) -> None:
    """Remove a folder whose lock has been given up."""
    with suppress(OSError):  # not empty: the next owner is there already
        if fcntl is None:
            folder.remove(_LOCK)
        if folder.is_at_its_path():
            os.rmdir(folder.path)
