"""Plans from checkpoint to checkpoint: all accounted for before a byte moves."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Container, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, cast

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    Layout,
    is_object_key,
    layout_of,
    own_names_of,
)
from tf_ckpt_migrate.conversion.live_objects import is_view, plan_for_objects
from tf_ckpt_migrate.conversion.optimizers.rules import with_optimizers
from tf_ckpt_migrate.conversion.partitions import with_layouts
from tf_ckpt_migrate.conversion.rekey import same_bytes
from tf_ckpt_migrate.errors import RuleError, TargetError
from tf_ckpt_migrate.names.assignment_map import (
    AssignmentMap,
    AssignmentMapLike,
    is_like_rules,
)
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import (
    Missing,
    Resolution,
    Unused,
    check_choices,
    resolve,
)
from tf_ckpt_migrate.names.rules import Drop, Keep, RenameRegex, RenameScope, Rule
from tf_ckpt_migrate.naming.catalog import TensorCatalog, catalog_of
from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Averages",
    "Goal",
    "goal_of",
    "plan_into",
    "plan_like",
    "plan_migration",
    "untouched_by",
]

Averages: TypeAlias = Literal["raw", "average", "both"]


class Goal(NamedTuple):
    """What a plan is to fill.

    Attributes:
      prefix: What to call it.
      layout: Its tensors.
      catalog: Every name of its tensors.
      doubles: Names of a dual-keyed target, each with the object-based key of the same
        bytes.
      own_names: By key, the names that variables have in a name-based checkpoint.
      closed: Whether it takes nothing but its own tensors, as what is no file.
    """

    prefix: str
    layout: Layout
    catalog: TensorCatalog
    doubles: Mapping[str, str] = MappingProxyType({})
    own_names: Mapping[str, str] = MappingProxyType({})
    closed: bool = False


def goal_of(target: CheckpointLike | CheckpointView) -> Goal:
    """Return a checkpoint, or what is seen as one, as what a plan is to fill.

    Raises:
      CheckpointError: If there is none, or it cannot be read.
    """
    view = as_reader(target) if isinstance(target, str | os.PathLike) else target
    layout = layout_of(view)
    return Goal(
        view.prefix,
        layout,
        catalog_of(view),
        _doubles(view, layout),
        own_names_of(view, layout.tensors),
    )


def _doubles(view: CheckpointView, layout: Layout) -> Mapping[str, str]:
    names = [key for key in layout.tensors if not is_object_key(key)]
    if view.object_graph is None or view.bundle is None or not names:
        return {}
    keys = filter(is_object_key, layout.tensors)
    return same_bytes(view.bundle.index, names, keys)


@without_collections
def plan_migration(  # noqa: PLR0913 one call for all, its options by keyword
    source: CheckpointLike,
    target: object = None,
    assignment_map: AssignmentMapLike | None = None,
    *,
    unused: Unused = "error",
    missing: Missing | Collection[str] = "error",
    averages: Averages | None = None,
) -> MigrationPlan:
    """Decide what becomes of every tensor of a checkpoint.

    With the objects of a program as the target this is the dry run of ``restore``: the
    plan that it would carry out, or its error, and no variable is assigned.

    Bookkeeping (the counter of saves, serialized configurations) needs no rule: without
    a target it stays, with one the target's own is kept. The object graph is no tensor
    of the plan: executing the plan makes the one that fits.

    Args:
      source: The checkpoint to take from.
      target: A checkpoint whose keys the result is to have; or what ``restore`` takes:
        a Keras model, a ``tf.Module``, a ``tf.train.Checkpoint``, or variables in a
        list or dict, for which TensorFlow is imported; None for any keys.
      assignment_map: Rules from source keys to target keys, or to other names of the
        target's variables. Without a target, None keeps every key.
      unused: What becomes of a source key without a place: ``"error"``, ``"keep"``
        it under its name, or ``"drop"`` it.
      missing: What becomes of a target key without a source: ``"error"``, or ``"keep"``
        the target's value; for the objects of a program also roles, as for ``restore``.
      averages: What variables get whose moving averages are there: ``"average"``,
        ``"raw"`` (their own values) or ``"both"``; None leaves it to the map. See
        ``docs/recipes.md``.

    Returns:
      The plan, for ``convert``; with objects as the target, to look at or to pass to
      ``restore`` as its assignment map.

    Raises:
      PlanError: If anything is not accounted for; its ``problems`` list every finding.
      TargetError: If ``target`` is an object that ``restore`` does not take.
      CheckpointError: If a checkpoint cannot be read.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"bert/w": [1.0], "step": 7}) as source:
      ...     plan = plan_migration(source, None, {"bert/": "encoder/", "step": "step"})
      >>> plan.summary
      '2 keys: 1 renamed, 1 kept, 0 dropped, 0 unused, 0 collisions'
    """
    reader = as_reader(source)
    rules = AssignmentMap(assignment_map)
    if isinstance(target, str | os.PathLike):
        target = as_reader(cast("str | os.PathLike[str]", target))
    if is_like_rules(target):
        raise TargetError(
            f"the target is an assignment map ({target!r}); pass the map after the "
            "target, as in plan_migration(source, target, assignment_map), or "
            "plan_migration(source, None, assignment_map) for any target keys"
        )
    if target is not None and not is_view(target):
        options = {"unused": unused, "missing": missing, "averages": averages}
        return plan_for_objects(reader, target, rules, **options)
    rules = rules.with_averages(averages)
    check_choices(rules, reader.specs, catalog_of(reader))
    if not isinstance(missing, str):
        raise RuleError(
            f"missing={missing!r}: roles are for a target of live objects; for a "
            "checkpoint pass 'error' or 'keep'"
        )
    if target is not None:
        return plan_like(target, reader, rules, unused, cast("Missing", missing))
    own = layout_of(reader)
    specs = own.everything
    aside = _not_asked_for(rules, own.bookkeeping) | untouched_by(rules, own.carried)
    word: Unused = "keep" if assignment_map is None else unused
    found = resolve(
        rules, _without(specs, aside), unused=word, sources=catalog_of(reader)
    )
    kept = (Move((key,), key, None, spec) for key, spec in aside.items())
    moves = (*with_layouts(reader, found.moves), *kept)
    return MigrationPlan(
        reader.prefix, "", specs, moves, found.dropped, notes=found.notes
    )


def plan_like(
    view: CheckpointView,
    reader: CheckpointReader,
    rules: AssignmentMap,
    unused: Unused,
    missing: Missing,
) -> MigrationPlan:
    """Decide what becomes of every tensor of a checkpoint, given one to be like.

    Raises:
      PlanError: If anything is not accounted for.
    """
    goal = goal_of(view)

    def weights(others: AssignmentMap) -> tuple[Move, ...]:
        return plan_into(goal, reader, others, unused="drop", missing="keep").moves

    made = with_optimizers(reader, view, rules, weights)
    kept = {*made.may_stay, *rules.kept_targets}
    may_stay = missing if missing == "keep" or not kept else kept
    plan = plan_into(goal, reader, made.rules, unused=unused, missing=may_stay)
    return made.told_in(plan)


def plan_into(  # noqa: PLR0913 what is planned, by keyword
    goal: Goal,
    reader: CheckpointReader,
    assignment_map: AssignmentMapLike | None = None,
    *,
    unused: Unused = "error",
    missing: Missing | Collection[str] = "error",
    transforms: Mapping[str, Transform] | None = None,
    by_identity: bool = True,
) -> MigrationPlan:
    """Decide what becomes of every tensor of a checkpoint, given what is to be filled.

    The arguments are those of ``plan_migration``, and of ``resolve``; with
    ``by_identity=False`` two object-based sides are matched by equal keys alone.

    Raises:
      PlanError: If anything is not accounted for.
    """
    rules = AssignmentMap(assignment_map)
    own = layout_of(reader)
    specs, targets = own.everything, goal.layout.tensors
    carried = untouched_by(rules, own.carried)
    known = {*targets, *goal.catalog.aliases}
    aside = _not_asked_for(rules, own.bookkeeping) | _without(carried, known)
    source = _without(specs, aside)
    if missing == "error" or not isinstance(missing, str):
        missing = {*(() if isinstance(missing, str) else missing), *goal.layout.carried}
    both = _has_both_kinds(rules, source)
    doubles: Mapping[str, str] = {} if both else goal.doubles
    # In a name-based checkpoint a variable's own name comes before a path to it.
    own_names: Mapping[str, str] = {}
    if reader.object_graph is None:
        own_names = goal.own_names
    by_name = {name: key for key, name in own_names.items()}
    found = resolve(
        rules,
        source,
        _without(targets, doubles),
        unused=unused,
        missing=missing,
        aliases={**doubles, **goal.catalog.aliases, **by_name},
        own_names=own_names,
        transforms=transforms,
        closed=goal.closed,
        sources=catalog_of(reader),
        targets=goal.catalog if by_identity else None,
    )
    found = found._replace(moves=with_layouts(reader, found.moves))
    moves, kept = _doubled(found, doubles)
    dropped = (Dropped(key, "bookkeeping of the source") for key in aside)
    kept_targets = (
        KeptTarget(key, spec, "bookkeeping of the target")
        for key, spec in goal.layout.bookkeeping.items()
    )
    return MigrationPlan(
        reader.prefix,
        goal.prefix,
        specs,
        moves,
        (*found.dropped, *dropped),
        (*kept, *kept_targets),
        notes=found.notes,
    )


def _has_both_kinds(rules: Iterable[Rule], source: Iterable[str]) -> bool:
    """Return whether names and objects are taken: then each goes to its own kind."""
    left_behind = {rule.source for rule in rules if isinstance(rule, Drop)}
    return len({is_object_key(key) for key in source if key not in left_behind}) > 1


def _doubled(
    found: Resolution, doubles: Mapping[str, str]
) -> tuple[tuple[Move, ...], tuple[KeptTarget, ...]]:
    """Return moves and kept targets, those of the names of objects too."""
    moves = {move.target: move for move in found.moves}
    kept = {each.name: each for each in found.kept_targets}
    more = [
        moves[key]._replace(target=name)
        for name, key in doubles.items()
        if key in moves and name not in moves
    ]
    stay = [
        kept[key]._replace(name=name) for name, key in doubles.items() if key in kept
    ]
    return (*found.moves, *more), (*found.kept_targets, *stay)


def _without(
    specs: Mapping[str, TensorSpec], keys: Container[str]
) -> dict[str, TensorSpec]:
    return {key: spec for key, spec in specs.items() if key not in keys}


def _not_asked_for(
    rules: Iterable[Rule], bookkeeping: Mapping[str, TensorSpec]
) -> dict[str, TensorSpec]:
    """Return the bookkeeping that no rule names, by itself, by role or by pattern.

    A scope does not: it moves objects, but not the counter of saves beside them.
    """
    return {
        key: spec
        for key, spec in bookkeeping.items()
        if not any(_names(rule, key) for rule in rules)
    }


def untouched_by(
    rules: Iterable[Rule], carried: Mapping[str, TensorSpec]
) -> dict[str, TensorSpec]:
    """Return the bookkeeping that no rule names, nor has in its scope."""
    return {
        key: spec
        for key, spec in carried.items()
        if not any(_names(rule, key) or _is_in_scope(rule, key) for rule in rules)
    }


def _is_in_scope(rule: Rule, key: str) -> bool:
    scope = getattr(rule, "source", None)
    if not isinstance(rule, Drop | Keep | RenameScope) or scope is None:
        return False
    return scope in ("", "/") or (scope.endswith("/") and key.startswith(scope))


def _names(rule: Rule, key: str) -> bool:
    if isinstance(rule, Drop | Keep) and rule.role == "bookkeeping":
        return True
    pattern = rule.pattern if isinstance(rule, Drop | Keep | RenameRegex) else None
    if pattern is not None:
        return re.fullmatch(pattern, key) is not None
    return key in getattr(rule, "sources", (getattr(rule, "source", None),))
