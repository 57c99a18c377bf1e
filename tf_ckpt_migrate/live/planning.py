"""Plans from a checkpoint to live variables: by their names, or by their keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, CheckpointReader
from tf_ckpt_migrate.conversion.layout import (
    is_object_key,
)
from tf_ckpt_migrate.conversion.planning import Goal, plan_into
from tf_ckpt_migrate.errors import PlanError, RuleError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.goals import goal_by_keys, goal_by_names
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY
from tf_ckpt_migrate.naming.slots import ROLES, role_of
from tf_ckpt_migrate.transforms import Function, Transform

__all__ = [
    "LivePlan",
    "Transforms",
    "bound",
    "check_unused",
    "goal_for",
    "goes_by_keys",
    "other_half",
    "plan_restore",
]

Transforms: TypeAlias = Mapping[str, Transform | Callable[..., Any]]


class LivePlan(NamedTuple):
    """A plan, and the variables by the names that it uses."""

    plan: MigrationPlan
    variables: Mapping[str, Any]


def plan_restore(  # noqa: PLR0913 what restore was given
    reader: CheckpointReader,
    live: LiveTarget,
    rules: AssignmentMap,
    *,
    transforms: Transforms | None = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "error",
    may_stay: Mapping[str, str] = MappingProxyType({}),
    by_identity: bool = True,
) -> LivePlan:
    """Decide what every variable gets; the arguments are those of ``restore``.

    Args:
      reader: The checkpoint.
      live: The target.
      rules: The assignment map.
      transforms: As ``restore`` takes them.
      unused: As ``restore`` takes it.
      missing: As ``restore`` takes it.
      may_stay: The keys, or names, of more variables that need no tensor, and why.
      by_identity: False to match two object-based sides by equal keys alone.

    Raises:
      PlanError: If anything is not accounted for.
      RuleError: If an argument is not well formed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> live = LiveTarget({"w": tf.Variable([0], dtype=tf.int64)})
      >>> with example_checkpoint({"w": [7]}) as prefix:
      ...     made = plan_restore(CheckpointReader(prefix), live, AssignmentMap())
      >>> print(*made.plan.moves)
      'w' -> 'w' int64[1]
    """
    by_keys = goes_by_keys(reader, live, rules)
    goal = goal_for(reader, live, rules)
    names = {key: goal.catalog.aliases.get(key, key) for key in live.variables}
    reasons = {names.get(key, key): why for key, why in may_stay.items()}
    plan = plan_into(
        goal,
        reader,
        [
            *rules,
            *other_half(reader, by_keys=by_keys),
        ],
        unused=unused,
        missing="keep"
        if missing == "keep"
        else {*_of_roles(missing, live, names), *reasons},
        transforms=_as_transforms(transforms or {}, goal),
        by_identity=by_identity,
    )
    _check_places(plan, goal)
    variables = {names[key]: variable for key, variable in live.variables.items()}
    if reasons:
        kept = (
            each._replace(reason=reasons.get(each.name, each.reason))
            for each in plan.kept_targets
        )
        plan = replace(plan, kept_targets=tuple(kept))
    return LivePlan(plan, variables)


def goal_for(reader: CheckpointReader, live: LiveTarget, rules: AssignmentMap) -> Goal:
    """Return the target by the kind of names that the checkpoint has too."""
    if goes_by_keys(reader, live, rules):
        return goal_by_keys(live)
    return goal_by_names(live)


def _of_roles(
    missing: Literal["error"] | Collection[str],
    live: LiveTarget,
    names: Mapping[str, str],
) -> set[str]:
    """Return the names of the variables that may do without a tensor.

    That are those of the roles, and bookkeeping: no TF1 checkpoint has a Keras 3 seed.

    Raises:
      RuleError: If a word is no role.
    """
    if isinstance(missing, str) and missing != "error":
        raise RuleError(f"missing must be 'error', 'keep' or roles, not {missing!r}")
    roles = {"bookkeeping", *(() if isinstance(missing, str) else missing)}
    if unknown := sorted(set(roles) - set(ROLES)):
        raise RuleError(f"missing has {unknown}; the roles are {', '.join(ROLES)}")
    known = live.specs
    return {name for key, name in names.items() if role_of(key, known) in roles}


def _as_transforms(given: Transforms, goal: Goal) -> dict[str, Transform]:
    """Return functions as transforms, whose result must fit the variable."""
    specs = goal.layout.specs
    return {
        name: each
        if isinstance(each, Transform)
        else Function(each, specs.get(goal.catalog.aliases.get(name, name)))
        for name, each in given.items()
    }


def check_unused(unused: str) -> None:
    """Check what is to become of a tensor without a variable.

    Raises:
      RuleError: If it is neither an error nor dropped.
    """
    if unused not in ("error", "drop"):
        raise RuleError(
            f"unused must be 'error' or 'drop', not {unused!r}: a tensor without "
            "a variable has nowhere to go"
        )


def bound(rules: AssignmentMap, live: LiveTarget) -> AssignmentMap:
    """Return rules with keys in place of variables that are given as objects.

    Raises:
      RuleError: If a variable is not one of the target's.

    Example:
      >>> import tensorflow as tf
      >>> w = tf.Variable(1.0)
      >>> bound(AssignmentMap({"old/w": w}), LiveTarget({"w": w}))
      AssignmentMap([Rename('old/w', 'vars/w/.ATTRIBUTES/VARIABLE_VALUE')])
    """

    def names(variables: tuple[Any, ...]) -> str | list[str]:
        try:
            keys = live.keys_of(variables)
        except KeyError:
            shown = [name_of(v) if hasattr(v, "name") else repr(v) for v in variables]
            raise RuleError(
                f"the map names {', '.join(capped(shown))} as an object, which is no "
                f"variable of the target, {live.prefix}"
            ) from None
        return keys[0] if len(keys) == 1 else keys

    return rules.with_names(names)


def goes_by_keys(
    reader: CheckpointReader, live: LiveTarget, rules: AssignmentMap
) -> bool:
    """Return whether the keys of a checkpoint count, or its names."""
    if reader.object_graph is None or live.given_names:
        return False
    if reader.format is not CheckpointFormat.DUAL_KEYED:
        return True
    if rules:  # over names, unless they fit nothing but objects
        objects = list(filter(is_object_key, reader))
        names = reader.keys() - set(objects)
        fits_names = match(rules, names).decided
        return not fits_names and bool(
            match(rules, objects, catalog_of(reader)).decided
        )
    # The counter of saves has the same key in all.
    own = live.variables.keys() - {SAVE_COUNTER_KEY}
    return any(key in reader for key in own)


def other_half(reader: CheckpointReader, *, by_keys: bool) -> list[Drop]:
    """Return rules that leave behind the keys of a dual-keyed checkpoint not used."""
    if reader.format is not CheckpointFormat.DUAL_KEYED:
        return []
    why = "the same variable by its " + ("name" if by_keys else "object-based key")
    return [
        Drop(source=key, reason=why)
        for key in reader
        if is_object_key(key) is not by_keys and key != OBJECT_GRAPH_KEY
    ]


def _check_places(plan: MigrationPlan, goal: Goal) -> None:
    """Refuse a Keep of what the target does not have: it has nowhere to go."""
    nowhere = [m for m in plan.moves if m.target not in goal.layout.specs]
    if nowhere:
        problems = [
            f"{move.target!r} is kept, but no variable has it" for move in nowhere
        ]
        raise PlanError(
            f"{goal.prefix} has no such variables; drop what it shall not have, by "
            "Drop(…):\n  " + "\n  ".join(capped(problems)),
            as_findings("no_target", problems),
        )
