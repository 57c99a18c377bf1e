"""Looks at, reads, makes and removes files of this machine and of far systems alike.

A path without ``scheme://`` goes straight to the operating system.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tf_ckpt_migrate.errors import FarFileError
from tf_ckpt_migrate.storage.backend import FarSystem, Status, telling
from tf_ckpt_migrate.storage.paths import is_far, scheme_of

__all__ = [
    "FarWriter",
    "changed_at",
    "copy_file",
    "exists",
    "identity",
    "is_file",
    "is_folder",
    "is_known_to_tensorflow",
    "looking_once",
    "make_folder",
    "move_file",
    "names_in",
    "pieces_of",
    "put_file",
    "puts_whole",
    "read_bytes",
    "read_end",
    "read_range",
    "real_path",
    "remove_file",
    "remove_folder",
    "same_file",
    "size_of",
    "sorted_folders_and_files",
    "statuses_in",
    "system_of",
]


_PIECE = 64 << 20  # bytes of a far file that are asked for at once


_SEEN: ContextVar[dict[str, Status | None] | None] = ContextVar("_SEEN", default=None)


@contextmanager
def looking_once() -> Generator[None]:
    """Look at each far path at most once while the context lasts.

    It is for a few looks in a row at files that are then read: each is a request. What
    must notice that a file was replaced meanwhile looks outside of it.
    """
    if _SEEN.get() is not None:
        yield
        return
    token = _SEEN.set({})
    try:
        yield
    finally:
        _SEEN.reset(token)


def _status(path: str) -> Status | None:
    seen = _SEEN.get()
    if seen is not None and path in seen:
        return seen[path]
    with telling("look at", path):
        found = system_of(path).status(path)
    if seen is not None:
        seen[path] = found
    return found


def exists(path: str) -> bool:
    """Return whether a path is there.

    Raises:
      OSError: If a far file system does not tell; so all functions here.
    """
    return _status(path) is not None if is_far(path) else os.path.exists(path)


def is_file(path: str) -> bool:
    """Return whether a path is that of a regular file.

    Example:
      >>> is_file("nowhere"), is_folder("."), exists("nowhere/m")
      (False, True, False)
    """
    if not is_far(path):
        return os.path.isfile(path)
    found = _status(path)
    return found is not None and not found.is_folder


def is_folder(path: str) -> bool:
    """Return whether a path is that of a folder; "" is the working directory."""
    if not is_far(path):
        return os.path.isdir(path or ".")
    found = _status(path)
    return found is not None and found.is_folder


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, in no order; none where there is no folder."""
    if is_far(folder):
        with telling("list", folder):
            return system_of(folder).names_in(folder)
    return os.listdir(folder or ".") if os.path.isdir(folder or ".") else []


def statuses_in(folder: str) -> dict[str, Status]:
    """Return what is in a far folder, by name; nothing where there is no folder."""
    with telling("list", folder):
        return system_of(folder).statuses_in(folder)


