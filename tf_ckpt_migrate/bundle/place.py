"""What a place is where a checkpoint is put together before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from tf_ckpt_migrate.bundle.links import DataMode, Transfer
from tf_ckpt_migrate.files.access import pieces_of

__all__ = ["Heard", "Items", "Place", "Taken", "copy_range"]

Items = Iterable[tuple[bytes, bytes]]
Heard = Callable[[int], None]


class Taken(NamedTuple):
    """A shard of another checkpoint that is taken over.

    Attributes:
      path: The file.
      size: Its bytes.
      data: How (``links.transfer``).
      kept: A context that sees that the file is still the other checkpoint's, in which
        it is taken over.
      heard: Called with the number of bytes copied since the last call.
    """

    path: str
    size: int
    data: DataMode
    kept: Callable[[], AbstractContextManager[None]]
    heard: Heard


class Place(Protocol):
    """Where one checkpoint is put together, by numbers of shards."""

    @property
    def folder(self) -> str:
        """A folder of this writer alone."""
        ...

    def take(self, number: int, taken: Taken) -> tuple[Transfer, int]:
        """Take a shard over; return how, and its size."""
        ...

    def create(self, number: int) -> Any:
        """Return the file of a new shard."""
        ...

    def append_range(
        self, number: int, source: str, offset: int, size: int, heard: Heard
    ) -> int:
        """Append a range of a file to a new shard; return where it is there."""
        ...

    def publish(self, count: int, items: Items, existing: Iterable[str]) -> None:
        """Make a checkpoint of so many shards visible, with the index of ``items``.

        Of the existing files, the shards go then.
        """
        ...


def copy_range(file: Any, source: str, offset: int, size: int, heard: Heard) -> None:
    """Append a range of a file to one that is being written, a piece at a time.

    Args:
      file: What has a ``write``.
      source: Path of the file to read.
      offset: First byte of the range there.
      size: Number of bytes.
      heard: Called with the number of bytes copied since the last call.

    Raises:
      OSError: If a read or a write fails.
    """
    for piece in pieces_of(source, offset, size):
        file.write(piece)
        heard(len(piece))
