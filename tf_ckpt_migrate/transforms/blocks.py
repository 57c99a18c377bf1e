"""Blocks of equal length along one dimension, such as the gates of an RNN cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["AddToBlock", "Blocks"]


@dataclass(frozen=True)
class Blocks(Transform, op="blocks"):
    """Puts the blocks of one dimension, all of one length, into another order.

    Attributes:
      axis: The dimension, counted from 0.
      order: For each block of the output, which one of the input it is.

    Raises:
      TransformError: If ``order`` is no permutation, or ``axis`` no dimension.

    Example:
      >>> import numpy as np
      >>> Blocks(0, (1, 0))(np.array([1, 2, 3, 4])).tolist()
      [3, 4, 1, 2]
    """

    axis: int
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check axis and order."""
        object.__setattr__(self, "order", integers("order", self.order))
        if integers("axis", [self.axis])[0] < 0:
            raise TransformError(f"axis {self.axis} must count from 0")
        if sorted(self.order) != list(range(len(self.order))) or not self.order:
            raise TransformError(
                f"order {list(self.order)} is not a permutation of "
                f"{list(range(len(self.order)))}"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec as it is."""
        spec = self._only(*specs)
        count = len(self.order)
        if len(spec.shape) <= self.axis or spec.shape[self.axis] % count:
            raise self._misfit(
                f"dimension {self.axis} must have {count} blocks of one length", spec
            )
        return spec

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        blocks = np.split(arrays[0], len(self.order), axis=self.axis)
        return np.concatenate([blocks[n] for n in self.order], axis=self.axis)

    def inverse(self, *specs: TensorSpec) -> Blocks:
        """Return the order back."""
        del specs
        numbers = range(len(self.order))
        return Blocks(self.axis, tuple(sorted(numbers, key=self.order.__getitem__)))


@dataclass(frozen=True)
class AddToBlock(Transform, op="add_to_block"):
    """Adds a number to one of several blocks of a vector.

    Attributes:
      count: How many blocks of one length there are.
      block: Which one, counted from 0.
      value: The number.

    Raises:
      TransformError: If there is no such block.

    Example:
      >>> import numpy as np
      >>> AddToBlock(2, 1, 0.5)(np.zeros(4)).tolist()
      [0.0, 0.0, 0.5, 0.5]
    """

    count: int
    block: int
    value: float

    def __post_init__(self) -> None:
        """Check that the block is one."""
        count, block = integers("count and block", [self.count, self.block])
        if not 0 <= block < count:
            raise TransformError(f"block {block} is none of {count}, counted from 0")

    @property
    def exact(self) -> bool:
        """Whether it adds nothing: a sum may be rounded."""
        return self.value == 0

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec as it is."""
        spec = self._only(*specs)
        if len(spec.shape) != 1 or spec.shape[0] % self.count:
            raise self._misfit(f"it takes a vector of {self.count} blocks", spec)
        return spec

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        result = arrays[0].copy()
        np.split(result, self.count)[self.block][...] += result.dtype.type(self.value)
        return result

    def inverse(self, *specs: TensorSpec) -> AddToBlock:
        """Return what takes it away again, but for rounding."""
        del specs
        return AddToBlock(self.count, self.block, -self.value)
