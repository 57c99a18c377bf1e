"""A tensor put together again out of all that others made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import TransformError
from tf_ckpt_migrate.transforms.base import Transform, integers
from tf_ckpt_migrate.transforms.blocks import Blocks
from tf_ckpt_migrate.transforms.compose import Chain
from tf_ckpt_migrate.transforms.padding import Join, Stack
from tf_ckpt_migrate.transforms.parts import Concat, Slice
from tf_ckpt_migrate.transforms.shapes import Reshape, Transpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tf_ckpt_migrate.transforms.base import Array

__all__ = ["Reassemble", "only_moves"]

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