def sorted_folders_and_files(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders in a folder, and those of all else, by one look.

    Example:
      >>> sorted_folders_and_files("nowhere")
      ([], [])
    """
    if is_far(folder):
        found = {name: each.is_folder for name, each in statuses_in(folder).items()}
    else:
        found = {n: os.path.isdir(os.path.join(folder, n)) for n in names_in(folder)}
    names = sorted(found)
    return [n for n in names if found[n]], [n for n in names if not found[n]]


def size_of(path: str) -> int:
    """Return the size of a file in bytes.

    Raises:
      FileNotFoundError: If it is not there.
    """
    return _there(path).size if is_far(path) else os.stat(path).st_size


def _there(path: str) -> Status:
    found = _status(path)
    if found is None:
        with telling("find", path):
            raise FileNotFoundError("nothing there")
    return found


def changed_at(path: str) -> float:
    """Return when a file was last written, in seconds; 0 where a system has no clock.

    Raises:
      FileNotFoundError: If it is not there.
    """
    return _there(path).changed if is_far(path) else os.stat(path).st_mtime


def identity(path: str) -> tuple[object, ...]:
    """Return what tells a small file from one that takes its place; () for none there.

    Where a far system has no stamp of a file that changes with it, its bytes tell.

    Example:
      >>> identity("nowhere")
      ()
    """
    if is_far(path):
        found = _status(path)
        if found is None or found.stamp:
            return () if found is None else (found.size, *found.stamp)
        return (read_bytes(path),)
    try:
        seen = os.stat(path)
    except FileNotFoundError:
        return ()
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def read_bytes(path: str) -> bytes:
    """Return the bytes of a whole file."""
    if not is_far(path):
        return Path(path).read_bytes()
    return b"".join(pieces_of(path, 0, size_of(path)))


def read_range(path: str, offset: int, size: int) -> bytes:
    """Return a range of a file; what there is of it where the file ends sooner."""
    if is_far(path):
        with telling("read", path):
            return system_of(path).read(path, offset, size)
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def read_end(path: str, size: int) -> bytes:
    """Return the last bytes of a file, or all of a shorter one."""
    return read_range(path, max(0, size_of(path) - size), size)


def pieces_of(path: str, offset: int, size: int) -> Iterator[bytes]:
    """Yield a range of a file in pieces of bounded size.

    Raises:
      OSError: If the file ends before the range does.
    """
    while size:
        piece = read_range(path, offset, min(size, _PIECE))
        if not piece:
            raise OSError(errno.EIO, f"the file ends {size:,} bytes too early", path)
        yield piece
        offset += len(piece)
        size -= len(piece)


def put_file(path: str, data: bytes, aside: str) -> None:
    """Make or replace a far file, in one step where its system can.

    Args:
      path: The file.
      data: Its bytes.
      aside: A path beside that is free.
    """
    with telling("write", path):
        system_of(path).put(path, data, aside)


def copy_file(
    source: str,
    target: str,
    progress: Callable[[int], None] | None = None,
    size: int | None = None,
) -> None:
    """Copy a file, here or there a far one: within their system, or by us.

    A file of this machine is not replaced, and a far one by half of it unless its
    system puts files whole.

    What is there of the target after an error is for the caller to remove.

    Args:
      source: The file.
      target: The path.
      progress: Called with the number of bytes copied since the last call.
      size: Of the source, where it is known.
    """
    size = size_of(source) if size is None else size
    if is_far(target) and _system_of_both(source, target) is not None:
        with telling("copy", source):
            system_of(source).copy(source, target)
        if progress is not None:
            progress(size)
        return
    with FarWriter(target) if is_far(target) else open(target, "xb") as writing:
        for piece in pieces_of(source, 0, size):
            writing.write(piece)
            if progress is not None:
                progress(len(piece))


def puts_whole(path: str) -> bool:
    """Return whether a far file is there whole, at once, when it has been written."""
    with telling("write", path):
        return system_of(path).puts_whole(path)


def move_file(source: str, target: str) -> None:
    """Give a file of a far system another name there, in the place of one of it."""
    with telling("move", source):
        system_of(source).move(source, target)


def _system_of_both(source: str, target: str) -> FarSystem | None:
    return system_of(source) if scheme_of(source) == scheme_of(target) else None


def remove_file(path: str) -> None:
    """Remove a file.

    Raises:
      FileNotFoundError: If it is not there.
    """
    if not is_far(path):
        Path(path).unlink()
        return
    with telling("remove", path):
        system_of(path).remove(path)


def make_folder(path: str) -> None:
    """Make a folder, and those above it, unless they are there."""
    if not is_far(path):
        Path(path).mkdir(parents=True, exist_ok=True)
        return
    with telling("make", path):
        system_of(path).make_folder(path)


def remove_folder(path: str) -> None:
    """Remove a folder of a far system with all in it; none there is no mistake."""
    with telling("remove", path):
        system_of(path).remove_folder(path)


def real_path(path: str) -> str:
    """Return the one path of a file, whatever spelling or links lead to it."""
    if not is_far(path):
        return os.path.realpath(path)
    with telling("name", path):
        return system_of(path).canonical(path)


def same_file(a: str, b: str) -> bool:
    """Return whether two paths lead to one file; not if one leads nowhere.

    Example:
      >>> same_file(".", "./"), same_file("nowhere", "nowhere")
      (True, False)
    """
    if is_far(a) or is_far(b):
        return real_path(a) == real_path(b) and exists(a)
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def system_of(path: str) -> FarSystem:
    """Return the file system of a URL.

    A program that has imported TensorFlow gets ``tf.io.gfile`` for what that knows, so
    that checkpoints are found where TensorFlow finds them, with the same credentials.
    Any other gets fsspec, if its package for the scheme is installed: importing that
    takes a tenth of a second where TensorFlow takes several. TensorFlow is imported for
    what only it knows. Who was found for a scheme stays for the life of the process.

    Raises:
      FarFileError: If neither knows the scheme, or fsspec refuses its configuration.

    Example:
      >>> system_of("none://bucket/m")
      Traceback (most recent call last):
        ...
      tf_ckpt_migrate.errors.FarFileError: nobody here can read or write 'none://': ...
    """
    return _system(scheme_of(path))


@cache
def _system(scheme: str) -> FarSystem:
    with telling("reach", f"{scheme}://"):
        if "tensorflow" in sys.modules and (found := _by_tensorflow(scheme)):
            return found
        why = _not_by_fsspec(scheme)
        if not why:
            from tf_ckpt_migrate.storage.remote import FsspecSystem

            return FsspecSystem(scheme)
        if find_spec("tensorflow") and (found := _by_tensorflow(scheme)):
            return found
    raise FarFileError(
        f"nobody here can read or write '{scheme}://': {why}, and "
        f"{_not_by_tensorflow()}. Install what knows it, as in `pip install "
        "'tf-ckpt-migrate[far]' gcsfs` (s3fs for s3://, adlfs for abfs://), or a "
        "TensorFlow whose tf.io.gfile does"
    )


def _not_by_fsspec(scheme: str) -> str:
    """Return why fsspec does not know a scheme; "" if it does."""
    if find_spec("fsspec") is None:
        return "fsspec is not installed"
    try:
        import_module("fsspec").get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        return f"fsspec says {str(error)!r}"
    return ""


def _by_tensorflow(scheme: str) -> FarSystem | None:
    """Return TensorFlow's way, if there is one; found by name, as a plug-in is."""
    return import_module("tf_ckpt_migrate.live.gfile_system").gfile_system(scheme)


def is_known_to_tensorflow(path: str) -> bool:
    """Return whether TensorFlow, which is installed, can read and write a URL."""
    return _by_tensorflow(scheme_of(path)) is not None


def _not_by_tensorflow() -> str:
    if find_spec("tensorflow") is None:
        return "TensorFlow is not installed"
    return "TensorFlow's tf.io.gfile knows no such scheme"


class FarWriter:
    """Writes one far file from its beginning; it is there when this is closed.

    Args:
      path: Where nothing is yet.

    Raises:
      OSError: If it cannot be made; so all methods.

    Example:
      >>> with FarWriter("memory://example/m") as file:  # doctest: +SKIP
      ...     file.write(b"abc")
    """

    def __init__(self, path: str) -> None:
        """Begin the file."""
        self._path = path
        self._at = 0
        with telling("write", path):
            self._file = system_of(path).create(path)
        self._is_open = True

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it; return how much that is."""
        with telling("write", self._path):
            self._file.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much has been written."""
        return self._at

    def close(self) -> None:
        """Wait until the system has it; done twice, it does nothing."""
        if self._is_open:
            self._is_open = False
            with telling("write", self._path):
                self._file.close()

    def discard(self) -> None:
        """End what is not closed, there or not: it is to be removed."""
        if self._is_open:
            self._is_open = False
            with suppress(Exception):  # what went wrong before is what to tell
                self._file.discard()

    def __enter__(self) -> FarWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
