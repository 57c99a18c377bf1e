"""Reads two tensors side by side, each of a checkpoint of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.checkpoint.pieces import is_partitioned, pieces
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.storage.access import same_file

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["is_same_place", "paired", "stored_bytes"]


def paired(
    a: CheckpointReader, source: str, b: CheckpointReader, key: str
) -> Iterator[tuple[Array, Array]]:
    """Yield the values of two tensors of one shape, in flat pieces of equal length.

    Args:
      a: The first checkpoint.
      source: The key of its tensor.
      b: The second checkpoint.
      key: The key of its tensor.

    Raises:
      UnsupportedDTypeError: If one is a resource or variant.
      CorruptCheckpointError: If one is damaged.
    """
    by_rows = is_partitioned(a, source) or is_partitioned(b, key)
    return zip(
        pieces(a, source, by_rows=by_rows),
        pieces(b, key, by_rows=by_rows),
        strict=True,
    )


def is_same_place(
    a: CheckpointReader,
    source: str,
    b: CheckpointReader,
    key: str,
    is_same_file: Callable[[str, str], bool] = same_file,
) -> bool:
    """Return whether two tensors are one and the same range of one file.

    Args:
      a: As of `paired`, like those that follow.
      source: The key in it.
      b: The second checkpoint.
      key: The key in it.
      is_same_file: Whether two paths lead to one file. Who asks for many tensors of
        few files may remember: ``functools.cache(same_file)``.
    """
    if a.bundle is None or b.bundle is None:
        return False
    if a.bundle.index.big_endian != b.bundle.index.big_endian:
        return False
    places = a.places(source), b.places(key)
    if len(places[0]) != len(places[1]):
        return False
    if len(places[0]) > 1 and (
        a.bundle.index[source].slices != b.bundle.index[key].slices
    ):
        return False
    return all(
        (mine.offset, mine.size) == (other.offset, other.size)
        and is_same_file(mine.file, other.file)
        for mine, other in zip(*places, strict=True)
    )


def stored_bytes(reader: CheckpointReader, key: str) -> bytes:
    """Return the bytes of a value that only TensorFlow understands."""
    bundle = reader.bundle
    if bundle is None:  # V1 files hold no such values
        return b""
    reader.check(key)
    entry = bundle.index[key]
    what = f"tensor {key!r}"
    return bytes(bundle.shards.read(entry.shard, entry.offset, entry.size, what))
