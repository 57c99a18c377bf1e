"""Far file systems by fsspec: S3, GCS, Azure, HDFS, SFTP and whatever has a package."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import Any

from tf_ckpt_migrate.storage.backend import Status, Writable
from tf_ckpt_migrate.storage.paths import basename

__all__ = ["FsspecSystem"]


# What tells one state of a file from the next, by whichever name a system gives it.
_STAMPS = (
    *("ETag", "etag", "generation", "md5Hash", "content_md5", "checksum"),
    *("mtime", "modified", "LastModified", "last_modified", "updated", "created"),
)
# Where a file appears whole when it has been written: no rename makes it safer.
_WHOLE = {"abfs", "abfss", "az", "gcs", "gs", "memory", "oci", "oss", "s3", "s3a"}


class FsspecSystem:
    """The file systems of one scheme.

    Credentials and addresses are those that fsspec finds: its own configuration
    (``FSSPEC_S3_ENDPOINT_URL``) and that of the package (``AWS_ACCESS_KEY_ID``).

    Args:
      scheme: One that fsspec knows.

    Example:
      >>> files = FsspecSystem("memory")
      >>> files.put("memory://example/m", b"abc", "memory://example/m.aside")
      >>> files.read("memory://example/m", 1, 10), files.names_in("memory://example")
      (b'bc', ['m'])
      >>> files.remove_folder("memory://example")
    """

    def __init__(self, scheme: str) -> None:
        """Connect to nothing yet."""
        self._puts_whole = scheme in _WHOLE

    def puts_whole(self, path: str) -> bool:
        """Return whether a file is there whole, at once, when it has been written."""
        return self._puts_whole

    def status(self, path: str) -> Status | None:
        """Return what is there; None for nothing."""
        try:
            return _status(_system(path).info(path.rstrip("/")))
        except FileNotFoundError:
            return None

    def names_in(self, folder: str) -> list[str]:
        """Return the names in a folder; none where there is no folder."""
        return [*self.statuses_in(folder)]

    def statuses_in(self, folder: str) -> dict[str, Status]:
        """Return what is in a folder, by name; nothing where there is no folder."""
        system = _system(folder)
        try:
            listed = system.ls(folder.rstrip("/"), detail=True)
        except FileNotFoundError:
            return {}
        # Some list a file, or the marker of an empty folder, as being in itself.
        own = str(system._strip_protocol(folder)).strip("/")
        found = ((each["name"].strip("/"), each) for each in listed)
        return {basename(name): _status(each) for name, each in found if name != own}

    def read(self, path: str, offset: int, size: int) -> bytes:
        """Return a range of a file; what there is of it where the file ends sooner."""
        return _system(path).cat_file(path, start=offset, end=offset + size)

    def create(self, path: str) -> Writable:
        """Begin a file where nothing is yet."""
        return _Writing(_system(path).open(path, "wb"))

    def put(self, path: str, data: bytes, aside: str) -> None:
        """Make a file of ``data``, or replace one, at once if the system can."""
        system = _system(path)
        if self._puts_whole:
            system.pipe_file(path, data)
        else:
            system.pipe_file(aside, data)
            self.move(aside, path)

    def move(self, source: str, target: str) -> None:
        """Give a file another name: a rename, or a copy on the server."""
        system = _system(source)
        general = import_module("fsspec.spec").AbstractFileSystem
        if type(system).mv is general.mv:  # would take "[1]" for a pattern
            system.cp_file(source, target)
            system.rm_file(source)
        else:
            system.mv(source, target)

    def copy(self, source: str, target: str) -> None:
        """Copy a file, on the server where the system can."""
        _system(source).cp_file(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        _system(path).rm_file(path)

    def make_folder(self, path: str) -> None:
        """Make a folder where the system has such; a bucket is not made."""
        if not self._puts_whole:
            _system(path).makedirs(path, exist_ok=True)

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all in it; nothing there is no mistake."""
        system = _system(path)
        for file in system.find(path):
            system.rm_file(file)
        if not self._puts_whole and system.isdir(path):
            system.rm(path, recursive=True)

    def canonical(self, path: str) -> str:
        """Return the one spelling of a path."""
        system = _system(path)
        protocol = system.protocol
        first = protocol if isinstance(protocol, str) else protocol[0]
        return f"{first}://{str(system._strip_protocol(path)).lstrip('/')}"


class _Writing:
    """A file that fsspec writes."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        buffered = import_module("fsspec.spec").AbstractBufferedFile
        if not isinstance(self._file, buffered):
            self._file.close()
            return
        self._file.discard()  # what has been sent
        self._file.closed = True  # or it would send the rest when it is forgotten


def _status(found: dict[str, Any]) -> Status:
    if found["type"] != "file":
        return Status(found["type"] == "directory")
    stamp = {name: found[name] for name in _STAMPS if found.get(name)}
    marks = tuple(f"{name}: {each}" for name, each in stamp.items())
    return Status(False, int(found["size"] or 0), _seconds(stamp), marks)


def _seconds(stamp: dict[str, Any]) -> float:
    """Return the time in a stamp, if there is one."""
    for each in stamp.values():
        if isinstance(each, datetime):
            return each.timestamp()
        if isinstance(each, float):
            return each
    return 0.0


def _system(path: str) -> Any:
    # By the beginning alone, as a name may hold what fsspec takes for a chain of URLs;
    # and without listings of its own, which would hide what others write.
    scheme, _, rest = path.partition("://")
    root = f"{scheme}://{rest.partition('/')[0]}"
    return import_module("fsspec.core").url_to_fs(root, use_listings_cache=False)[0]
