"""The assignment map of a plan: rules that spell out each of its moves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Keep, Rename, Rule, Split
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["assignment_map_of"]


def assignment_map_of(plan: MigrationPlan) -> AssignmentMap:
    """Return rules that make the moves of a plan and drop what it drops.

    Raises:
      RuleError: If the plan translates the state of an optimizer.
    """
    if plan.verdicts:
        names = ", ".join(repr(each.what) for each in plan.verdicts[:3])
        raise RuleError(
            f"this plan translates the state of an optimizer ({names}), which rules "
            "for single tensors cannot do. To write weights and optimizer for TF1, "
            "call tcm.save_like(tf1_checkpoint, target, assignment_map, "
            "output_prefix=…). To write the weights alone, make the plan without the "
            "recipe for the optimizer, and drop what belongs to the optimizer"
        )
    groups: dict[tuple[str, ...], list[Move]] = defaultdict(list)
    for move in plan.moves:
        groups[move.sources].append(move)
    rules = [_rule(sources, moves) for sources, moves in groups.items()]
    # Each checkpoint has its own counter of saves, which no rule is about.
    drops = [
        Drop(key, reason=reason)
        for key, reason in plan.dropped
        if key != SAVE_COUNTER_KEY
    ]
    return AssignmentMap([*rules, *drops], plan.notes)


def _rule(sources: tuple[str, ...], moves: list[Move]) -> Rule:
    """Return the rule for all moves from the same sources."""
    targets = {move.target: move.transform for move in moves}
    if len(sources) > 1:
        made = {name: how for name, how in targets.items() if how is not None}
        return Combine(sources, made)
    if len(moves) > 1:
        return Split(moves[0].sources[0], targets)
    (move,) = moves
    if move.is_kept:
        return Keep(move.target)
    return Rename(move.sources[0], move.target, move.transform)
