"""Partitions: slices along one axis. The value stays, its layout changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.slices import TensorSlice, is_tiled
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers
from tf_ckpt_migrate.transforms.blocks import Blocks
from tf_ckpt_migrate.transforms.rows import Join, Stack
from tf_ckpt_migrate.transforms.shapes import Chain, Concat, Reshape, Slice, Transpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tf_ckpt_migrate.transforms.base import Array

__all__ = [
    "JoinParts",
    "Partition",
    "Reassemble",
    "StorePart",
    "even_sizes",
    "only_moves",
    "parted",
]


_MOST = 100_000  # entries in an index that one number in a plan may ask for


@dataclass(frozen=True)
class Partition(Transform, op="partition"):
    """Stores a tensor in slices, as TensorFlow stores a partitioned variable.

    It is the value for whoever reads it whole. What ``tf.compat.v1.
    fixed_size_partitioner(parts, axis)`` makes is saved so: each part has as many
    indices as another or one less, the longer ones come first, and no part is empty,
    so that of more parts than indices there are as many as indices. One part is the
    whole tensor, not a slice.

    Attributes:
      axis: Which dimension is divided, counted from 0.
      parts: Into how many parts.
      sizes: Their lengths along ``axis``, in place of ``parts``, where they differ.
      was: How the tensor was stored, which undoes this; None if it was whole. A plan
        knows it of its source.

    Raises:
      TransformError: If it is not exactly one of ``parts`` and ``sizes``, or a number
        is impossible.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (11, 2))
      >>> [str(piece) for piece in Partition(parts=3).slices(spec)]
      ['0,4:0,2', '4,4:0,2', '8,3:0,2']
    """

    axis: int = 0
    parts: int | None = None
    sizes: tuple[int, ...] | None = None
    was: Partition | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        integers("axis", [self.axis])
        if (self.parts is None) == (self.sizes is None):
            raise TransformError(
                "a partition has a number of parts, or the sizes of all: "
                "Partition(axis=0, parts=8)"
            )
        if self.sizes is not None:
            object.__setattr__(self, "sizes", integers("sizes", self.sizes))
        elif not 1 <= integers("parts", [self.parts or 0])[0] <= _MOST:
            raise TransformError(f"parts={self.parts} must be from 1 to {_MOST:,}")
        if self.axis < 0 or min(self.sizes or (1,)) < 1:
            raise TransformError(
                f"axis {self.axis} must count from 0, and a part of {self.sizes} have "
                "an index at least"
            )
        if self.was is not None and not isinstance(self.was, Partition):  # pyright: ignore[reportUnnecessaryIsInstance] YAML
            raise TransformError(f"was={self.was!r} is no partition")

    def __repr__(self) -> str:
        how = f"parts={self.parts}" if self.sizes is None else f"sizes={self.sizes}"
        was = "" if self.was is None else f", was={self.was!r}"
        return f"Partition(axis={self.axis}, {how}{was})"

    def to_config(self) -> dict[str, Any]:
        """Return plain data, of what is given only."""
        return {k: v for k, v in super().to_config().items() if v is not None}

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec itself, after a look whether it can be divided so."""
        spec = self._only(*specs)
        self._sizes(spec)
        return spec

    def _sizes(self, spec: TensorSpec) -> tuple[int, ...]:
        if self.axis >= len(spec.shape):
            raise self._misfit(f"it has no axis {self.axis}", spec)
        length = spec.shape[self.axis]
        if self.sizes is None:
            return even_sizes(length, self.parts or 1)
        if sum(self.sizes) != length:
            raise self._misfit(f"the sizes sum up to {sum(self.sizes)}", spec)
        return self.sizes

    def slices(self, spec: TensorSpec) -> tuple[TensorSlice, ...]:
        """Return the slices of a tensor; of one that stays whole there are none.

        Raises:
          TransformError: If it cannot be divided so.
        """
        sizes = self._sizes(spec)
        if len(sizes) < 2:
            return ()
        shape, axis = spec.shape, self.axis
        starts, lengths = [0] * len(shape), list(shape)
        found: list[TensorSlice] = []
        for start, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
            starts[axis], lengths[axis] = start, size
            found.append(TensorSlice(tuple(starts), tuple(lengths)))
        return tuple(found)

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0]

    def inverse(self, *specs: TensorSpec) -> Partition:
        """Return what stores it as it was."""
        del specs
        before = self.was or Partition(self.axis, 1)
        here = None if self.parts == 1 else replace(self, was=None)
        return replace(before, was=here)


