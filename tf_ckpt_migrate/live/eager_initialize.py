"""``init_from_checkpoint`` without a graph: what it names, restored at once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError, capped, nearest
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.goals import goal_by_names, names_of
from tf_ckpt_migrate.live.private import stored_variables
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import is_variable
from tf_ckpt_migrate.names.rules import Drop, Rule, Split
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.transforms import Transform

__all__ = ["initialize_eagerly"]

_HINTED = 5


def initialize_eagerly(
    path: CheckpointLike,
    pairs: Sequence[tuple[Any, Any]],
    rules: Sequence[Rule],
    target: object,
    changes: Sequence[tuple[Any, Transform]] = (),
) -> None:
    """Restore the variables that pairs and rules name.

    Args:
      path: Of the checkpoint.
      pairs: In TensorFlow's syntaxes. As there, every variable of a scope needs its
        tensor, and a later pair, by the name of its source, replaces an earlier one.
      rules: Of ours; what one moves must have a variable.
      target: What has the variables, or None.
      changes: Variables, and what is done to the value that each gets.

    Raises:
      PlanError: If a tensor or variable is missing, or its dtype or shape differs.
      TargetError: If nothing tells which variables there are.
    """
    reader = opened(path)
    live = LiveTarget(_known_variables(pairs) if target is None else target)
    live.check_built()
    keys = catalog_of(reader).all_names
    wanted: dict[str, str] = {}
    for source, goal in sorted(pairs, key=lambda pair: pair[0]):
        wanted.update(_expanded(source, goal, live, keys))
    wanted = {name: keys.get(source, source) for name, source in wanted.items()}
    _check_sources(wanted, reader)
    goals: dict[str, list[str]] = {}
    for name, source in wanted.items():
        goals.setdefault(source, []).append(name)
    rest = Drop("/", reason="the map does not name it")
    splits = [Split(source, targets) for source, targets in goals.items()]
    transforms = {_name(variable, live): how for variable, how in changes}
    every = [*splits, *rules, rest]
    restore(reader, live, every, transforms=transforms, missing="keep")


def _known_variables(pairs: Iterable[tuple[Any, Any]]) -> object:
    """Return the variables that can be known without a target.

    Raises:
      TargetError: If there are none.
    """
    stored = stored_variables()
    if stored:
        return stored
    goals = [_listed(goal) for _, goal in pairs]
    variables = [each for goal in goals for each in goal]
    if not variables or not all(map(is_variable, variables)):
        raise TargetError(
            "in eager mode nothing knows variables by their names: give their owner, "
            "init_from_checkpoint(path, assignment_map, target=model), or variables in "
            "place of names"
        )
    return {str(number): each for number, each in enumerate(variables)}


def _expanded(
    source: str, goal: object, live: LiveTarget, sources: Container[str]
) -> dict[str, str]:
    """Return the source of each variable that one pair names.

    A scope is one of variable names or, where no name is in it, of object paths.
    """
    if not isinstance(goal, str) or not goal.endswith("/"):
        listed = _listed(goal)
        return {_name(each, live): source for each in listed}
    if not source.endswith("/"):
        raise RuleError(
            f"{source!r}: {goal!r} assigns a tensor to a scope; write "
            f"{source + '/'!r}: {goal!r} for every tensor of a scope"
        )
    scope, start = (("" if side == "/" else side) for side in (goal, source))
    variables = goal_by_names(live)
    names = variables.layout.specs
    found = {
        name: start + name.removeprefix(scope)
        for name in names
        if name.startswith(scope)
    }
    for path, name in () if found else variables.catalog.aliases.items():
        if path.startswith(scope) and not is_object_key(path):
            other = start + path.removeprefix(scope)
            if other in sources or name not in found:  # the variable has other paths
                found[name] = other
    if not found:
        near = nearest(goal, {f"{name.rpartition('/')[0]}/" for name in names})
        hint = f"; the nearest scopes are {', '.join(map(repr, near))}" if near else ""
        raise PlanError(f"{live.prefix} has no variables in scope {goal!r}{hint}")
    return found


def _listed(goal: object) -> Sequence[Any]:
    return goal if isinstance(goal, list | tuple) else [goal]


def _name(goal: Any, live: LiveTarget) -> str:
    if isinstance(goal, str):
        return goal
    try:
        return names_of(live)[live.keys_of([goal])[0]]
    except KeyError:
        raise TargetError(f"{goal!r} is no variable of {live.prefix}") from None


def _check_sources(wanted: dict[str, str], reader: CheckpointReader) -> None:
    missing = [(name, key) for name, key in wanted.items() if key not in reader]
    if not missing:
        return
    problems = [
        f"variable {name!r} would get {key!r}, which is not there"
        for name, key in missing
    ]
    hints = [
        f"{key!r}: nearest are {', '.join(map(repr, near))}"
        for _, key in missing[:_HINTED]
        if (near := nearest(key, reader))
    ]
    raise PlanError(
        f"{reader.prefix!r} lacks tensors that the map needs:\n  "
        + "\n  ".join([*capped(problems), *hints]),
        as_findings("missing", problems),
    )
