"""A local directory that is held open, so that no symbolic link can take its place.

A path is looked up again at every use, and a link may lead it elsewhere by then. An
open directory stays the same one, and its entries are reached by name alone.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["Directory"]

_BY_DESCRIPTOR = {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
    if _BY_DESCRIPTOR
    else 0
)
_FILE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe makes nobody wait
    | getattr(os, "O_BINARY", 0)
)
# What the systems say where a link, or a file, is in the place of a directory.
_NO_DIRECTORY = {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}


class Directory:
    """An open directory, for work on its entries that follows no symbolic link.

    Where the system cannot open directories (Windows), entries are reached by path; a
    link is refused there too, but one that appears later is not noticed.

    Args:
      path: The directory itself, no link to one. Links on the way to it are followed.

    Attributes:
      path: The same.

    Raises:
      NotADirectoryError: If it is a link, or a file.
      FileNotFoundError: If it does not exist.
    """

    def __init__(self, path: str) -> None:
        """Open it."""
        self.path = path
        self._descriptor: int | None = None
        if _BY_DESCRIPTOR:
            try:
                self._descriptor = os.open(path, _FLAGS)
            except OSError as error:
                if error.errno not in _NO_DIRECTORY:
                    raise
                raise NotADirectoryError(*error.args, path) from None
            self._identity = os.fstat(self._descriptor)
            return
        self._identity = os.lstat(path)
        if os.path.islink(path) or not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; done twice, it does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def is_at_its_path(self) -> bool:
        """Return whether its path still leads to this directory, and by no link."""
        try:
            return os.path.samestat(os.lstat(self.path), self._identity)
        except OSError:
            return False

    def names(self) -> list[str]:
        """Return the names of all entries, in no order."""
        return os.listdir(self.path if self._descriptor is None else self._descriptor)

    def open(self, name: str, flags: int) -> int:
        """Open an entry that is a regular file and no link; return its descriptor.

        Raises:
          OSError: If it is something else (``ENXIO``), or cannot be opened.
        """
        path = self._path(name)
        if self._descriptor is None and os.path.islink(path):
            raise OSError(errno.ENXIO, "a symbolic link", path)
        flags |= _FILE_FLAGS
        try:
            descriptor = os.open(path, flags, 0o666, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno not in {*_NO_DIRECTORY, errno.EISDIR}:
                raise
            raise OSError(errno.ENXIO, "not a regular file", name) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ENXIO, "not a regular file", name)
        return descriptor

    def holds(self, name: str, descriptor: int) -> bool:
        """Return whether an entry is the very file that a descriptor is open on."""
        try:
            return os.path.samestat(self._status(name), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _status(self, name: str) -> os.stat_result:
        path = self._path(name)
        return os.stat(path, dir_fd=self._descriptor, follow_symlinks=False)

    def remove(self, name: str) -> None:
        """Remove an entry that is no directory; of a link, the link itself."""
        os.unlink(self._path(name), dir_fd=self._descriptor)

    def clear(self, but: str) -> None:
        """Remove all entries but one, and what is in them; no link is followed."""
        for name in self.names():
            if name == but:
                continue
            try:
                self.remove(name)
            except (IsADirectoryError, PermissionError):  # by system, for a directory
                if not stat.S_ISDIR(self._status(name).st_mode):
                    raise
                try:
                    self._remove_tree(name)
                except RecursionError:
                    what = "too many directories in one another"
                    raise OSError(errno.ELOOP, what, name) from None

    def _remove_tree(self, name: str) -> None:
        path = self._path(name)
        if self._descriptor is None:
            for here, folders, files in os.walk(path, topdown=False):
                for each in files:
                    os.unlink(os.path.join(here, each))
                for each in folders:
                    _remove_folder_or_link(os.path.join(here, each), None)
        else:
            for _, folders, files, here in os.fwalk(
                path, topdown=False, dir_fd=self._descriptor
            ):
                for each in files:
                    os.unlink(each, dir_fd=here)
                for each in folders:
                    _remove_folder_or_link(each, here)
        os.rmdir(path, dir_fd=self._descriptor)

    def _path(self, name: str) -> str:
        return name if self._descriptor is not None else os.path.join(self.path, name)


def _remove_folder_or_link(path: str, within: int | None) -> None:
    try:
        os.rmdir(path, dir_fd=within)
    except NotADirectoryError:
        os.unlink(path, dir_fd=within)
