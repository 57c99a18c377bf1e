"""Parts and wholes: tensors joined along a dimension, boxes taken out of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Concat", "Slice"]


@dataclass(frozen=True)
class Concat(Transform, op="concat"):
    """Joins tensors along one dimension, as ``np.concatenate``.

    Attributes:
      axis: The dimension, counted from 0.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> parts = TensorSpec(DType.int32, (2, 4)), TensorSpec(DType.int32, (1, 4))
      >>> str(Concat(axis=0).output_spec(*parts))
      'int32[3, 4]'
    """

    axis: int = 0

    def __post_init__(self) -> None:
        """Check ``axis``."""
        (axis,) = integers("axis", [self.axis])
        if axis < 0:
            raise TransformError(f"axis {axis} must count from 0")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the first spec with the lengths along ``axis`` added."""
        rests = {
            (s.dtype, *s.shape[: self.axis], -1, *s.shape[self.axis + 1 :])
            for s in specs
            if len(s.shape) > self.axis
        }
        if len(rests) != 1 or any(len(s.shape) <= self.axis for s in specs):
            raise self._misfit(
                f"all must have the same dtype and, but for axis {self.axis}, the "
                "same shape",
                *specs,
            )
        shape = list(specs[0].shape)
        shape[self.axis] = sum(spec.shape[self.axis] for spec in specs)
        return TensorSpec(specs[0].dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.concatenate(arrays, axis=self.axis)

    def inverses(self, *specs: TensorSpec) -> tuple[Slice, ...] | None:
        """Return the slices that take the parts out again."""
        parts: list[Slice] = []
        start = 0
        for spec in specs:
            begin = [0] * len(spec.shape)
            begin[self.axis] = start
            parts.append(Slice(tuple(begin), spec.shape))
            start += spec.shape[self.axis]
        return tuple(parts) or None


@dataclass(frozen=True)
class Slice(Transform, op="slice"):
    """Takes a box out of a tensor, as ``tf.slice``.

    Attributes:
      begin: The first index along each dimension.
      size: The length along each dimension; -1 is everything from ``begin`` on.

    Raises:
      TransformError: If they are not of one length, or an index is negative.

    Example:
      >>> Slice.parse("0:3, 5:")
      Slice(begin=(0, 5), size=(3, -1))
    """

    begin: tuple[int, ...]
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the box is one."""
        object.__setattr__(self, "begin", integers("begin", self.begin))
        object.__setattr__(self, "size", integers("size", self.size))
        if (
            len(self.begin) != len(self.size)
            or min(self.begin, default=0) < 0
            or min(self.size, default=0) < -1
        ):
            raise TransformError(
                f"begin {list(self.begin)} and size {list(self.size)} must give one "
                "index and one length (or -1) for each dimension"
            )

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Return the slice that Python would write as ``[text]``.

        Raises:
          TransformError: If ``text`` is not ``start:stop`` for each dimension, with
            no step and nothing counted from the end.
        """
        begin: list[int] = []
        size: list[int] = []
        for part in text.split(","):
            start, colon, stop = (piece.strip() for piece in part.partition(":"))
            if not colon or not all(n.isdecimal() or not n for n in (start, stop)):
                raise TransformError(
                    f"{part.strip()!r} in slice {text!r} must be 'start:stop', "
                    "'start:', ':stop' or ':', as in '0:10, :'"
                )
            begin.append(int(start or 0))
            size.append(max(int(stop) - begin[-1], 0) if stop else -1)
        return cls(tuple(begin), tuple(size))

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with the shape of the box."""
        spec = self._only(*specs)
        if len(spec.shape) != len(self.begin):
            raise self._misfit(f"it takes {len(self.begin)} dimensions", spec)
        shape: list[int] = []
        for length, begin, size in zip(spec.shape, self.begin, self.size, strict=True):
            end = length if size < 0 else begin + size
            if not begin <= end <= length:
                raise self._misfit(f"{begin}:{end} exceeds length {length}", spec)
            shape.append(end - begin)
        return TensorSpec(spec.dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        box = (
            slice(begin, None if size < 0 else begin + size)
            for begin, size in zip(self.begin, self.size, strict=True)
        )
        return arrays[0][tuple(box)]
