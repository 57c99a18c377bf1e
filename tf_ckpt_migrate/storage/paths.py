"""Paths on disk and in other storage: what they mean, list and permit."""

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "Directory",
    "absolute",
    "basename",
    "copy_permissions",
    "create_like",
    "dirname",
    "is_far",
    "join",
    "path_of",
    "scheme_of",
    "split",
]


# Of two letters or more: `C://` is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_HERE = "file"


def path_of(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path that a caller gave as text; one of ``file://`` as the path here.

    Raises:
      TypeError: If it is not a path, such as a model or rules in the place of one.

    Example:
      >>> path_of("file:///tmp/m"), path_of(b"m"), path_of("S3://bucket/m")
      ('/tmp/m', 'm', 's3://bucket/m')
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(
            f"expected the path of a checkpoint, got a {type(path).__name__}; pass "
            "live objects as the target, as in restore(path, target), and rules as "
            "assignment_map=rules"
        )
    text = os.fsdecode(path)
    scheme = scheme_of(text)
    if not scheme:
        return text
    rest = text[len(scheme) :]
    return rest.removeprefix("://") if scheme == _HERE else f"{scheme}{rest}"


def scheme_of(path: str) -> str:
    """Return the scheme of a URL in lower case; "" for a path of this machine.

    Example:
      >>> scheme_of("S3://bucket/m"), scheme_of("runs/m")
      ('s3', '')
    """
    if "://" not in path:
        return ""
    found = _SCHEME.match(path)
    return found[1].lower() if found else ""


def is_far(path: str) -> bool:
    """Return whether a path is one of another file system than this machine's.

    Example:
      >>> is_far("gs://bucket/m"), is_far("runs/m"), is_far("odd/name://m")
      (True, False, False)
    """
    return scheme_of(path) not in ("", _HERE)


def split(path: str) -> tuple[str, str]:
    """Return folder and basename, as ``os.path.split`` does of a path.

    Example:
      >>> split("s3://bucket/run/m"), split("ram://m"), split("run/m")
      (('s3://bucket/run', 'm'), ('ram://', 'm'), ('run', 'm'))
    """
    if not is_far(path):
        return os.path.split(path)
    start, _, rest = path.partition("://")
    folder, slash, name = rest.rpartition("/")
    return f"{start}://{folder or slash}", name


def absolute(path: str) -> str:
    """Return a path that does not lean on the working directory, without ``..``.

    Example:
      >>> absolute("s3://bucket/run/../m")
      's3://bucket/m'
    """
    if not is_far(path):
        return os.path.abspath(path)
    start, _, rest = path.partition("://")
    return f"{start}://{posixpath.normpath(rest)}" if rest else path


def dirname(path: str) -> str:
    """Return the folder of a path.

    Example:
      >>> dirname("hdfs:///m"), dirname("run/m")
      ('hdfs:///', 'run')
    """
    return split(path)[0]


def basename(path: str) -> str:
    """Return the last part of a path.

    Example:
      >>> basename("hdfs:///m"), basename("s3://bucket/run/")
      ('m', '')
    """
    return split(path)[1]


def join(folder: str, *names: str) -> str:
    """Return a path of names below a folder; a name that is a URL stays as it is.

    Example:
      >>> join("s3://bucket/run", "m"), join("run", "ram://m"), join("ram://", "m")
      ('s3://bucket/run/m', 'ram://m', 'ram://m')
    """
    for name in names:
        if is_far(name):
            folder = name
        elif is_far(folder):
            end = "" if folder.endswith("/") else "/"
            folder = f"{folder}{end}{name}"
        else:
            folder = os.path.join(folder, name)
    return folder


def create_like(path: str, like: str) -> BinaryIO:
    """Create a file with the permissions of another one, if that exists.

    Args:
      path: The new file, which must not exist.
      like: The other one, such as the file that the new one will replace.
    """
    with ExitStack() as stack:
        file = stack.enter_context(Path(path).open("xb"))
        copy_permissions(like, path)
        stack.pop_all()
        return file


def copy_permissions(like: str, path: str) -> None:
    """Give a file the permissions, and if possible the owner, of another one.

    If the file cannot get the group of the other one, then that group's permissions
    would be given to another group, which instead gets those of everybody.

    Args:
      like: The other file; if it does not exist, nothing is done.
      path: The file.
    """
    try:
        wanted = os.stat(like)
    except OSError:
        return
    mode, made = stat.S_IMODE(wanted.st_mode), os.stat(path)
    owner = wanted.st_uid, wanted.st_gid
    if hasattr(os, "chown") and (made.st_uid, made.st_gid) != owner:
        for each in ((-1, owner[1]), (owner[0], -1)):
            with suppress(OSError):  # only root may change the owner
                os.chown(path, *each)
        if os.stat(path).st_gid != owner[1]:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    if stat.S_IMODE(os.stat(path).st_mode) != mode:
        os.chmod(path, mode)


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
