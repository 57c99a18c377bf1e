"""Reads the tensors of a checkpoint with an index (format V2).

Arrays are the mapped file itself wherever its byte order is this machine's: read-only,
and read from disk only as their elements are used.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.foreign import with_cause
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.proto import Entry
from tf_ckpt_migrate.bundle.shards import Shards
from tf_ckpt_migrate.bundle.slices import assembled, bounding_box, covering
from tf_ckpt_migrate.bundle.strings import check_variants, decode_strings
from tf_ckpt_migrate.errors import CheckpointError, ChecksumError
from tf_ckpt_migrate.findings import InPython, Message, message_of
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.block import Buffer, Stored

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = [
    "BundleReader",
    "Index",
    "Summed",
    "checksum",
    "checksums",
    "cores",
    "in_order",
    "suits_a_thread",
]


_RELEASED = 64 << 20  # bytes read until the memory that holds them is let go

# What NumPy's basic indexing takes, save for new axes.
Index = int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]


class BundleReader:
    """The tensors of one checkpoint.

    Args:
      prefix: Of the checkpoint.
      verify: Whether the checksum of a tensor is checked when it is first read whole.

    Attributes:
      index: Its index.
      shards: Its data shards.
      verify: As given.

    Raises:
      FileNotFoundError: If there is no index.
      CorruptCheckpointError: If the index is damaged.
    """

    def __init__(self, prefix: str, *, verify: bool = True) -> None:
        """Read the index; shards are opened when first used."""
        self.index: BundleIndex = BundleIndex(prefix)
        current = self.index.check_current
        self.shards: Shards = Shards(prefix, self.index.shards, current)
        self.verify = verify
        self._held = 0
        self._verified: set[tuple[int, int, int, int]] = set()

    def read(self, key: str, index: Index | None = None) -> Array:
        """Return a tensor, or the part of it at ``index``.

        Args:
          key: Of the tensor.
          index: A NumPy basic index. Then only the bytes asked for are read, which is
            why the checksum, one of the whole tensor, is not checked.

        Returns:
          A read-only array; strings as an object array of bytes.

        Raises:
          TensorNotFoundError: If there is no such key.
          UnsupportedDTypeError: If the dtype has no values outside TensorFlow.
          CorruptCheckpointError: If the bytes are damaged, or end too soon.
        """
        entry = self.index[key]
        what = f"tensor {key!r}"
        if entry.slices:
            array = self._assembled(key, entry, index)
        else:
            array = self._stored(entry, what, whole=index is None)
            if index is not None:
                box, rest = bounding_box(index, entry.spec.shape)
                array = array[(*(slice(*ends) for ends in box), ...)][rest]
        array.flags.writeable = False
        return array

    def _assembled(self, key: str, entry: Entry, index: Index | None) -> Array:
        where = f"{self.index.path}, key {key!r}"
        entry.spec.check_rank(where)
        box, rest = bounding_box(index, entry.spec.shape)

        def piece_of(number: int) -> Array:
            piece = entry.slices[number]
            stored = self.index.slice_entry(key, piece)
            return self._stored(
                stored, f"tensor {key!r}, slice {piece}", whole=index is None
            )

        return assembled(entry.spec, entry.slices, piece_of, box, where)[rest]

    def _stored(self, entry: Entry, what: str, *, whole: bool) -> Array:
        import numpy as np

        spec = entry.spec
        dtype = spec.dtype.as_numpy_dtype
        spec.check_rank(f"{self.index.path}, {what}")
        data = self.shards.read(entry.shard, entry.offset, entry.size, what)
        verify = self.verify and whole
        if spec.dtype is DType.string:
            return self._strings(entry, data, what, verify=verify)
        if verify:
            self._check_with_cause(entry, data, what)
        if self.index.big_endian:
            return _swapped(data, spec.dtype).reshape(spec.shape)
        return np.frombuffer(data, dtype).reshape(spec.shape)

    def _strings(
        self, entry: Entry, data: memoryview, what: str, *, verify: bool
    ) -> Array:
        import numpy as np

        order = ">" if self.index.big_endian else "<"
        where = f"{self.shards.path(entry.shard)}, {what}"
        crc = entry.crc32c if verify else None
        elements = decode_strings(bytes(data), entry.spec.size, crc, where, order=order)
        array = np.empty(entry.spec.size, object)
        array[:] = elements
        return array.reshape(entry.spec.shape)

    def check(self, key: str, *, whole: bool = True) -> None:
        """Check every byte of a tensor against its checksums.

        Args:
          key: Of the tensor.
          whole: Whether its slices must be all of it.

        Raises:
          CorruptCheckpointError: If one does not fit, or bytes are missing.
        """
        entry = self.index[key]
        if not entry.slices:
            self.check_stored(entry, f"tensor {key!r}")
            return
        if whole:
            box, _ = bounding_box(None, entry.spec.shape)
            covering(entry.spec, entry.slices, box, f"{self.index.path}, key {key!r}")
        for piece in entry.slices:
            stored = self.index.slice_entry(key, piece)
            self.check_stored(stored, f"tensor {key!r}, slice {piece}")

    def check_stored(
        self, entry: Entry, what: str, progress: Callable[[int], None] | None = None
    ) -> None:
        """Check the bytes that one entry, which is not of several slices, refers to.

        Args:
          entry: From this checkpoint's index.
          what: Which tensor it is, for messages.
          progress: Called with the number of bytes checked since the last call.

        Raises:
          CorruptCheckpointError: If the checksum does not fit, or bytes are missing.
        """
        place = (entry.shard, entry.offset, entry.size, what)
        if entry.spec.dtype is DType.string:
            self._strings(entry, self.shards.read(*place), what, verify=True)
        elif entry.spec.dtype is DType.variant:
            self._check_variants(entry, self.shards.read(*place), what)
        else:
            self._check(entry, self.shards.part(*place), what, progress)
            return
        if progress is not None:
            progress(entry.size)

    def check_many(
        self,
        stored: Iterable[tuple[Entry, str]],
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[CheckpointError | None]:
        """Check with all cores what many entries refer to; yield how each has fared.

        Args:
          stored: Entries and what they are of, as ``check_stored`` takes them.
          progress: Called with the number of bytes checked since the last call.

        Yields:
          For each of them, in their order, what is wrong; None if all is well.
        """
        return checksums((self._summed(*each) for each in stored), progress)

    def release(self, size: int) -> None:
        """Tell that ``size`` bytes more were read, and are done with.

        Mapped files take memory that the system may have back, yet counts as used: now
        and then it is let go.
        """
        self._held += size
        if self._held >= _RELEASED:
            self.shards.release()
            self._held = 0

    def close(self) -> None:
        """Close the data files; a tensor that is read later opens its file again."""
        self.shards.close()

    def _summed(self, entry: Entry, what: str) -> Summed[CheckpointError | None]:
        try:
            data = self.shards.part(entry.shard, entry.offset, entry.size, what)
        except CheckpointError as found:
            error = found
            return memoryview(b""), lambda _: error
        if entry.spec.dtype in (DType.string, DType.variant):
            return memoryview(b""), lambda _: self._error_of(entry, what)
        return data, lambda computed: self._mismatch(entry, what, computed)

    def _error_of(self, entry: Entry, what: str) -> CheckpointError | None:
        try:
            self.check_stored(entry, what)
        except CheckpointError as error:
            return error
        return None

    def checksum(
        self, entry: Entry, what: str, progress: Callable[[int], None] | None = None
    ) -> int:
        """Return the masked checksum of the bytes that an entry refers to.

        Args:
          entry: Of a place in this checkpoint's shards.
          what: Which tensor it is, for messages.
          progress: Called with the number of bytes read since the last call.

        Raises:
          CorruptCheckpointError: If bytes are missing.
        """
        data = self.shards.part(entry.shard, entry.offset, entry.size, what)
        return checksum(data, progress)

    def _check_variants(self, entry: Entry, data: memoryview, what: str) -> None:
        where = f"{self.shards.path(entry.shard)}, {what}"
        order = ">" if self.index.big_endian else "<"
        check_variants(bytes(data), entry.spec.size, entry.crc32c, where, order=order)

    def _check_with_cause(self, entry: Entry, data: memoryview, what: str) -> None:
        try:
            self._check(entry, data, what)
        except ChecksumError as error:
            path = self.shards.path(entry.shard)
            raise ChecksumError(with_cause(message_of(error), path)) from None

    def _check(
        self,
        entry: Entry,
        data: Stored,
        what: str,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        place = (entry.shard, entry.offset, entry.size, entry.crc32c)
        if place in self._verified:
            return
        error = self._mismatch(entry, what, checksum(data, progress))
        if error is not None:
            raise error
        self._verified.add(place)

    def _mismatch(self, entry: Entry, what: str, computed: int) -> ChecksumError | None:
        if computed == entry.crc32c:
            return None
        return ChecksumError(
            Message(
                f"{self.shards.path(entry.shard)}: the checksum of {what} "
                f"({entry.size:,} bytes at {entry.offset:,}) is {computed:#010x}, "
                f"expected {entry.crc32c:#010x}; the file is damaged or is of another "
                "run: copy it again",
                InPython(", or read with verify=False to see what is there"),
            )
        )


def _swapped(data: memoryview, dtype: DType) -> Array:
    import numpy as np

    # The two halves of a complex number are swapped each for itself.
    width = dtype.itemsize // (2 if dtype.name.startswith("complex") else 1)
    words = np.frombuffer(data, f">u{width}").astype(f"<u{width}")
    return words.view(dtype.as_numpy_dtype)


_CHUNK = 16 << 20  # of bytes to sum up before telling that they are

_T = TypeVar("_T")


# Bytes to sum up, and what makes something of their masked checksum.
Summed: TypeAlias = "tuple[Stored, Callable[[int], _T]]"


def checksums(
    items: Iterable[Summed[_T]], progress: Callable[[int], None] | None = None
) -> Iterator[_T]:
    """Yield what each item makes of its checksum, in the order of the items.

    Args:
      items: What to sum up, each with what to call with its masked checksum. They are
        taken as they are needed, and somewhat ahead.
      progress: Called with the number of bytes summed up since the last call.

    Example:
      >>> list(checksums([(memoryview(b"ab"), hex), (memoryview(b""), hex)]))
      ['0xf4f0b01c', '0xa282ead8']
    """
    crc = 0
    for size, found, result in in_order(_sum, _pieces(items), _suits_a_thread):
        crc = crc32c.combined(crc, found, size) if crc else found
        if progress is not None:
            progress(size)
        if result is not None:
            yield result(crc32c.mask(crc))
            crc = 0


def checksum(data: Stored, progress: Callable[[int], None] | None = None) -> int:
    """Return the masked checksum of bytes.

    Args:
      data: The bytes.
      progress: Called with the number of bytes summed up since the last call.

    Example:
      >>> hex(checksum(memoryview(b"ab")))
      '0xf4f0b01c'
    """
    if len(data) > _CHUNK:
        return next(checksums([(data, int)], progress))
    found = crc32c.mask(crc32c.value(data[:]))  # one piece: no thread has a part in it
    if progress is not None:
        progress(len(data))
    return found


# What is to be called comes with the last one of an item.
_Piece: TypeAlias = "tuple[Buffer, Callable[[int], _T] | None]"


def _pieces(items: Iterable[Summed[_T]]) -> Iterator[_Piece[_T]]:
    for data, result in items:
        last = max(0, len(data) - 1) // _CHUNK * _CHUNK
        for start in range(0, last, _CHUNK):
            yield data[start : start + _CHUNK], None
        yield data[last:], result


def _suits_a_thread(piece: _Piece[_T]) -> bool:
    return suits_a_thread(len(piece[0]))


def _sum(piece: _Piece[_T]) -> tuple[int, int, Callable[[int], _T] | None]:
    data, result = piece
    return len(data), crc32c.value(data), result


_VARIABLE = "TF_CKPT_MIGRATE_THREADS"
_LARGE, _HUGE = 1 << 18, 1 << 28  # bytes
_AHEAD = 4  # pieces of work for each thread that wait, or whose results do

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_here = threading.local()


def cores() -> int:
    """Return how many threads work at once.

    They are as many as the cores that this process may use, or as the environment
    variable ``TF_CKPT_MIGRATE_THREADS`` says.
    """
    asked = os.environ.get(_VARIABLE, "")
    if asked.isdecimal():
        return max(1, int(asked))
    of_process = getattr(os, "sched_getaffinity", None)  # not on every system
    return (len(of_process(0)) if of_process else os.cpu_count()) or 1


def suits_a_thread(size: int) -> bool:
    """Return whether to read so many bytes is work for one thread.

    Few are read sooner than a thread is told to; of very many, all threads take a part.
    """
    return _LARGE <= size < _HUGE


def in_order(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    is_for_thread: Callable[[_Item], bool] = lambda _: True,
) -> Iterator[_Result]:
    """Yield ``work(item)`` for every item, in the order of the items.

    Few items are under way at once, whatever their number. An error is raised where its
    result would have come. If the caller stops, what has not begun never does.

    Args:
      work: Called in threads, so that several calls run at a time.
      items: Taken one by one in the caller's thread, somewhat ahead of the results.
      is_for_thread: Whether an item is given to a thread; others are worked on in the
        caller's.

    Example:
      >>> list(in_order(len, ["one", "two", "three"]))
      [3, 3, 5]
    """
    threads = cores()
    if threads == 1 or getattr(_here, "is_worker", False):
        # A worker that waited for another of its pool might wait for ever.
        yield from map(work, items)
        return
    ahead: deque[Future[_Result]] = deque()
    try:
        for item in items:
            if is_for_thread(item):
                ahead.append(_pool(threads).submit(work, item))
            elif ahead:
                ahead.append(_done(work, item))
            else:
                yield work(item)
            while len(ahead) > _AHEAD * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def _done(work: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
    """Work here and now; what comes of it, an error too, waits for its turn."""
    from concurrent.futures import Future

    future: Future[_Result] = Future()
    try:
        future.set_result(work(item))
    except Exception as error:  # noqa: BLE001 it is raised again where it belongs
        future.set_exception(error)
    return future


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process: all who ask share them."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, "tf_ckpt_migrate", _begin_worker)


def _begin_worker() -> None:
    _here.is_worker = True


if hasattr(os, "register_at_fork"):  # a child has its parent's pool, but no threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
