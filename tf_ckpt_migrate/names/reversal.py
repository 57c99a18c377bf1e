"""The way back: a plan from what another one makes to what it was made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tf_ckpt_migrate.errors import PlanError, TransformError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.rejoining import rejoined
from tf_ckpt_migrate.transforms import (
    Chain,
    Reassemble,
    Scale,
    Transform,
    only_moves,
)

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["reversed_plan"]


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
