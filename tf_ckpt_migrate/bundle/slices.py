"""Slices of a partitioned variable: where each lies in the whole, and its key.

Sources: ``tensorflow/core/framework/tensor_slice.h`` and
``tensorflow/core/util/saved_tensor_slice_util.cc`` (``EncodeTensorNameSlice``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle import ordered_code
from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import CorruptCheckpointError, SliceError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "Overlap",
    "Ranges",
    "TensorSlice",
    "assembled",
    "bounding_box",
    "covering",
    "is_tiled",
    "slice_key",
]


_FULL = -1  # TensorSlice::kFullExtent
_SLICE_KEY_VERSION = 0


class TensorSlice(NamedTuple):
    """A box within a tensor.

    Attributes:
      starts: First index in each dimension.
      lengths: Number of indices in each dimension; -1 where it is the whole dimension.

    Example:
      >>> TensorSlice((2, 0), (3, -1)).ranges((10, 4), "example")
      ((2, 5), (0, 4))
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def from_proto(cls, proto: Any) -> TensorSlice:
        """Take over a ``TensorSliceProto``."""
        extents = proto.extent
        return cls(
            tuple(extent.start for extent in extents),
            tuple(
                extent.length if extent.HasField("length") else _FULL
                for extent in extents
            ),
        )

    def add_to(self, protos: Any) -> None:
        """Add this as a ``TensorSliceProto`` to a repeated field of such."""
        proto = protos.add()
        for start, length in zip(self.starts, self.lengths, strict=True):
            extent = proto.extent.add(start=start)
            if length != _FULL:
                extent.length = length

    def ranges(self, shape: tuple[int, ...], where: str) -> tuple[tuple[int, int], ...]:
        """Return first and last-plus-one index per dimension of a whole.

        Args:
          shape: Of the whole.
          where: What to name in an error: the file and the key.

        Raises:
          CorruptCheckpointError: If the slice does not lie within ``shape``.
        """
        ranges = tuple(
            (0, whole) if length == _FULL else (start, start + length)
            for start, length, whole in zip(
                self.starts, self.lengths, shape, strict=False
            )
        )
        if len(self.starts) != len(shape) or not all(
            0 <= low <= high <= whole
            for (low, high), whole in zip(ranges, shape, strict=True)
        ):
            raise CorruptCheckpointError(
                f"{where}: slice {self} does not lie within a tensor of shape "
                f"{list(shape)}"
            )
        return ranges

    def __str__(self) -> str:
        """Return the form that TensorFlow prints and parses: ``0,5:-``."""
        return ":".join(
            "-" if length == _FULL else f"{start},{length}"
            for start, length in zip(self.starts, self.lengths, strict=True)
        )


def slice_key(name: str, piece: TensorSlice) -> bytes:
    """Return the key of a slice in an index or V1 file.

    Args:
      name: Of the whole variable.
      piece: Which slice of it.

    Example:
      >>> slice_key("emb", TensorSlice((0, 0), (5, -1))).hex()
      '00656d62000101028085807f'
    """
    extents: Iterable[tuple[int, int]] = zip(piece.starts, piece.lengths, strict=True)
    numbers = (ordered_code.signed_number(n) for extent in extents for n in extent)
    return b"".join(
        [
            ordered_code.number(_SLICE_KEY_VERSION),
            ordered_code.string(name.encode()),
            ordered_code.number(len(piece.starts)),
            *numbers,
        ]
    )


Ranges = tuple[tuple[int, int], ...]


class Overlap(NamedTuple):
    """The part that a slice has in a box.

    Attributes:
      number: Which of the slices.
      common: First and last-plus-one index per dimension of the whole.
    """

    number: int
    common: Ranges


def bounding_box(
    index: int | slice | EllipsisType | tuple[Any, ...] | None, shape: tuple[int, ...]
) -> tuple[Ranges, tuple[Any, ...]]:
    """Split a NumPy basic index into a box and the index within that box.

    Args:
      index: The index; None for everything.
      shape: Of the tensor.

    Returns:
      First and last-plus-one index per dimension, and what to index the box with: it
      ends in an ellipsis, so that a single element comes as an array too.

    Raises:
      SliceError: If the index does not fit ``shape``.

    Example:
      >>> bounding_box((slice(2, 8, 3), 1), (10, 4))
      (((2, 6), (1, 2)), (slice(0, None, 3), 0, Ellipsis))
    """
    parts = [*index] if isinstance(index, tuple) else [... if index is None else index]
    # By identity: an array among the parts would compare element by element.
    ellipses = [at for at, part in enumerate(parts) if part is ...] or [len(parts)]
    at = ellipses[0]
    missing = len(shape) - len([part for part in parts if part is not ...])
    if missing < 0 or len(ellipses) > 1:
        raise SliceError(f"index {index!r} does not fit shape {list(shape)}")
    parts[at : at + 1] = [slice(None)] * missing
    boxed = [_boxed(part, size, index) for part, size in zip(parts, shape, strict=True)]
    return tuple(box for box, _ in boxed), (*(rest for _, rest in boxed), ...)


