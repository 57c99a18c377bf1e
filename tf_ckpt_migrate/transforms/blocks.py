"""Transforms of the blocks of a tensor, such as the gates of an RNN cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers
from tf_ckpt_migrate.transforms.shapes import Chain, Reshape, Slice

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["AddToBlock", "Blocks", "GruBiases", "Sum"]


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


_SWAPPED = (1, 0)


@dataclass(frozen=True)
class Sum(Transform, op="sum"):
    """Adds up along one dimension, as ``np.sum``.

    Attributes:
      axis: The dimension, counted from 0.

    Raises:
      TransformError: If ``axis`` is no such number.

    Example:
      >>> import numpy as np
      >>> Sum(0)(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
      [4.0, 6.0]
    """

    axis: int

    def __post_init__(self) -> None:
        """Check ``axis``."""
        if integers("axis", [self.axis])[0] < 0:
            raise TransformError(f"axis {self.axis} must count from 0")

    @property
    def exact(self) -> bool:
        """False: a sum may be rounded."""
        return False

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec without the dimension."""
        spec = self._only(*specs)
        if len(spec.shape) <= self.axis:
            raise self._misfit(f"it has no dimension {self.axis}", spec)
        shape = (*spec.shape[: self.axis], *spec.shape[self.axis + 1 :])
        return TensorSpec(spec.dtype, shape)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].sum(axis=self.axis, dtype=arrays[0].dtype)


@dataclass(frozen=True)
class GruBiases(Transform, op="gru_biases"):
    """Makes the bias of ``GRU(reset_after=True)`` of those of a TF1 cell.

    ``CudnnCompatibleGRUCell`` has one bias for the gates (reset, update) and two for
    the new state, of its input and of the state. Keras has two rows, each of update,
    reset and new state; the gates use their sum, so those of the second are 0. The way
    back adds them up.

    Example:
      >>> import numpy as np
      >>> gates, of_input, of_state = np.array([1, 2]), np.array([3]), np.array([4])
      >>> GruBiases()(gates, of_input, of_state).tolist()
      [[2, 1, 3], [0, 0, 4]]
    """

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec of two rows."""
        shapes = [spec.shape for spec in specs]
        units = shapes[-1][0] if shapes and len(shapes[-1]) == 1 else -1
        if shapes != [(2 * units,), (units,), (units,)]:
            raise self._misfit("it takes vectors of 2, 1 and 1 blocks", *specs)
        return TensorSpec(specs[0].dtype, (2, 3 * units))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        reset, update = np.split(arrays[0], 2)
        above = np.concatenate([update, reset, arrays[1]])
        below = np.concatenate([np.zeros_like(arrays[0]), arrays[2]])
        return np.stack([above, below])

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return what computes the same again; the two biases of a gate are added."""
        if not specs:
            return None
        units = specs[-1].shape[0]
        gates = Chain((Sum(0), Slice((0,), (2 * units,)), Blocks(0, _SWAPPED)))
        rows = [Slice((row, 2 * units), (1, units)) for row in (0, 1)]
        return (gates, *(Chain((row, Reshape((units,)))) for row in rows))
