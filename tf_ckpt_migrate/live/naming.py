"""Names for variables that are saved by object, for those who read them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tf_ckpt_migrate.conversion.layout import (
    layout_of,
    name_of_key,
    public_names,
    without_own_names,
)
from tf_ckpt_migrate.conversion.named_moves import as_names
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan, check_targets
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.naming.catalog import RelabelledCatalog, catalog_of
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY

__all__ = ["Names", "names_to_save"]

# A variable goes without a name where a function returns None.
Names: TypeAlias = str | AssignmentMapLike | MigrationPlan | Callable[[Any], str | None]


def names_to_save(live: LiveTarget, names: Names = "full_name") -> tuple[Move, ...]:
    """Return moves from the keys of all variables, but the save counter, to names.

    Args:
      live: The objects that are saved.
      names: ``"full_name"`` takes the variables' own names (the paths of Keras 3),
        ``"key"`` the paths of the objects; a function returns the name of a variable,
        or None for one that shall have none; rules of an assignment map lead from the
        one or the other to new names, account for every variable, and may change
        values; a plan stands for its rules.

    Raises:
      PlanError: If variables have no names, or share them, or no rule fits one, or a
        plan is for other dtypes or shapes.
      RuleError: If the rules are not well formed, or a plan has no rules.
      TypeError: If a function returns anything but a name.

    Example:
      >>> import tensorflow as tf
      >>> live = LiveTarget({"w": tf.Variable(1.0, name="net/w")})
      >>> print(*names_to_save(live))
      'vars/w/.ATTRIBUTES/VARIABLE_VALUE' -> 'w' float32[]
      >>> names_to_save(live, lambda variable: variable.name.split(":")[0])[0].target
      'net/w'
    """
    variables = {k: v for k, v in live.variables.items() if k != SAVE_COUNTER_KEY}
    if not callable(names) and not isinstance(names, MigrationPlan):
        names = as_names(names)
    if not callable(names):  # sums of metrics are restored by object alone
        specs = layout_of(live).specs
        variables = {key: each for key, each in variables.items() if key in specs}
    if isinstance(names, MigrationPlan):
        moves = _ruled(live, variables, names.assignment_map)
        check_targets(names, moves)
        return moves
    if names == "full_name":
        own = {k: live.given_names.get(k) or name_of(v) for k, v in variables.items()}
        found = own
    elif names == "key":
        found = public_names(variables)
    elif callable(names):
        found = _computed(variables, names)
    else:
        return _ruled(live, variables, names)
    _check_names(found, live)
    specs = live.specs
    return tuple(Move((key,), name, None, specs[key]) for key, name in found.items())


def _computed(
    variables: Mapping[str, Any], function: Callable[[Any], str | None]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, variable in variables.items():
        name = function(variable)
        if name is None:
            continue
        if not isinstance(name, str):
            raise TypeError(
                f"the function for names returned {name!r} for {name_of_key(key)!r}; "
                "expected a name, or None for a variable that shall have none"
            )
        found[key] = name
    return found


def _ruled(
    live: LiveTarget, variables: Mapping[str, Any], rules: AssignmentMapLike
) -> tuple[Move, ...]:
    """Return moves by rules, which may use every name of a variable."""
    own = names_of(live)
    labels = {key: own[key] for key in variables}
    specs = {label: live.specs[key] for key, label in labels.items()}
    catalog = RelabelledCatalog(catalog_of(live), labels)
    moves = resolve(rules, specs, sources=catalog, options=False).moves
    keys = {label: key for key, label in labels.items()}
    return tuple(
        move._replace(sources=tuple(keys[label] for label in move.sources))
        for move in moves
    )


def _check_names(names: Mapping[str, str], live: LiveTarget) -> None:
    def shown(key: str) -> str:
        return f"{name_of_key(key)!r} {live.specs[key]}"

    nameless, shared = without_own_names(names)
    problems = [f"{shown(key)} has no name" for key in nameless]
    problems += [
        f"{name!r} would be the name of {', and of '.join(capped(map(shown, keys), 3))}"
        for name, keys in shared.items()
    ]
    if problems:
        raise PlanError(
            f"the variables of {live.prefix} cannot be saved by name; nothing was "
            "saved:\n  " + "\n  ".join(capped(problems)) + "\nName them in code, by "
            "their paths with names=\"key\", by a map such as names={'path/': 'name/'} "
            "or by a function, names=lambda variable: …",
            as_findings("name", problems),
        )