def _boxed(part: Any, size: int, index: object) -> tuple[tuple[int, int], Any]:
    if isinstance(part, slice):
        indices = range(*part.indices(size))
        if not indices:
            return (0, 0), slice(0, 0)
        low, high = sorted((indices[0], indices[-1]))
        return (low, high + 1), slice(indices[0] - low, None, indices.step)
    try:
        position = operator.index(part)
    except TypeError:
        raise SliceError(
            f"index {index!r} is no basic index of NumPy's: {part!r} is neither an "
            "integer nor a slice"
        ) from None
    if not -size <= position < size:
        raise SliceError(f"index {index!r} is out of range for a dimension of {size}")
    return (position % size, position % size + 1), 0


def assembled(
    spec: TensorSpec,
    slices: Sequence[TensorSlice],
    piece_of: Callable[[int], Array],
    box: Ranges,
    where: str,
) -> Array:
    """Return the part of a tensor within a box.

    Args:
      spec: Of the whole tensor.
      slices: Its slices.
      piece_of: Returns the values of one of ``slices`` by number; called only for
        those that overlap the box.
      box: First and last-plus-one index per dimension.
      where: What to name in an error: the file and the key.

    Returns:
      A new array.

    Raises:
      CorruptCheckpointError: If a slice has another shape or dtype than the index says,
        or the slices do not cover the box.
    """
    import numpy as np

    overlaps = covering(spec, slices, box, where)
    # Before room is made for them: a damaged index can promise any number of elements.
    pieces = [piece_of(overlap.number) for overlap in overlaps]
    shape = tuple(high - low for low, high in box)
    whole = np.empty(shape, spec.dtype.as_numpy_dtype)
    for overlap, piece in zip(overlaps, pieces, strict=True):
        ranges = slices[overlap.number].ranges(spec.shape, where)
        if piece.shape != tuple(high - low for low, high in ranges):
            raise CorruptCheckpointError(
                f"{where}: slice {slices[overlap.number]} has shape {list(piece.shape)}"
            )
        if piece.dtype != whole.dtype:  # NumPy would convert its values silently
            raise CorruptCheckpointError(
                f"{where}: slice {slices[overlap.number]} is {piece.dtype}, but lies "
                f"in {spec}"
            )
        taken = piece[_within(overlap.common, ranges)]
        whole[_within(overlap.common, box)] = taken
    return whole


def covering(
    spec: TensorSpec, slices: Sequence[TensorSlice], box: Ranges, where: str
) -> list[Overlap]:
    """Return which slices have a part in a box, and which part.

    Args:
      spec: Of the whole tensor.
      slices: Its slices.
      box: First and last-plus-one index per dimension.
      where: What to name in an error: the file and the key.

    Raises:
      CorruptCheckpointError: If an element of the box is in no slice, or in several.
    """
    found = [
        Overlap(number, common)
        for number, piece in enumerate(slices)
        if (common := _common(piece.ranges(spec.shape, where), box)) is not None
    ]
    covered, wanted = sum(_volume(each.common) for each in found), _volume(box)
    if covered != wanted or not _are_disjoint([each.common for each in found]):
        raise CorruptCheckpointError(
            f"{where}: its slices hold {covered:,} of {wanted:,} elements: some are "
            "missing, or overlap"
        )
    return found


def is_tiled(boxes: Sequence[Ranges], shape: tuple[int, ...]) -> bool:
    """Return whether boxes within a tensor hold each of its elements once.

    Example:
      >>> is_tiled([((0, 2),), ((2, 3),)], (3,)), is_tiled([((0, 2),)], (3,))
      (True, False)
    """
    filled = [box for box in boxes if _volume(box)]
    return sum(map(_volume, filled)) == math.prod(shape) and _are_disjoint(filled)


def _are_disjoint(boxes: list[Ranges]) -> bool:
    """Whether no two of several boxes, none of them empty, have an element in common.

    Partitioned along one axis, as they nearly always are, each is compared with one.
    """
    if len(boxes) < 2:
        return True
    axis = max(range(len(boxes[0])), key=lambda at: len({box[at] for box in boxes}))
    ordered = sorted(boxes, key=lambda box: box[axis])
    for number, box in enumerate(ordered):
        for other in ordered[number + 1 :]:
            if other[axis][0] >= box[axis][1]:
                break
            if _common(box, other) is not None:
                return False
    return True


def _common(a: Ranges, b: Ranges) -> Ranges | None:
    """Return the box that two boxes have in common; None if there is none."""
    common = tuple(
        (max(x[0], y[0]), min(x[1], y[1])) for x, y in zip(a, b, strict=True)
    )
    return None if any(low >= high for low, high in common) else common


def _within(inner: Ranges, outer: Ranges) -> tuple[slice, ...]:
    """Return what to index the array of the outer box with to get the inner."""
    return tuple(
        slice(low - start, high - start)
        for (low, high), (start, _) in zip(inner, outer, strict=True)
    )


def _volume(box: Ranges) -> int:
    return math.prod(high - low for low, high in box)
