"""The order of rows that ``tf.nn.embedding_lookup`` calls ``"mod"``.

TF1 may divide an embedding among ``parts`` variables, or slices of one, and look ids up
with ``partition_strategy="mod"``, its default: id ``i`` is row ``i // parts`` of part
``i % parts``. The parts one after the other then hold the ids ``0, parts, 2 * parts, …,
1, 1 + parts, …``. With ``"div"``, as with one whole variable, the row is the id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["DivToMod", "ModToDiv"]


@dataclass(frozen=True)
class _RowOrder(Transform):
    """Rows in another order, by how many parts ids were dealt out to.

    Attributes:
      parts: How many; where ids do not divide evenly, the first ones have one more.
    """

    parts: int

    def __post_init__(self) -> None:
        """Check ``parts``."""
        object.__setattr__(self, "parts", *integers("parts", [self.parts]))
        if self.parts < 1:
            raise TransformError(f"parts must be 1 or more, not {self.parts}")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec, which stays."""
        spec = self._only(*specs)
        if not spec.shape or spec.shape[0] < self.parts:
            raise self._misfit("it has fewer rows than there are parts", spec)
        return spec

    def _ids(self, rows: int) -> Array:
        """Return the id of each row, in the order of the parts."""
        import numpy as np

        return np.argsort(np.arange(rows) % self.parts, kind="stable")


class ModToDiv(_RowOrder, op="mod_to_div"):
    """Puts rows that ids were dealt out to in turn in the order of their ids.

    Attributes:
      parts: How many parts the embedding was looked up in; where ids do not divide
        evenly, the first ones have one more.

    Raises:
      TransformError: If ``parts`` is no number of parts.

    Example:
      >>> import numpy as np
      >>> ModToDiv(2)(np.array([0, 2, 4, 1, 3])).tolist()
      [0, 1, 2, 3, 4]
    """

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        result = np.empty_like(arrays[0])
        result[self._ids(len(result))] = arrays[0]
        return result

    def inverse(self, *specs: TensorSpec) -> DivToMod:
        """Return the order back."""
        del specs
        return DivToMod(self.parts)


class DivToMod(_RowOrder, op="div_to_mod"):
    """Deals rows in the order of their ids out to parts in turn.

    Attributes:
      parts: How many parts the embedding is looked up in.

    Raises:
      TransformError: If ``parts`` is no number of parts.

    Example:
      >>> import numpy as np
      >>> DivToMod(2)(np.arange(5)).tolist()
      [0, 2, 4, 1, 3]
    """

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0][self._ids(len(arrays[0]))]

    def inverse(self, *specs: TensorSpec) -> ModToDiv:
        """Return the order of ids."""
        del specs
        return ModToDiv(self.parts)
