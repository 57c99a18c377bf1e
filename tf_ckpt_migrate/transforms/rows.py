"""Transforms of rows: padding, stacking, the two orders of partitioned rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers, real_number
from tf_ckpt_migrate.transforms.shapes import Chain, Concat, Reshape, Slice

if TYPE_CHECKING:
    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["DivToMod", "Join", "ModToDiv", "Pad", "Stack"]


@dataclass(frozen=True)
class Stack(Transform, op="stack"):
    """Joins tensors of one shape along a new dimension, as ``np.stack``.

    Attributes:
      axis: Where the new dimension is, counted from 0.

    Raises:
      TransformError: If ``axis`` is no such number.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> row = TensorSpec(DType.int32, (4,))
      >>> str(Stack(axis=0).output_spec(row, row, row))
      'int32[3, 4]'
    """

    axis: int = 0

    def __post_init__(self) -> None:
        """Check ``axis``."""
        if integers("axis", [self.axis])[0] < 0:
            raise TransformError(f"axis {self.axis} must count from 0")

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with one dimension more."""
        if len(set(specs)) != 1 or len(specs[0].shape) < self.axis:
            raise self._misfit(
                "all must have one dtype and one shape, with at least "
                f"{self.axis} dimensions",
                *specs,
            )
        shape = list(specs[0].shape)
        shape.insert(self.axis, len(specs))
        return TensorSpec(specs[0].dtype, tuple(shape))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        return np.stack(arrays, axis=self.axis)

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return what takes each tensor out again."""
        whole = self.output_spec(*specs).shape if specs else ()
        parts: list[Transform] = []
        for number, spec in enumerate(specs):
            begin, size = [0] * len(whole), list(whole)
            begin[self.axis], size[self.axis] = number, 1
            box = Slice(tuple(begin), tuple(size))
            parts.append(Chain((box, Reshape(spec.shape))))
        return tuple(parts) or None


def _holds(dtype: DType, value: float) -> bool:
    import numpy as np

    try:
        with np.errstate(all="ignore"):  # a number too large becomes infinite
            return bool(value == dtype.as_numpy_dtype.type(value))
    except (OverflowError, ValueError):  # of what no integer is
        return False


@dataclass(frozen=True)
class Pad(Transform, op="pad"):
    """Adds elements of one value around a tensor, as ``tf.pad``.

    Attributes:
      before: How many along each dimension before the tensor.
      after: How many along each dimension after it.
      value: What they are.

    Raises:
      TransformError: If they are not of one length, or one is negative.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> str(Pad((1, 0), (0, 2)).output_spec(TensorSpec(DType.int32, (3, 4))))
      'int32[4, 6]'
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0

    def __post_init__(self) -> None:
        """Check the widths."""
        real_number("value", self.value)
        object.__setattr__(self, "before", integers("before", self.before))
        object.__setattr__(self, "after", integers("after", self.after))
        if len(self.before) != len(self.after) or min(*self.before, *self.after, 0) < 0:
            raise TransformError(
                f"before {list(self.before)} and after {list(self.after)} must give "
                "one number of elements for each dimension"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec with its shape enlarged."""
        spec = self._only(*specs)
        if len(spec.shape) != len(self.before):
            raise self._misfit(f"it takes {len(self.before)} dimensions", spec)
        if spec.dtype is DType.string:
            raise self._misfit("strings cannot be padded with a number", spec)
        if not _holds(spec.dtype, self.value):
            raise self._misfit(f"its dtype has no {self.value}", spec)
        lengths = zip(spec.shape, self.before, self.after, strict=True)
        return TensorSpec(spec.dtype, tuple(map(sum, lengths)))

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        widths = [*zip(self.before, self.after, strict=True)]
        return np.pad(arrays[0], widths, constant_values=self.value)

    def inverse(self, *specs: TensorSpec) -> Slice | None:
        """Return the slice that takes the tensor out again, given its shape."""
        return Slice(self.before, specs[0].shape) if specs else None


@dataclass(frozen=True)
class Join(Transform, op="join"):
    """Joins tensors along one dimension, each after a transform of its own.

    Attributes:
      axis: The dimension, counted from 0.
      parts: A transform for each piece of the result, or None to take it as it is.
      inputs: For each piece, which of the tensors it is made of, counted from 0; None
        if one piece is made of each.

    Raises:
      TransformError: If one is no transform, or ``inputs`` are not as many.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> join = Join(1, (Slice((0, 0), (2, -1)), None))
      >>> a, b = (TensorSpec(DType.int32, shape) for shape in ((5, 3), (2, 1)))
      >>> str(join.output_spec(a, b))
      'int32[2, 4]'
    """

    axis: int
    parts: tuple[Transform | None, ...]
    inputs: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the parts."""
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in cast(tuple[object, ...], self.parts):
            if part is not None and not isinstance(part, Transform):
                raise TransformError(f"{part!r} in a join is not a Transform")
        if self.inputs is None:
            return
        object.__setattr__(self, "inputs", integers("inputs", self.inputs))
        if len(self.inputs) != len(self.parts) or min(self.inputs, default=0) < 0:
            raise TransformError(
                f"inputs {list(self.inputs)} must name a tensor for each of "
                f"{len(self.parts)} parts"
            )

    @property
    def exact(self) -> bool:
        """Whether every part is exact."""
        return all(part is None or part.exact for part in self.parts)

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the joined spec of what the parts make."""
        count = max(self._inputs, default=-1) + 1
        if len(specs) < count or (self.inputs is None and len(specs) > count):
            raise self._misfit(f"it takes {count} tensors", *specs)
        made = (
            specs[number] if part is None else part.output_spec(specs[number])
            for part, number in zip(self.parts, self._inputs, strict=True)
        )
        return Concat(self.axis).output_spec(*made)

    @property
    def _inputs(self) -> Sequence[int]:
        return range(len(self.parts)) if self.inputs is None else self.inputs

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        made = [
            arrays[number] if part is None else part(arrays[number])
            for part, number in zip(self.parts, self._inputs, strict=True)
        ]
        return np.concatenate(made, axis=self.axis)

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return what takes each piece out, and undoes what was done to it."""
        if self.inputs is not None or not specs:
            return None
        whole, begin = self.output_spec(*specs), 0
        back: list[Transform] = []
        for part, spec in zip(self.parts, specs, strict=True):
            shape = spec.shape if part is None else part.output_spec(spec).shape
            undone = None if part is None else part.inverse(spec)
            if part is not None and undone is None:
                return None
            starts, sizes = [0] * len(shape), list(whole.shape)
            starts[self.axis], sizes[self.axis] = begin, shape[self.axis]
            box = Slice(tuple(starts), tuple(sizes))
            back.append(box if undone is None else Chain((box, undone)))
            begin += shape[self.axis]
        return tuple(back)


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
