"""The bytes of a far file, fetched as they are asked for."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

from tf_ckpt_migrate.storage.access import read_range, size_of

__all__ = ["FarBytes", "FarPart"]


_PIECE = 64 << 20  # bytes asked for at once
_FIRST, _MOST = 256 << 10, 8 << 20  # bytes read ahead


class _Part(NamedTuple):
    start: int
    data: memoryview


class FarBytes:
    """A file as a sequence of bytes, of which a slice is fetched when it is taken.

    Whoever takes slices one after the other gets a growing part of the file at once, 8
    MiB at most: a checkpoint may be of a million small tensors, and each request costs
    as much as a MiB. A slice taken alone costs its own bytes.

    Args:
      path: Of the file.
      after: Called after every fetch; it raises an error if the file is not the one
        that it was.

    Raises:
      FileNotFoundError: If it is not there.
      OSError: If the file system fails; so does taking a slice.
    """

    def __init__(self, path: str, after: Callable[[], None] = lambda: None) -> None:
        """Ask only for the size."""
        self._path = path
        self._after = after
        self._size = size_of(path)
        self._ahead = _Part(0, memoryview(b""))
        self._next = self._window = 0  # where the last slice ended; what is read ahead

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, wanted: slice) -> memoryview:
        start, stop, _ = wanted.indices(self._size)
        if start >= stop:
            return memoryview(b"")
        part = self._ahead  # once: another thread may put another there
        if not part.start <= start <= stop <= part.start + len(part.data):
            part = self._fetched(start, stop)
        self._next = stop
        found = part.data[start - part.start : stop - part.start]
        is_used_up = stop == part.start + len(part.data)
        self._ahead = _Part(0, memoryview(b"")) if is_used_up else part
        if len(found) == len(part.data):
            return found
        return memoryview(bytes(found))  # so that a small one does not hold the rest

    def release(self) -> None:
        """Forget what has been read ahead."""
        self._ahead = _Part(0, memoryview(b""))

    def part(self, offset: int, size: int) -> FarPart:
        """Return a range of them, of which slices are fetched likewise."""
        return FarPart(self, offset, size)

    def _fetched(self, start: int, stop: int) -> _Part:
        follows = start == self._next > 0
        self._window = min(_MOST, 2 * self._window or _FIRST) if follows else 0
        end = min(self._size, max(stop, start + self._window))
        places = range(start, end, _PIECE)
        pieces = (read_range(self._path, at, min(_PIECE, end - at)) for at in places)
        data = next(pieces) if len(places) == 1 else b"".join(pieces)
        self._after()
        if len(data) != end - start:
            what = "the file was cut off while it was being read"
            raise OSError(errno.EIO, what, self._path)
        return _Part(start, memoryview(data))


class FarPart:
    """A range of a far file.

    Args:
      whole: The file.
      offset: Of the first byte there.
      size: How many there are.
    """

    def __init__(self, whole: FarBytes, offset: int, size: int) -> None:
        """Fetch nothing."""
        self._whole, self._offset, self._size = whole, offset, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, wanted: slice) -> memoryview:
        start, stop, _ = wanted.indices(self._size)
        return self._whole[self._offset + start : self._offset + stop]
