"""Compares one tensor of a checkpoint with what another one has for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.checkpoint.diff_values import Difference, Tolerance, difference
from tf_ckpt_migrate.checkpoint.pieces import is_partitioned, pieces
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, Place

if TYPE_CHECKING:
    import numpy as np

    from tf_ckpt_migrate.transforms import Transform

    Array = np.ndarray[Any, Any]

__all__ = ["Comparison"]


class Comparison(NamedTuple):
    """Compares tensors of two checkpoints, of equal dtype and shape.

    Attributes:
      a: The first.
      b: The second.
      tolerance: How far numbers may be apart.

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
            array = transform(*(self.a[each] for each in sources))
            pair = array.reshape(-1), self.b[key].reshape(-1)
            return difference(iter([pair]), self.tolerance)
        if self.shares_bytes(source, key):
            return Difference(0)
        if OBJECT_GRAPH_KEY in (source, key):
            graphs = self.a.object_graph, self.b.object_graph
            same = None not in graphs and same_objects(*graphs)  # type: ignore[arg-type]
            return Difference(0 if same else 1)
        if self.b.specs[key].dtype in (DType.resource, DType.variant):
            return Difference(int(_stored(self.a, source) != _stored(self.b, key)))
        return difference(self._pairs(source, key), self.tolerance)

    def _pairs(self, source: str, key: str) -> Iterator[tuple[Array, Array]]:
        by_rows = is_partitioned(self.a, source) or is_partitioned(self.b, key)
        return zip(
            pieces(self.a, source, by_rows=by_rows),
            pieces(self.b, key, by_rows=by_rows),
            strict=True,
        )

    def shares_bytes(self, source: str, key: str) -> bool:
        """Return whether the values are one and the same range of one file."""
        if self.a.bundle is None or self.b.bundle is None:
            return False
        if self.a.bundle.index.big_endian != self.b.bundle.index.big_endian:
            return False
        places = self.a.places(source), self.b.places(key)
        if len(places[0]) != len(places[1]):
            return False
        if len(places[0]) > 1 and (
            self.a.bundle.index[source].slices != self.b.bundle.index[key].slices
        ):
            return False
        return all(_is_same(*pair) for pair in zip(*places, strict=True))


def _is_same(a: Place, b: Place) -> bool:
    return (
        (a.offset, a.size) == (b.offset, b.size)
        and os.path.exists(a.file)
        and os.path.exists(b.file)
        and os.path.samefile(a.file, b.file)
    )


def _stored(reader: CheckpointReader, key: str) -> bytes:
    """Return the bytes of a value that only TensorFlow understands."""
    bundle = reader.bundle
    if bundle is None:  # V1 files hold no such values
        return b""
    reader.check(key)
    entry = bundle.index[key]
    what = f"tensor {key!r}"
    return bytes(bundle.shards.read(entry.shard, entry.offset, entry.size, what))
