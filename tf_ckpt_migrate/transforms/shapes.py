"""Transforms of shape: reshape, transpose, slice, concatenate, and chains of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Chain", "Concat", "Function", "Reshape", "Slice", "Transpose"]


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


@dataclass(frozen=True)
class Chain(Transform, op="chain"):
    """Applies transforms one after the other; the first may take several tensors.

    Attributes:
      transforms: The transforms, first one first.

    Raises:
      TransformError: If there is none, or one is not a `Transform`.

    Example:
      >>> from tf_ckpt_migrate.transforms import Cast, Transpose
      >>> Chain([Transpose((1, 0)), Cast("float64")]).exact
      False
    """

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        """Check what is chained."""
        object.__setattr__(self, "transforms", tuple(self.transforms))
        if not self.transforms:
            raise TransformError("a chain of no transforms; leave the transform out")
        for transform in self.transforms:
            if not isinstance(transform, Transform):  # pyright: ignore[reportUnnecessaryIsInstance] users
                raise TransformError(f"{transform!r} in a chain is not a Transform")

    @property
    def exact(self) -> bool:
        """Whether every link is exact, whatever the input."""
        return all(transform.exact for transform in self.transforms)

    @property
    def note(self) -> str:
        """The notes of all links."""
        return "; ".join(each.note for each in self.transforms if each.note)

    def _specs(self, *specs: TensorSpec) -> list[tuple[TensorSpec, ...]]:
        inputs = [specs]
        for transform in self.transforms:
            inputs.append((transform.output_spec(*inputs[-1]),))
        return inputs

    def exact_for(self, *specs: TensorSpec) -> bool:
        """Whether every link is exact on what reaches it."""
        inputs = self._specs(*specs)
        return all(
            transform.exact_for(*given)
            for transform, given in zip(self.transforms, inputs, strict=False)
        )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return what the last link makes of what the others made."""
        return self._specs(*specs)[-1][0]

    def _apply(self, *arrays: Array) -> Array:
        for transform in self.transforms:
            arrays = (transform(*arrays),)
        return arrays[0]

    def inverse(self, *specs: TensorSpec) -> Transform | None:
        """Return the chain back, if it has one input and every link can be undone."""
        inverses = self.inverses(*specs)
        return inverses[0] if inverses and len(inverses) == 1 else None

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return, for each input of the first link, the chain that makes it."""
        inputs = self._specs(*specs) if specs else [()] * len(self.transforms)
        undone = [
            transform.inverses(*given)
            for transform, given in zip(self.transforms, inputs, strict=False)
        ]
        if undone[0] is None or not all(undone):
            return None
        back = [links[0] for links in undone[:0:-1] if links]
        return tuple(Chain((*back, first)) for first in undone[0])


@dataclass(frozen=True)
class Function(Transform):
    """Calls a function of yours; it cannot be written into YAML.

    Attributes:
      function: Takes the arrays, returns the new one.
      spec: What comes out, or a function of the input specs that says it; None for
        what came in first.

    Example:
      >>> import numpy as np
      >>> Function(np.negative)(np.ones(2)).tolist()
      [-1.0, -1.0]
    """

    function: Callable[..., Any]
    spec: TensorSpec | Callable[..., TensorSpec] | None = None

    @property
    def exact(self) -> bool:
        """False: nothing is known of the function."""
        return False

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return what ``spec`` says."""
        if not specs:
            raise self._misfit("it takes at least one tensor")
        if self.spec is None:
            return specs[0]
        return self.spec if isinstance(self.spec, TensorSpec) else self.spec(*specs)

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.asarray(self.function(*arrays))

    def to_config(self) -> dict[str, Any]:
        """Refuse.

        Raises:
          TransformError: Always: code is no data.
        """
        raise TransformError(
            f"{self!r} holds Python code, which YAML and JSON cannot: keep the plan in "
            "Python, or give the change a name by subclassing Transform with op='…'"
        )
