"""The way back: a plan from what another one makes to what it was made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import PlanError, TransformError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.transforms import (
    Chain,
    Concat,
    Join,
    Reassemble,
    Scale,
    Slice,
    Transform,
    only_moves,
)

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["rejoined", "reversed_plan"]


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


def reversed_plan(plan: MigrationPlan) -> MigrationPlan:
    """Return the plan that undoes ``plan``.

    A source with several targets comes back from the first that still tells its value,
    or from the slices that it was cut into; what is not needed for that is dropped, and
    a note says so, as copies may have parted since. The reverse names no source: the
    plan does not know which checkpoint it was used to write.

    Raises:
      PlanError: If a source cannot be made of its targets.
    """
    users: dict[str, list[Move]] = defaultdict(list)
    for move in plan.moves:
        for key in move.sources:
            users[key].append(move)
    moves: list[Move] = []
    lost: list[str] = []
    for key, found in users.items():
        way = _way_back(key, found, plan)
        if way is None:
            lost.append(f"{key!r}, of which it makes {'; '.join(map(str, found))}")
        else:
            moves.append(way)
    if lost:
        raise PlanError(
            "the plan cannot be reversed; these sources cannot be made of what they "
            "become:\n  " + "\n  ".join(capped(lost)),
            as_findings("lost", lost),
        )
    return _closed(plan, moves, users)


def _closed(
    plan: MigrationPlan, moves: Sequence[Move], users: Mapping[str, Sequence[Move]]
) -> MigrationPlan:
    """Return the reverse of ``plan`` with ``moves``, all else accounted for."""
    used = {key for move in moves for key in move.sources}
    made = {move.target: move.spec for move in plan.moves}
    dropped = [Dropped(key, "the others suffice") for key in made if key not in used]
    dropped += [Dropped(kept.name, kept.reason) for kept in plan.kept_targets]
    specs = plan.source_specs
    return replace(
        plan,
        source="",  # what was written, which is neither the target nor known here
        target=plan.source,
        source_specs=made | {kept.name: kept.spec for kept in plan.kept_targets},
        moves=tuple(moves),
        dropped=tuple(dropped),
        kept_targets=tuple(
            KeptTarget(key, specs[key], why) for key, why in plan.dropped
        ),
        notes=(*_notes(plan), *_copies_left(moves, users)),
    )


def _copies_left(
    moves: Sequence[Move], users: Mapping[str, Sequence[Move]]
) -> Iterator[str]:
    """Tell which tensors are left behind because another had the same value."""
    used = {key for move in moves for key in move.sources}
    left = [
        f"{other.target!r} for {move.sources[0]!r}"
        for move in moves
        for other in users[move.target]
        if other.target not in used
    ]
    if left:
        yield (
            "several were made of one, which comes back from one of them; whether the "
            f"others have changed since is not looked at: {', '.join(capped(left, 3))}"
        )


def _way_back(key: str, users: Sequence[Move], plan: MigrationPlan) -> Move | None:
    """Return the move that makes ``key`` of what ``users`` made of it."""
    spec = plan.source_specs[key]
    for move in users:
        if move.transform is None:
            return Move((move.target,), key, None, spec)
    for move in users:
        specs = [plan.source_specs[source] for source in move.sources]
        inverses = move.transform and move.transform.inverses(*specs)
        if inverses:
            inverse = inverses[move.sources.index(key)]
            return Move((move.target,), key, inverse, spec)
    return rejoined(key, users, spec) or _reassembled(key, users, plan)


def _reassembled(key: str, users: Sequence[Move], plan: MigrationPlan) -> Move | None:
    """Return the move that collects what has gone to several targets, if all has.

    A number by which all of it was multiplied there is divided by in the end.
    """
    sources = users[0].sources
    parted = [_parted(move.transform) for move in users]
    ways, tails = [way for way, _ in parted if way], {tail for _, tail in parted}
    alike = all(move.sources == sources for move in users) and len(tails) == 1
    if not alike or not all(map(only_moves, ways)) or len(ways) < len(users):
        return None
    shapes = tuple(plan.source_specs[source].shape for source in sources)
    try:
        how: Transform = Reassemble(tuple(ways), shapes, sources.index(key))
    except TransformError:  # a part of it has gone nowhere, or twice
        return None
    spec = plan.source_specs[key]
    undone = [tail.inverse(spec) for tail in tails if tail is not None]
    if undone:
        how = Chain((how, *undone))
    return Move(tuple(move.target for move in users), key, how, spec)


def _parted(transform: Transform | None) -> tuple[Transform | None, Scale | None]:
    """Return a transform without the number that it multiplies by in the end."""
    if not isinstance(transform, Chain):
        return transform, None
    *links, tail = transform.transforms
    if not links or not isinstance(tail, Scale):
        return transform, None
    return Chain(tuple(links)), tail


def _notes(plan: MigrationPlan) -> Iterator[str]:
    if plan.dropped:
        keys = ", ".join(capped([repr(key) for key, _ in plan.dropped], 3))
        yield (
            f"what was dropped on the way there ({len(plan.dropped):,}) does not come "
            f"back: {keys}"
        )
    if plan.kept_targets:
        names = ", ".join(capped([repr(kept.name) for kept in plan.kept_targets], 3))
        yield (
            f"what was not written on the way there ({len(plan.kept_targets):,}) is "
            f"dropped on the way back: {names}"
        )
