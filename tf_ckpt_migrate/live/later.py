"""Plans for a target that is not complete yet: what it gets now, and what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.misses import check_all_met
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.goals import goal_by_keys, goal_by_names, names_of
from tf_ckpt_migrate.live.planning import (
    bound,
    goes_by_keys,
    other_half,
)
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

__all__ = ["NowAndLater", "plan_now_and_later"]


class NowAndLater(NamedTuple):
    """What becomes of the tensors of a checkpoint that no rule drops.

    Attributes:
      now: Into variables that exist; the targets are their keys.
      later: The others, by the name, path or key of the variable that they wait for.
      named: All of them, by the name under which a variable is to get one.
    """

    now: tuple[Move, ...]
    later: Mapping[str, Move]
    named: Mapping[str, Move]


def plan_now_and_later(
    reader: CheckpointReader,
    live: LiveTarget,
    assignment_map: AssignmentMapLike | None = None,
) -> NowAndLater:
    """Decide what every variable gets, and what has no variable so far.

    Raises:
      PlanError: If a rule fits nothing, two tensors go to one variable, or a dtype or
        shape differs.
      RuleError: If the map is not well formed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import opened
      >>> live = LiveTarget({"w": tf.Variable([0, 0], dtype=tf.int64)})
      >>> with example_checkpoint({"w": [1, 2], "b": [3]}) as prefix:
      ...     list(plan_now_and_later(opened(prefix), live).later)
      ['b']
    """
    rules = bound(AssignmentMap(assignment_map), live)
    by_keys = goes_by_keys(reader, live, rules)
    goal = goal_by_keys(live) if by_keys else goal_by_names(live)
    names = {} if by_keys else names_of(live)
    keys = {names.get(key, key): key for key in live.variables}
    found = resolve(
        [*rules, *other_half(reader, by_keys=by_keys)],
        layout_of(reader).tensors,
        unused="keep",
        sources=catalog_of(reader) if by_keys else None,
    )
    specs = goal.layout.specs
    own = {move.target for move in found.moves if move.target in specs}

    def place_of(move: Move) -> str:
        if move.target in specs:
            return move.target
        place = goal.catalog.aliases.get(move.target, move.target)
        # The tensor of a variable's own name comes before that of a path to it.
        return move.target if move.is_kept and place in own else place

    placed = [move._replace(target=place_of(move)) for move in found.moves]
    _check_collisions(placed)
    now = [move for move in placed if move.target in specs]
    named = {move.target: move for move in placed}
    given = {move.target for move in now}
    twins = {} if by_keys else _twins(live, names, given)
    now += [
        named[name]._replace(target=place)
        for name, places in twins.items()
        if name in named
        for place in places
    ]
    check_all_met(now, {move.target: specs[move.target] for move in now}, {}, reader)
    return NowAndLater(
        tuple(move._replace(target=keys[move.target]) for move in now),
        {n: move for n, move in named.items() if n not in given and n not in twins},
        named,
    )


def _twins(
    live: LiveTarget, names: Mapping[str, str], given: Collection[str]
) -> dict[str, list[str]]:
    """Return the places of variables that share one name, by that name.

    As with the original each gets the tensor of the name, unless a map says otherwise.
    """
    found: dict[str, list[str]] = {}
    for key, variable in live.variables.items():
        own, place = name_of(variable), names[key]
        if place != own and place not in given and key != SAVE_COUNTER_KEY:
            found.setdefault(own, []).append(place)
    return found


def _check_collisions(moves: list[Move]) -> None:
    count = Counter(move.target for move in moves)
    twice = [move for move in moves if count[move.target] > 1]
    if twice:
        problems = [f"collision: {move}" for move in twice]
        raise PlanError(
            "several tensors go to one variable:\n  " + "\n  ".join(capped(problems)),
            as_findings("collision", problems),
        )