@dataclass(frozen=True)
class StorePart(Transform, op="store_part"):
    """Stores only a part of a tensor, as TensorFlow stores a slot of a variable's part.

    The value is the whole tensor; the key has its shape, and the bytes of the part.

    Attributes:
      starts: The first index in each dimension.
      lengths: The number of indices in each dimension.

    Raises:
      TransformError: If the numbers are no part of a tensor.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("starts", "lengths"):
            object.__setattr__(self, name, integers(name, getattr(self, name)))
        if (
            len(self.starts) != len(self.lengths)
            or min((*self.starts, *(length - 1 for length in self.lengths)), default=0)
            < 0
        ):
            raise TransformError(f"{self!r} is not a part of a tensor")

    @property
    def box(self) -> tuple[slice, ...]:
        """The part, as an index of NumPy."""
        pairs = zip(self.starts, self.lengths, strict=True)
        return tuple(slice(start, start + length) for start, length in pairs)

    def slices(self, spec: TensorSpec) -> tuple[TensorSlice, ...]:
        """Return the one slice that is stored.

        Raises:
          TransformError: If it does not lie within the tensor.
        """
        ends = [each.stop for each in self.box]
        if len(ends) != len(spec.shape) or any(
            end > whole for end, whole in zip(ends, spec.shape, strict=True)
        ):
            raise self._misfit("the part does not lie within it", spec)
        return (TensorSlice(self.starts, self.lengths),)

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec itself, after a look whether the part lies within it."""
        spec = self._only(*specs)
        self.slices(spec)
        return spec

    def _apply(self, *arrays: Array) -> Array:
        return arrays[0]


@dataclass(frozen=True)
class JoinParts(Transform, op="join_parts"):
    """Puts a tensor together from keys that store a part of it each.

    Attributes:
      parts: Where each of them lies.

    Raises:
      TransformError: If they are not all of a tensor, each element once.

    Example:
      >>> import numpy as np
      >>> halves = StorePart((0,), (2,)), StorePart((2,), (1,))
      >>> JoinParts(halves)(np.array([1, 2]), np.array([3])).tolist()
      [1, 2, 3]
    """

    parts: tuple[StorePart, ...]

    def __post_init__(self) -> None:
        """Check that the parts are a whole."""
        object.__setattr__(self, "parts", tuple(self.parts))
        given = cast("tuple[object, ...]", self.parts)  # may come from a file
        if not all(isinstance(part, StorePart) for part in given):
            raise TransformError(f"{self!r}: each part must be a StorePart")
        boxes = [
            tuple((each.start, each.stop) for each in part.box) for part in self.parts
        ]
        if not boxes or not is_tiled(boxes, self.shape):
            raise TransformError(f"{self!r}: the parts are not a whole tensor")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole."""
        ends = ([each.stop for each in part.box] for part in self.parts)
        return tuple(map(max, zip(*ends, strict=True)))

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec of the whole, which the key of each part has too."""
        fit = len(specs) == len(self.parts) and all(
            spec.shape in (self.shape, part.lengths) and spec.dtype == specs[0].dtype
            for spec, part in zip(specs, self.parts, strict=True)
        )
        if not fit:
            raise self._misfit(f"it takes {len(self.parts)} parts of one dtype", *specs)
        return TensorSpec(specs[0].dtype, self.shape)

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        whole = np.empty(self.shape, arrays[0].dtype)
        for part, array in zip(self.parts, arrays, strict=True):
            whole[part.box] = array if array.shape == part.lengths else array[part.box]
        return whole

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...]:
        """Return what stores each of the parts."""
        del specs
        return self.parts


def even_sizes(length: int, parts: int) -> tuple[int, ...]:
    """Return the lengths of parts as even as can be, the longer ones first.

    Example:
      >>> even_sizes(11, 3), even_sizes(2, 3), even_sizes(0, 3)
      ((4, 4, 3), (1, 1), (0,))
    """
    count = max(1, min(parts, length))
    size, longer = divmod(length, count)
    return tuple(size + (number < longer) for number in range(count))


def parted(
    transform: Transform | None,
) -> tuple[Transform | None, Partition | StorePart | None]:
    """Return what a transform does to the value, and how the result is stored.

    Example:
      >>> from tf_ckpt_migrate.transforms import Transpose
      >>> parted(Chain((Transpose((1, 0)), Partition(parts=2))))
      (Transpose(perm=(1, 0)), Partition(axis=0, parts=2))
    """
    if isinstance(transform, Partition | StorePart):
        return None, transform
    if isinstance(transform, Chain) and len(transform.transforms) > 1:
        *links, last = transform.transforms
        if isinstance(last, Partition | StorePart):
            return Chain(tuple(links)) if len(links) > 1 else links[0], last
    return transform, None


