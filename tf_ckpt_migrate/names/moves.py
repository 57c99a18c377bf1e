"""What a plan consists of: tensors that move, are left behind, or stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.transforms import Partition, Transform

__all__ = ["Dropped", "KeptTarget", "Move", "plain_moves"]


class Move(NamedTuple):
    """One target tensor and what it is made of.

    Attributes:
      sources: The source keys; one, unless the transform joins several.
      target: The name it gets.
      transform: What makes the value; None passes the source's bytes on as they are.
      spec: The dtype and shape that the target has.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> print(Move(("a",), "b", None, TensorSpec(DType.int32, ())))
      'a' -> 'b' int32[]
    """

    sources: tuple[str, ...]
    target: str
    transform: Transform | None
    spec: TensorSpec

    @property
    def is_plain(self) -> bool:
        """Whether the value stays as it is, so that no byte needs to be read."""
        return self.transform is None

    @property
    def is_divided(self) -> bool:
        """Whether the value stays as it is, but is stored in other slices."""
        return isinstance(self.transform, Partition)

    @property
    def is_kept(self) -> bool:
        """Whether nothing changes, not even the name."""
        return self.transform is None and self.sources[0] == self.target

    def __str__(self) -> str:
        how = "" if self.transform is None else f" by {self.transform!r}"
        sources = " + ".join(map(repr, self.sources))
        return f"{sources} -> {self.target!r} {self.spec}{how}"


def plain_moves(
    sources: Iterable[str], targets: Sequence[str], specs: Iterable[TensorSpec]
) -> tuple[Move, ...]:
    """Return the moves of many tensors to new names, made at once.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> print(*plain_moves(["a"], ["b"], [TensorSpec(DType.int32, ())]))
      'a' -> 'b' int32[]
    """
    new = partial(tuple[Any, ...].__new__, Move)  # what Move() calls in the end
    one_each = zip(sources, strict=True)
    rows = zip(one_each, targets, repeat(None, len(targets)), specs, strict=True)
    return tuple(map(new, rows))


class Dropped(NamedTuple):
    """A source key that is left behind, and why."""

    key: str
    reason: str


class KeptTarget(NamedTuple):
    """A target that keeps the value it has, and why."""

    name: str
    spec: TensorSpec
    reason: str
