"""A far file that is being written, as our writers know files."""

from __future__ import annotations

from contextlib import suppress

from tf_ckpt_migrate.files.choice import system_of
from tf_ckpt_migrate.files.system import telling

__all__ = ["FarWriter"]


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
