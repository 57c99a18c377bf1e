"""Writes a checkpoint: entries that refer to whole shards of others, and new values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.bundle.commit import (
    check_absent,
    counts_in,
    existing_files,
    free_count,
    remove_unpublished,
    replacing,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.places import Place, Taken, far_place, local_place
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.shards import DataMode, Transfer, index_path, shard_path
from tf_ckpt_migrate.bundle.strings import encode_strings
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.storage.access import size_of
from tf_ckpt_migrate.storage.paths import is_far, join, split
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.writer import write_table

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["BundleWriter", "Meter", "Progress", "Shard", "replace_index", "unheard"]


class Shard(NamedTuple):
    """A data shard that was written.

    Attributes:
      path: Where it is.
      transfer: How its bytes came there.
      size: Its bytes.
      source: The file that it was made of; "" for one of new bytes.
    """

    path: str
    transfer: Transfer
    size: int
    source: str


class BundleWriter:
    """Writes one checkpoint, of which nothing is visible before it is whole.

    Use it as a context manager; what is not committed when it ends leaves no trace.

    Args:
      prefix: Of the checkpoint to write. Missing folders are made.
      overwrite: Whether a checkpoint of this prefix may be replaced.
      big_endian: Byte order of the data, that of the shards it will link.
      data: How shards of other checkpoints are taken over (``links.transfer``).
      progress: Called with the bytes in place so far and those that are expected.
      avoiding: For a far checkpoint that others may be writing too, byte for byte: the
        counts of shards that it is not to have. None for one of this writer alone.
      existing: The files of a checkpoint of this prefix; None to look for them, when
        what a killed writer has left is removed.

    Attributes:
      prefix: The same.

    Raises:
      OutputExistsError: If the prefix is taken and ``overwrite`` is not given.
    """

    def __init__(  # noqa: PLR0913 one output, and how to write: options by keyword
        self,
        prefix: str,
        *,
        overwrite: bool = False,
        big_endian: bool = False,
        data: DataMode = "auto",
        progress: Progress | None = None,
        avoiding: Collection[int] | None = None,
        existing: Sequence[str] | None = None,
    ) -> None:
        """Check the output; nothing is written before the context is entered."""
        if not overwrite:
            if existing is None:
                remove_unpublished(prefix)
            check_absent(prefix, existing)
        # One spelling of the path, as the folder's listing will give it.
        self.prefix: str = join(*split(prefix))
        self._order = ">" if big_endian else "<"
        self._data: DataMode = data
        self._meter = Meter(progress)
        self._shards: list[Shard] = []
        self._files: dict[int, Any] = {}
        self._avoiding = avoiding
        self._overwrite = overwrite
        self._context = _place_for(self.prefix, shared=avoiding is not None)

    def __enter__(self) -> BundleWriter:
        with ExitStack() as stack:
            self._place = stack.enter_context(self._context)
            # Another writer may just have written it; without a lock, until the commit.
            if not (self._overwrite or is_far(self.prefix)):
                check_absent(self.prefix)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    @property
    def folder(self) -> str:
        """Where files are put together, of this writer alone."""
        return self._place.folder

    def expect(self, size: int) -> None:
        """Tell that so many bytes are going to be linked, copied or written."""
        self._meter.total += size

    def link(
        self,
        path: str,
        kept: Callable[[], AbstractContextManager[None]] = nullcontext,
        size: int | None = None,
    ) -> int:
        """Take over a whole shard of another checkpoint.

        Args:
          path: Of the shard.
          kept: A context that sees that the shard is still the other checkpoint's
            (``BundleIndex.kept_current``), for it may be copied as late as in `commit`.
          size: Of the shard, where it is known.

        Returns:
          The number of the shard here.

        Raises:
          CheckpointError: If it cannot be taken over as is asked for.
          OSError: If a copy fails.
        """
        number = len(self._shards)
        size = size_of(path) if size is None else size
        taken = Taken(path, size, self._data, kept, self._meter.advance)
        how, size = self._place.take(number, taken)
        if how is not Transfer.COPIED:
            self._meter.advance(size)
        self._shards.append(Shard(path, how, size, path))
        return number

    def new_shard(self) -> int:
        """Begin a shard of new bytes; return its number."""
        number = len(self._shards)
        self._files[number] = self._place.create(number)
        self._shards.append(Shard("", Transfer.WRITTEN, 0, ""))
        return number

    def append(self, number: int, array: Array, spec: TensorSpec) -> bytes:
        """Append a value to a new shard.

        Args:
          number: Of a shard that ``new_shard`` began.
          array: The value, of ``spec``'s shape; strings as an object array of bytes.
          spec: Its dtype and shape.

        Returns:
          The serialized entry of it.

        Raises:
          TransformError: If the value is not what ``spec`` says.
          OSError: If the write fails.
        """
        if array.shape != spec.shape:
            raise TransformError(
                f"cannot store {array.dtype}{list(array.shape)} as {spec}"
            )
        return self.append_pieces(number, [array], spec)

    def append_pieces(
        self, number: int, pieces: Iterable[Array], spec: TensorSpec
    ) -> bytes:
        """Append a value to a new shard, a piece at a time.

        Args:
          number: Of a shard that ``new_shard`` began.
          pieces: The value's elements in row-major order, whatever shapes they come in.
          spec: Of the whole.

        Returns:
          The serialized entry of it.

        Raises:
          TransformError: If the pieces are not what ``spec`` says.
          OSError: If the write fails.
        """
        if spec.dtype is DType.string:
            return self._append_strings(number, pieces, spec)
        file = self._files[number]
        offset, size, crc = file.tell(), 0, 0
        for piece in pieces:
            if piece.dtype.newbyteorder("<") != spec.dtype.as_numpy_dtype:
                raise TransformError(f"cannot store {piece.dtype} as {spec}")
            data = self._encoded(piece, spec.dtype)
            crc = crc32c.extend(crc, data)
            size += len(data)
            file.write(data)
            self._meter.advance(len(data))
        if size != spec.nbytes:
            raise TransformError(f"cannot store {size:,} bytes as {spec}")
        return serialized_entry(Entry(spec, number, offset, size, crc32c.mask(crc)))

    def _append_strings(
        self, number: int, pieces: Iterable[Array], spec: TensorSpec
    ) -> bytes:
        """Append strings; all at once, as the lengths of all come first."""
        texts: list[Any] = []
        for piece in pieces:
            if piece.dtype != spec.dtype.as_numpy_dtype:
                raise TransformError(f"cannot store {piece.dtype} as {spec}")
            texts += piece.reshape(-1).tolist()
        if len(texts) != spec.size:
            raise TransformError(f"cannot store {len(texts):,} strings as {spec}")
        data, crc = encode_strings(texts, order=self._order)
        file = self._files[number]
        offset = file.tell()
        file.write(data)
        self._meter.advance(len(data))
        return serialized_entry(Entry(spec, number, offset, len(data), crc))

    def _encoded(self, array: Array, dtype: DType) -> memoryview:
        import numpy as np

        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        if self._order == ">":
            width = dtype.itemsize // (2 if dtype.name.startswith("complex") else 1)
            array = np.ascontiguousarray(array).view(f"<u{width}").astype(f">u{width}")
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data

    def append_range(self, number: int, source: str, offset: int, size: int) -> int:
        """Append a range of a file to a new shard.

        Args:
          number: Of a shard that ``new_shard`` began.
          source: Path of the file to read.
          offset: First byte of the range there.
          size: Number of bytes.

        Returns:
          The offset of the range in the new shard.

        Raises:
          OSError: If a read or a write fails.
        """
        heard = self._meter.advance
        return self._place.append_range(number, source, offset, size, heard)

    def commit(self, entries: Mapping[bytes, bytes]) -> tuple[Shard, ...]:
        """Write the index and make the checkpoint visible.

        Args:
          entries: Every key with its serialized entry, shards numbered as here.

        Returns:
          The shards of the checkpoint.

        Raises:
          OSError: If a step fails; the output is then as it was, or is the new
            checkpoint if all that failed came after that.
        """
        # TensorFlow's readers expect a shard, empty or not. Empty ones also fill up to
        # a count that the checkpoint to be replaced has not.
        least = max(1, len(self._shards))
        existing = existing_files(self.prefix)  # now: others may write to the folder
        if not self._overwrite:
            check_absent(self.prefix, existing)
        avoiding = counts_in(existing) if self._avoiding is None else self._avoiding
        count = free_count(self.prefix, least, avoiding)
        while len(self._shards) < count:
            self.new_shard()
        for number, file in self._files.items():
            self._shards[number] = self._shards[number]._replace(size=file.tell())
        header = serialized_header(count, big_endian=self._order == ">")
        self._place.publish(count, _items(header, entries), existing)
        paths = (shard_path(self.prefix, number, count) for number in range(count))
        shards = zip(self._shards, paths, strict=True)
        return tuple(shard._replace(path=path) for shard, path in shards)


def replace_index(prefix: str, entries: Mapping[bytes, bytes], header: bytes) -> None:
    """Replace the index of a checkpoint, atomically; its shards stay.

    Args:
      prefix: Of the checkpoint.
      entries: Every key with its serialized entry.
      header: The serialized header of the index that is replaced.

    Raises:
      OSError: If a write fails; the old index then stays, unless all that failed was
        to flush its folder.
    """
    with replacing(index_path(prefix), of=prefix) as file:
        write_table(file, _items(header, entries))


def _place_for(prefix: str, *, shared: bool) -> AbstractContextManager[Place]:
    if is_far(prefix):
        return far_place(prefix, shared=shared)
    return local_place(prefix)


def _items(header: bytes, entries: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [(HEADER_KEY, header), *sorted(entries.items())]


Progress: TypeAlias = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """Tell nobody: what is called where no one asked."""
    del done, total


class Meter:
    """Adds up what is done of a total.

    Args:
      report: Whom to tell; None for nobody.

    Attributes:
      total: How much there is to do, as far as it is known.

    Example:
      >>> meter = Meter(lambda done, total: print(f"{done} of {total}"))
      >>> meter.total = 20
      >>> meter.advance(15)
      15 of 20
    """

    def __init__(self, report: Progress | None = None) -> None:
        """Begin at nothing."""
        self.total = 0
        self._done = 0
        self._report = report or unheard

    def advance(self, size: int) -> None:
        """Tell that so much more is done."""
        self._done += size
        self._report(self._done, max(self._done, self.total))
