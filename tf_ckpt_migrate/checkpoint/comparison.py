"""Compares one tensor of a checkpoint with what another one has for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.checkpoint.diff_values import Difference, Tolerance, difference
from tf_ckpt_migrate.checkpoint.pairing import (
    is_same_place,
    paired,
    stored_bytes,
)
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.storage.access import same_file

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms import Transform

__all__ = ["Comparison"]


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
