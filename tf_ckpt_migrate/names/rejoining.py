"""The way back from the pieces that a tensor was cut into.

A piece is what a chain ``before, slice, after`` makes. Pieces with one ``before`` that
lie side by side in what it makes are the whole of it: each goes back through its own
``after``, they are joined, and the whole goes back through ``before``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.transforms import Chain, Concat, Join, Slice, Transform

__all__ = ["rejoined"]

_Links = tuple[Transform, ...]


class _Piece(NamedTuple):
    """Where a piece lies in the tensor that was cut, and how it is had back."""

    begin: tuple[int, ...]
    shape: tuple[int, ...]
    back: Transform | None
    target: str


def rejoined(key: str, users: Sequence[Move], spec: TensorSpec) -> Move | None:
    """Return the move that makes ``key`` of its pieces, if they are all of it.

    Args:
      key: The tensor that was cut.
      users: What was made of it alone.
      spec: Its dtype and shape.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> whole, part = (TensorSpec(DType.float32, (n,)) for n in (4, 2))
      >>> cuts = {"a": Slice((0,), (2,)), "b": Slice((2,), (2,))}
      >>> halves = [Move(("w",), to, box, part) for to, box in cuts.items()]
      >>> print(rejoined("w", halves, whole))
      'a' + 'b' -> 'w' float32[4] by Concat(axis=0)
    """
    for before, pieces in _cuts(users, spec).items():
        middle = Chain(before).output_spec(spec) if before else spec
        undone = Chain(before).inverse(spec) if before else None
        axis = _axis_of(pieces, middle.shape)
        if axis is None or (before and undone is None):
            continue
        backs = tuple(piece.back for piece in pieces)
        joined: Transform = Join(axis, backs) if any(backs) else Concat(axis)
        whole = joined if undone is None else Chain((joined, undone))
        return Move(tuple(piece.target for piece in pieces), key, whole, spec)
    return None


def _cuts(users: Sequence[Move], spec: TensorSpec) -> dict[_Links, list[_Piece]]:
    """Return the pieces by what was done before cutting, those of one begin once."""
    found: dict[_Links, dict[tuple[int, ...], _Piece]] = defaultdict(dict)
    for move in users:
        links = tuple(_flat(move.transform)) if len(move.sources) == 1 else ()
        at = next((i for i, link in enumerate(links) if isinstance(link, Slice)), None)
        if at is None:
            continue
        before, box, after = links[:at], links[at], links[at + 1 :]
        middle = Chain(before).output_spec(spec) if before else spec
        cut = box.output_spec(middle)
        back = Chain(after).inverse(cut) if after else None
        if isinstance(box, Slice) and (not after or back is not None):
            piece = _Piece(box.begin, cut.shape, back, move.target)
            found[before].setdefault(box.begin, piece)
    return {before: sorted(pieces.values()) for before, pieces in found.items()}


def _flat(transform: Transform | None) -> Iterator[Transform]:
    if isinstance(transform, Chain):
        for link in transform.transforms:
            yield from _flat(link)
    elif transform is not None:
        yield transform


def _axis_of(pieces: Sequence[_Piece], shape: tuple[int, ...]) -> int | None:
    """Return the dimension along which the pieces, side by side, are the whole."""
    return next((a for a in range(len(shape)) if _is_whole(pieces, shape, a)), None)


def _is_whole(pieces: Sequence[_Piece], shape: tuple[int, ...], axis: int) -> bool:
    reached = 0
    for piece in pieces:
        begin, size = [0] * len(shape), list(shape)
        begin[axis], size[axis] = reached, piece.shape[axis]
        if (piece.begin, piece.shape) != (tuple(begin), tuple(size)):
            return False
        reached += piece.shape[axis]
    return reached == shape[axis]
