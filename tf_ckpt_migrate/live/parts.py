"""Partitioned variables: several variables that are saved as one tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.errors import TargetError
from tf_ckpt_migrate.live.private import slice_of
from tf_ckpt_migrate.live.variables import assign, is_variable, value_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Parts", "parts_of", "united"]


class Parts:
    """The parts of one variable, seen as that variable.

    Args:
      parts: All of them, in any order.

    Attributes:
      parts: The same, in the order of their places.
      name: Of the whole, as it is saved.
      dtype: Of the whole.
      shape: Of the whole.

    Raises:
      TargetError: If one is missing.
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        """Put them in order."""
        self.parts: list[Any] = sorted(
            parts, key=lambda part: tuple(slice_of(part).var_offset)
        )
        whole = slice_of(self.parts[0])
        self.name: str = whole.full_name
        self.dtype: Any = self.parts[0].dtype
        self.shape: tuple[int, ...] = tuple(map(int, whole.full_shape))
        self._check_complete()

    def _check_complete(self) -> None:
        # Parts of one variable do not overlap, so that counting tells.
        rows = [tuple(slice_of(part).var_shape) for part in self.parts]
        if sum(map(_size, rows)) != _size(self.shape):
            names = ", ".join(repr(part.name) for part in self.parts)
            raise TargetError(
                f"the partitioned variable {self.name!r} {list(self.shape)} is given "
                f"by some of its parts only: {names}. Give them all, or the result of "
                "get_variable"
            )

    def boxes(self) -> Iterator[tuple[Any, tuple[slice, ...]]]:
        """Yield each part, and where in the whole it is."""
        for part in self.parts:
            place = slice_of(part)
            ends = zip(place.var_offset, place.var_shape, strict=True)
            yield part, tuple(slice(at, at + length) for at, length in ends)

    def pieces(self, value: Array) -> Iterator[tuple[Any, Array]]:
        """Yield each part with what of a value it has.

        Args:
          value: Of the whole variable.
        """
        for part, box in self.boxes():
            yield part, value[box]

    def assign(self, value: Array) -> None:
        """Give each part what it has of the value."""
        for part, piece in self.pieces(value):
            assign(part, piece)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the value of the whole."""
        import numpy as np

        whole = np.empty(self.shape, dtype or self.dtype.as_numpy_dtype)
        for part, piece in self.pieces(whole):
            piece[...] = value_of(part)
        return whole


def united(variables: Iterable[Any]) -> list[Any]:
    """Return variables with the parts of one replaced by their whole.

    Args:
      variables: Variables, parts of variables, and what ``get_variable`` returns with a
        partitioner, or a list of parts.

    Raises:
      TargetError: If a part is missing.

    Example:
      >>> import tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default():
      ...     halves = v1.fixed_size_partitioner(2)
      ...     whole = v1.get_variable("w", [4, 3], partitioner=halves)
      ...     [(each.name, each.shape) for each in united([*whole])]
      [('w', (4, 3))]
    """
    groups: dict[object, list[Any]] = {}
    for variable in _flat(variables):
        part = slice_of(variable)
        place = id(variable) if part is None else part.full_name
        groups.setdefault(place, []).append(variable)
    return [
        group[0] if slice_of(group[0]) is None else Parts(group)
        for group in groups.values()
    ]


def _flat(variables: Iterable[Any]) -> Iterator[Any]:
    for each in variables:
        parts = parts_of(each)
        yield from parts or [each]


def parts_of(candidate: Any) -> Sequence[Any]:
    """Return the parts that a list or a ``PartitionedVariable`` has; none of others."""
    if slice_of(candidate) is not None or isinstance(candidate, str | Parts):
        return []
    if isinstance(candidate, list | tuple) or type(candidate).__name__ == (
        "PartitionedVariable"
    ):
        parts = list(candidate)
        if parts and all(is_variable(p) and slice_of(p) is not None for p in parts):
            # A list may have a variable and its slots, as that of all in a graph has.
            names = {slice_of(part).full_name for part in parts}
            return parts if len(names) == 1 else []
    return []


def _size(shape: Iterable[int]) -> int:
    size = 1
    for length in shape:
        size *= int(length)
    return size
