"""Comparison of tensor values, element by element, within bounds of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.checkpoint.pieces import as_numbers, is_partitioned, pieces
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.storage.access import same_file

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Comparison",
    "Difference",
    "Tolerance",
    "difference",
    "is_same_place",
    "paired",
    "stored_bytes",
]


class Tolerance(NamedTuple):
    """How far numbers may be apart: ``abs(a - b) <= absolute + relative * abs(b)``."""

    relative: float = 0.0
    absolute: float = 0.0


class Difference(NamedTuple):
    """How far two tensors are apart.

    Attributes:
      elements: How many elements differ.
      max_abs: The largest difference; None where no finite one was found.
      max_rel: The largest difference, relative to the larger of the two magnitudes.
      not_finite: How many of the elements are NaN or infinite in one of the two.
    """

    elements: int
    max_abs: float | None = None
    max_rel: float | None = None
    not_finite: int = 0


def difference(
    pairs: Iterator[tuple[Array, Array]], tolerance: Tolerance
) -> Difference:
    """Return how far two tensors are apart.

    Elements of the same bits are equal, NaN included, and so are 0.0 and -0.0.

    Args:
      pairs: Their values, as flat arrays of equal length and dtype.
      tolerance: How far elements may be apart and still be equal.
    """
    elements = not_finite = 0
    absolute: list[float] = []
    relative: list[float] = []
    for a, b in pairs:
        found = _of_objects(a, b) if a.dtype.hasobject else _of_bits(a, b, tolerance)
        elements += found.elements
        not_finite += found.not_finite
        absolute += [] if found.max_abs is None else [found.max_abs]
        relative += [] if found.max_rel is None else [found.max_rel]
    return Difference(
        elements, max(absolute, default=None), max(relative, default=None), not_finite
    )


def _of_objects(a: Array, b: Array) -> Difference:
    return Difference(int((a != b).sum()))


def _of_bits(a: Array, b: Array, tolerance: Tolerance) -> Difference:
    import numpy as np

    if not a.size:
        return Difference(0)
    bits_a, bits_b = (np.ascontiguousarray(x).view(np.uint8) for x in (a, b))
    if np.array_equal(bits_a, bits_b):
        return Difference(0)
    differs = (bits_a != bits_b).reshape(a.size, -1).any(axis=1)
    return _of_numbers(a[differs], b[differs], tolerance)


def _of_numbers(a: Array, b: Array, tolerance: Tolerance) -> Difference:
    import numpy as np

    with np.errstate(all="ignore"):  # NaN and infinity are told apart below
        if a.dtype.kind == "c":
            unequal, distance = a != b, np.abs(a - b).astype(np.float64)
        else:
            numbers_a, numbers_b = as_numbers(a), as_numbers(b)
            unequal = numbers_a != numbers_b
            distance = np.abs(
                numbers_a.astype(np.float64) - numbers_b.astype(np.float64)
            )
        size_a, size_b = (np.abs(as_numbers(x).astype(np.float64)) for x in (a, b))
        if tolerance != Tolerance():
            near = distance <= tolerance.absolute + tolerance.relative * size_b
            unequal &= ~(near & np.isfinite(distance))
        relative = distance / np.maximum(size_a, size_b)
    finite = unequal & np.isfinite(distance)
    count, numbers = int(unequal.sum()), int(finite.sum())
    if not numbers:
        return Difference(count, not_finite=count)
    return Difference(
        count,
        float(distance[finite].max()),
        float(relative[finite].max()),
        count - numbers,
    )


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


class Comparison(NamedTuple):
    """Compares tensors of two checkpoints, of equal dtype and shape.

    Attributes:
      a: The first.
      b: The second.
      tolerance: How far numbers may be apart.
      is_same_file: Whether two paths lead to one file.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with (
      ...     example_checkpoint({"w": [1.0, 2.0]}) as a,
      ...     example_checkpoint({"w": [1.0, 2.5]}) as b,
      ... ):
      ...     comparison = Comparison(CheckpointReader(a), CheckpointReader(b))
      ...     comparison.difference(("w",), "w").max_abs
      0.5
    """

    a: CheckpointReader
    b: CheckpointReader
    tolerance: Tolerance = Tolerance()
    is_same_file: Callable[[str, str], bool] = same_file

    def difference(
        self, sources: Sequence[str], key: str, transform: Transform | None = None
    ) -> Difference:
        """Return how far a tensor is from what the first checkpoint has for it.

        Of the object graph it counts what it says, not how its nodes are numbered.

        Args:
          sources: The keys in the first; one, unless a transform joins several.
          key: The key in the second.
          transform: What is done to the first before.
        """
        source = sources[0]
        if transform is not None:
            array = transform(*(self.a.part(each) for each in sources))
            pair = array.reshape(-1), self.b[key].reshape(-1)
            return difference(iter([pair]), self.tolerance)
        if self.shares_bytes(source, key):
            return Difference(0)
        if OBJECT_GRAPH_KEY in (source, key):
            graphs = self.a.object_graph, self.b.object_graph
            same = None not in graphs and same_objects(*graphs)  # type: ignore[arg-type]
            return Difference(0 if same else 1)
        if self.b.specs[key].dtype in (DType.resource, DType.variant):
            stored = stored_bytes(self.a, source), stored_bytes(self.b, key)
            return Difference(int(stored[0] != stored[1]))
        return difference(paired(self.a, source, self.b, key), self.tolerance)

    def shares_bytes(self, source: str, key: str) -> bool:
        """Return whether the values are one and the same range of one file."""
        return is_same_place(self.a, source, self.b, key, self.is_same_file)
