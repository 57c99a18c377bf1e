"""Changes of shape: the values stay, their order or their dimensions do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Reshape", "Transpose"]


@dataclass(frozen=True)
class Transpose(Transform, op="transpose"):
    """Permutes the dimensions, as ``np.transpose``.

    Attributes:
      perm: For each dimension of the output, the one of the input that it is.

    Raises:
      TransformError: If ``perm`` is not a permutation.

    Example:
      >>> Transpose((2, 0, 1)).inverse()
      Transpose(perm=(1, 2, 0))
    """

    perm: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check ``perm``."""
        object.__setattr__(self, "perm", integers("perm", self.perm))
        if sorted(self.perm) != list(range(len(self.perm))):
            raise TransformError(
                f"perm {list(self.perm)} is not a permutation of "
                f"{list(range(len(self.perm)))}"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with its shape permuted."""
        spec = self._only(*specs)
        if len(spec.shape) != len(self.perm):
            raise self._misfit(f"it takes {len(self.perm)} dimensions", spec)
        return TensorSpec(spec.dtype, tuple(spec.shape[axis] for axis in self.perm))

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].transpose(self.perm)

    def inverse(self, *specs: TensorSpec) -> Transpose:
        """Return the transposition back."""
        del specs
        axes = range(len(self.perm))
        return Transpose(tuple(sorted(axes, key=self.perm.__getitem__)))


@dataclass(frozen=True)
class Reshape(Transform, op="reshape"):
    """Gives the values another shape, in row-major order, as ``np.reshape``.

    Attributes:
      shape: The new shape; one length may be -1, to be whatever is left.

    Raises:
      TransformError: If more than one length is open.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> str(Reshape((2, -1)).output_spec(TensorSpec(DType.int32, (6,))))
      'int32[2, 3]'
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check ``shape``."""
        object.__setattr__(self, "shape", integers("shape", self.shape))
        if min(self.shape, default=0) < -1 or self.shape.count(-1) > 1:
            raise TransformError(
                f"shape {list(self.shape)} must be lengths, at most one of them -1"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the new shape."""
        spec = self._only(*specs)
        known = math.prod(length for length in self.shape if length >= 0)
        rest = spec.size // known if known else 0
        shape = tuple(rest if length < 0 else length for length in self.shape)
        if math.prod(shape) != spec.size:
            raise self._misfit(f"it has {spec.size:,} elements", spec)
        return TensorSpec(spec.dtype, shape)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0].reshape(self.shape)

    def inverse(self, *specs: TensorSpec) -> Reshape | None:
        """Return the reshape back, if the first shape is known."""
        return Reshape(specs[0].shape) if specs else None
