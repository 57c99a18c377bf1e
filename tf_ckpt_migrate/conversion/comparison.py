"""Which tensors of two checkpoints belong together by a map or a plan."""

from __future__ import annotations

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.convert import check_source
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.tf2_to_tf1 import plan_tf2_to_tf1
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing, Resolution, Unused, resolve
from tf_ckpt_migrate.names.rules import Drop, Keep, Recipe, Rule
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["moves_between", "needs_target", "plan_between"]


def moves_between(
    a: CheckpointReader,
    b: CheckpointReader,
    assignment_map: AssignmentMapLike | MigrationPlan,
) -> Resolution:
    """Return which tensors of ``a`` make which tensors of ``b``, by a map or a plan.

    A tensor that no rule names is compared with the tensor of its own key.

    Raises:
      PlanError: If the plan is for another checkpoint, or the map does not fit.
    """
    if isinstance(assignment_map, MigrationPlan):
        check_source(assignment_map, a)
        plan = assignment_map
    else:
        rules = AssignmentMap(assignment_map)
        if not needs_target(a, b, rules):
            return resolve(rules, a.specs, unused="keep")
        plan = plan_between(a, b, rules, unused="keep", missing="keep")
    moves, dropped = _with_bookkeeping(plan, a, b)
    return Resolution(moves, dropped, plan.kept_targets, plan.notes)


def plan_between(
    a: CheckpointReader,
    b: CheckpointReader,
    rules: AssignmentMap,
    *,
    unused: Unused = "error",
    missing: Missing = "error",
) -> MigrationPlan:
    """Return the plan from one checkpoint to the layout of another.

    Raises:
      PlanError: If the rules do not fit.
    """
    if a.object_graph is not None and b.object_graph is None:
        return plan_tf2_to_tf1(a, rules, like=b, unused=unused, missing=missing)
    return plan_migration(a, b, rules, unused=unused, missing=missing)


def needs_target(
    a: CheckpointReader, b: CheckpointReader, rules: AssignmentMap
) -> bool:
    """Return whether the rules name variables of ``b`` and not its keys."""
    differ = (a.object_graph is None) != (b.object_graph is None)
    if any(map(_is_for_optimizer, rules)):
        return True
    return differ and not _names_keys(rules, a, b)


def _is_for_optimizer(rule: Rule) -> bool:
    return isinstance(rule, Recipe) and rule.kind == "optimizer"


def _names_keys(rules: AssignmentMap, a: CheckpointReader, b: CheckpointReader) -> bool:
    """Return whether the rules lead to keys of ``b``, so that they need no names."""
    drops = [isinstance(rule, Drop | Keep) for rule in rules]
    if any(isinstance(rule, Recipe) for rule in rules) or not all(
        won or drop for won, drop in zip(match(rules, a).won, drops, strict=True)
    ):
        return False
    found = resolve(rules, a.specs, unused="drop")
    return any(move.target in b for move in found.moves)


def _with_bookkeeping(
    plan: MigrationPlan, a: CheckpointReader, b: CheckpointReader
) -> tuple[tuple[Move, ...], tuple[Dropped, ...]]:
    """Return moves and drops, in which bookkeeping of equal keys is compared too."""
    own, dropped = layout_of(a).bookkeeping, {key for key, _ in plan.dropped}
    both = {key: spec for key, spec in own.items() if key in dropped and key in b}
    if OBJECT_GRAPH_KEY in a and OBJECT_GRAPH_KEY in b:  # not a tensor of a plan
        both[OBJECT_GRAPH_KEY] = a.specs[OBJECT_GRAPH_KEY]
    more = tuple(Move((key,), key, None, spec) for key, spec in both.items())
    left = tuple(each for each in plan.dropped if each.key not in both)
    return (*plan.moves, *more), left
