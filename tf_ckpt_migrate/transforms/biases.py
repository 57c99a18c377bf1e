"""The two biases of a GRU whose reset gate acts behind the recurrent kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers
from tf_ckpt_migrate.transforms.blocks import Blocks
from tf_ckpt_migrate.transforms.compose import Chain
from tf_ckpt_migrate.transforms.parts import Slice
from tf_ckpt_migrate.transforms.shapes import Reshape

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["GruBiases", "Sum"]

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
