"""Far file systems by ``tf.io.gfile``; `files.choice` finds this module by its name.

So a checkpoint is where TensorFlow finds it: with its credentials, and in what only it
knows, as ``ram://`` and what other packages register with it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.storage.backend import FarSystem, Status, Writable

__all__ = ["GfileSystem", "gfile_system"]


def gfile_system(scheme: str) -> FarSystem | None:
    """Return TensorFlow's way to the files of a scheme; None if it knows none.

    Example:
      >>> gfile_system("nowhere") is None, gfile_system("ram") is None
      (True, False)
    """
    known = tensorflow().io.gfile.get_registered_schemes()
    return GfileSystem() if scheme in known else None


class GfileSystem:
    """Every file system that TensorFlow knows.

    Example:
      >>> files = GfileSystem()
      >>> files.put("ram://example/m", b"abc", "ram://example/m.aside")
      >>> files.read("ram://example/m", 1, 10), files.names_in("ram://example")
      (b'bc', ['m'])
      >>> files.remove_folder("ram://example")
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._gfile = tensorflow().io.gfile

    def status(self, path: str) -> Status | None:
        """Return what is there; None for nothing."""
        try:
            with _finding():
                found = self._gfile.stat(path)
        except FileNotFoundError:
            return None
        if found.is_directory:
            return Status(True)
        changed = found.mtime_nsec  # 0 where the system does not know
        stamp = (str(changed),) if changed else ()
        return Status(False, found.length, changed / 1e9, stamp)

    def names_in(self, folder: str) -> list[str]:
        """Return the names in a folder; none where there is no folder."""
        try:
            with _finding():
                names = self._gfile.listdir(folder)
        except FileNotFoundError:
            return []
        return [name.rstrip("/") for name in names if name.strip("/")]

    def statuses_in(self, folder: str) -> dict[str, Status]:
        """Return what is in a folder, by name; nothing where there is no folder."""
        start = folder if folder.endswith("/") else f"{folder}/"
        names = self.names_in(folder)
        found = ((name, self.status(start + name)) for name in names)
        return {name: each for name, each in found if each is not None}

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return a range of a file; what there is of it where the file ends sooner."""
        with _finding(), self._gfile.GFile(path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def create(self, path: str) -> Writable:
        """Begin a file where nothing is yet."""
        return _Writing(self._gfile.GFile(path, "wb"))

    def put(self, path: str, data: bytes, aside: str) -> None:
        """Make a file of ``data``, or replace one by renaming."""
        # Some systems append where there is a file, or show what is half written.
        with _finding():
            with self._gfile.GFile(aside, "wb") as file:
                file.write(data)
            self._gfile.rename(aside, path, overwrite=True)

    def puts_whole(self, path: str) -> bool:
        """Return whether a file is there whole, at once, when it has been written."""
        return False

    def move(self, source: str, target: str) -> None:
        """Give a file another name, in the place of one that has it."""
        with _finding():
            self._gfile.rename(source, target, overwrite=True)

    def copy(self, source: str, target: str) -> None:
        """Copy a file, on the server where TensorFlow can."""
        with _finding():
            self._gfile.copy(source, target, overwrite=True)

    def remove(self, path: str) -> None:
        """Remove a file."""
        with _finding():
            self._gfile.remove(path)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        self._gfile.makedirs(path)

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all in it; nothing there is no mistake."""
        # A folder that was never made goes with its last file, in some systems.
        with suppress(FileNotFoundError), _finding():
            self._gfile.rmtree(path)

    def canonical(self, path: str) -> str:
        """Return the one spelling of a path."""
        start, _, rest = path.partition("://")
        return f"{start.lower()}://{'/'.join(part for part in rest.split('/') if part)}"


@contextmanager
def _finding() -> Generator[None]:
    """Let TensorFlow say that a file is not there, or is forbidden, as Python does."""
    errors = tensorflow().errors
    try:
        yield
    except errors.NotFoundError as error:
        raise FileNotFoundError(error.message) from None
    except errors.PermissionDeniedError as error:
        raise PermissionError(error.message) from None


class _Writing:
    """A file that TensorFlow writes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        file.write(b"")  # else there is no file if nothing else is written

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(bytes(data))

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self._file.close()