_MOVES = Blocks | Concat | Reshape | Slice | Stack | Transpose


def only_moves(transform: Transform | None) -> bool:
    """Return whether a transform takes values elsewhere and makes no other ones.

    Example:
      >>> only_moves(Chain((Concat(0), Blocks(0, (1, 0))))), only_moves(None)
      (True, True)
    """
    if isinstance(transform, Chain):
        return all(map(only_moves, transform.transforms))
    if isinstance(transform, Join):
        return all(map(only_moves, transform.parts))
    return transform is None or isinstance(transform, _MOVES)


@dataclass(frozen=True)
class Reassemble(Transform, op="reassemble"):
    """Undoes transforms that moved the values of tensors, all together.

    Where every one of the transforms has a part of a tensor, none of them alone can be
    undone. Where each value went is found by letting them move numbers in its place.

    Attributes:
      ways: What made each of the tensors that are given, in their order.
      shapes: Of the tensors that those took.
      number: Which of these is to be made, counted from 0.

    Raises:
      TransformError: If a transform does more than move values, or not all of the
        tensor is in what they made, or a part of it twice.

    Example:
      >>> import numpy as np
      >>> halves = Slice((2,), (2,)), Slice((0,), (2,))
      >>> Reassemble(halves, ((4,),), 0)(np.array([3, 4]), np.array([1, 2])).tolist()
      [1, 2, 3, 4]
    """

    ways: tuple[Transform, ...]
    shapes: tuple[tuple[int, ...], ...]
    number: int

    def __post_init__(self) -> None:
        """Check the transforms, and that nothing is lost or ambiguous."""
        object.__setattr__(self, "ways", tuple(self.ways))
        shapes = tuple(integers("shapes", shape) for shape in self.shapes)
        object.__setattr__(self, "shapes", shapes)
        for way in cast(tuple[object, ...], self.ways):
            if not isinstance(way, Transform) or not only_moves(way):
                raise TransformError(f"{way!r} does more than move values")
        if not 0 <= self.number < len(shapes):
            raise TransformError(f"number {self.number} is none of {len(shapes)}")
        if not self._is_whole():
            raise TransformError(
                f"{self!r}: not all of the tensor is in what is given, once"
            )

    def output_spec(self, *specs: TensorSpec) -> TensorSpec:
        """Return the spec of the tensor that is made."""
        dtypes = {spec.dtype for spec in specs}
        if len(specs) != len(self.ways) or len(dtypes) != 1:
            raise self._misfit(
                f"it takes {len(self.ways)} tensors of one dtype", *specs
            )
        taken = [TensorSpec(DType.int64, shape) for shape in self.shapes]
        for way, spec in zip(self.ways, specs, strict=True):
            if way.output_spec(*taken).shape != spec.shape:
                raise self._misfit(f"{way!r} would not have made it", spec)
        return TensorSpec(specs[0].dtype, self.shapes[self.number])

    def _apply(self, *arrays: Array) -> Array:
        import numpy as np

        result = np.empty(self.shapes[self.number], arrays[0].dtype)
        for places, array in zip(self._places(), arrays, strict=True):
            own = places >= 0
            result.reshape(-1)[places[own]] = array[own]
        return result

    def _places(self) -> list[NDArray[Any]]:
        """Return, for each way, where each of its values comes from; -1: another."""
        import numpy as np

        numbers = [np.full(shape, -1, np.int64) for shape in self.shapes]
        whole = numbers[self.number]
        numbers[self.number] = np.arange(whole.size).reshape(whole.shape)
        return [way(*numbers) for way in self.ways]

    def _is_whole(self) -> bool:
        """Return whether every value is in what is given, and once."""
        import numpy as np

        found = np.zeros(self.shapes[self.number], bool).reshape(-1)
        count = 0
        for places in self._places():
            own = places[places >= 0]
            found[own] = True
            count += own.size
        return count == found.size and bool(found.all())

    def inverses(self, *specs: TensorSpec) -> tuple[Transform, ...] | None:
        """Return what made each tensor, where that took no other than this one."""
        del specs
        return self.ways if len(self.shapes) == 1 else None
