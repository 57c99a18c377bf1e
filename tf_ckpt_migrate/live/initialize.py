"""``tf.compat.v1.train.init_from_checkpoint``, in a graph and in eager mode."""

from __future__ import annotations

import os
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.by_names import plan_by_rules
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError, capped, nearest
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import goal_by_names, names_of
from tf_ckpt_migrate.live.graph_views import (
    averaged_view,
    kept_for_graph,
    named_view,
    naming_paths,
    needs_names,
)
from tf_ckpt_migrate.live.private import slice_of, stored_variables
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import is_variable
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import RULES, Bind, Drop, Rule, Split
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import parse_partition
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Ruled",
    "init_from_checkpoint",
    "initialize_eagerly",
    "optimizer_pairs",
    "ruled",
    "saved_name",
    "shapes_in_graph",
]


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
    reader = as_reader(path)
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


_Pairs = list[tuple[str, Any]]


class Ruled(NamedTuple):
    """What rules mean in a graph.

    Attributes:
      reader: Of the checkpoint.
      plan: From its tensors to names of variables.
      goals: The variables by these names, as TensorFlow takes them.
    """

    reader: CheckpointReader
    plan: MigrationPlan
    goals: Mapping[str, Any]

    @property
    def pairs(self) -> _Pairs | None:
        """Pairs in TensorFlow's syntax; None if they cannot say it."""
        if not all(move.is_plain for move in self.plan.moves):
            return None
        return [(move.sources[0], self.goals[move.target]) for move in self.plan.moves]


def optimizer_pairs(pairs: Iterable[tuple[Any, Any]], names: Collection[str]) -> _Pairs:
    """Return pairs for the state of optimizers that scopes miss in the original.

    It looks only at what ``get_variable`` made, where beta powers are not, and takes
    the slots of parts for the parts themselves.

    Args:
      pairs: In TensorFlow's syntaxes.
      names: Of the tensors in the checkpoint, a set.
    """
    stored = stored_variables()
    found: _Pairs = []
    for source, goal in pairs:
        if not (isinstance(goal, str) and goal.endswith("/")):
            continue
        scope = "" if goal == "/" else goal
        start = "" if source == "/" else source
        for name, parts in _graph_variables().items():
            tensor = start + name.removeprefix(scope)
            if (
                name.startswith(scope)
                and tensor in names
                and role_of(tensor, names) in ("optimizer", "slot")
                and not all(_is_reached(part, stored) for part in parts)
            ):
                found.append((tensor, _goal(parts)))
    return found


def ruled(path: str | os.PathLike[str], rules: Sequence[Rule]) -> Ruled:
    """Return what rules mean for the variables of the graph.

    Raises:
      PlanError: If a rule leads to no variable, or to one of another dtype or shape.
      CheckpointError: If the checkpoint cannot be read.
    """
    variables = _graph_variables()
    names = {id(each): name for name, parts in variables.items() for each in parts}
    named = AssignmentMap(rules).with_names(lambda parts: _names_of(parts, names))
    reader = as_reader(path)
    places = {name: _spec(parts) for name, parts in variables.items()}
    plan = plan_by_rules(reader, places, named)
    goals = {move.target: _goal(variables[move.target]) for move in plan.moves}
    return Ruled(reader, plan, goals)


def saved_name(variable: Any) -> str:
    """Return the name under which a graph's variable is saved: of a part, the whole's.

    Example:
      >>> import tensorflow as tf
      >>> saved_name(tf.Variable(1.0, name="w"))
      'w'
    """
    part = slice_of(variable)
    return part.full_name if part is not None else variable.name.partition(":")[0]


def shapes_in_graph() -> dict[str, tuple[int, ...]]:
    """Return the shape of each variable of the graph, of a partitioned one whole."""
    return {name: _spec(parts).shape for name, parts in _graph_variables().items()}


def _graph_variables() -> Mapping[str, list[Any]]:
    """Return the variables of the graph, the parts of one together."""
    found: dict[str, list[Any]] = {}
    for variable in tensorflow().compat.v1.global_variables():
        found.setdefault(saved_name(variable), []).append(variable)
    return found


def _is_reached(variable: Any, stored: Mapping[str, Any]) -> bool:
    name = variable.name.partition(":")[0]
    if stored.get(name) is not variable:
        return False
    return "/part_" not in name or parse_partition(name) is not None


def _names_of(parts: Sequence[Any], names: Mapping[int, str]) -> str | list[str]:
    try:
        found = list(dict.fromkeys(names[id(each)] for each in parts))
    except KeyError:
        raise TargetError(f"a variable of {parts!r} is not in this graph") from None
    return found[0] if len(found) == 1 else found


def _goal(parts: list[Any]) -> Any:
    return parts if slice_of(parts[0]) is not None else parts[0]


def _spec(parts: Sequence[Any]) -> TensorSpec:
    part = slice_of(parts[0])
    shape = parts[0].shape if part is None else part.full_shape
    dtype = DType(parts[0].dtype.base_dtype.as_datatype_enum)
    return TensorSpec(dtype, tuple(map(int, shape)))


class _Entries(NamedTuple):
    """An assignment map: pairs in TensorFlow's syntaxes, and rules of ours."""

    pairs: list[tuple[Any, Any]]
    rules: list[Rule]


def init_from_checkpoint(
    ckpt_dir_or_file: str | os.PathLike[str],
    assignment_map: AssignmentMapLike,
    target: object = None,
    *,
    averages: Literal["raw", "average"] | None = None,
) -> None:
    """Initialize variables from a checkpoint: TensorFlow's function, in eager mode too.

    In a graph this is ``tf.compat.v1.train.init_from_checkpoint``, whose values come
    when the initializers run, and does more:

    - a map may have rules such as ``RenameRegex`` beside TensorFlow's syntaxes, and a
      list of variables or names for one source (a list of the parts of one variable
      means that variable, as in TensorFlow);
    - values may be transformed by rules;
    - tensors of an object-based checkpoint go by the names of variables that it holds,
      by the paths of their objects, or by its keys. Initializers then read through a
      temporary index that lasts as long as the graph, as do transformed values; a
      device on another machine could not read it;
    - a scope also brings the beta powers of optimizers and the slots of partitioned
      variables, which the original leaves at their initial values without a word.

    In eager mode, which knows no variables by name, give ``target``, unless the map has
    variables only. Then it is `restore` for the variables that the map names, at once:
    all of them, or an error and none.

    Args:
      ckpt_dir_or_file: A model directory or the prefix of a checkpoint.
      assignment_map: From names and scopes in the checkpoint to names, scopes and
        variables of the model: a mapping, or a list of pairs and rules.
      target: In eager mode, the object whose variables have the names of the map, as
        for `restore`. None takes those of ``tf.compat.v1.get_variable``, if any.
      averages: With ``"average"`` variables get their moving averages, or their own
        values where there are none, and the map may be that of TF1's
        ``variables_to_restore()``; with ``"raw"`` averages are not looked at. None
        takes tensors by their names.

    Raises:
      ValueError: If a variable, a tensor or a scope is missing, or shapes differ; in
        eager mode as a `PlanError`, `RuleError` or `TargetError`.
      CheckpointError: If in eager mode the checkpoint cannot be read.
      TensorFlowNotFoundError: If TensorFlow is not installed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> model = {"new/w": tf.Variable([0, 0], dtype=tf.int64)}
      >>> with example_checkpoint({"old/w": [1, 2], "old/b": [3]}) as prefix:
      ...     init_from_checkpoint(prefix, {"old/": "new/"}, target=model)
      >>> model["new/w"].numpy().tolist()
      [1, 2]
    """
    tf = tensorflow()
    entries = _entries(assignment_map)
    if averages is not None:
        view = averaged_view(as_reader(ckpt_dir_or_file), averages)
        if tf.executing_eagerly():
            with view:
                initialize_eagerly(view.prefix, entries.pairs, entries.rules, target)
            return
        ckpt_dir_or_file = kept_for_graph(view)
    if not tf.executing_eagerly():
        _initialize_in_graph(ckpt_dir_or_file, entries)
    elif (
        target is None
        and not entries.rules
        and _is_for_the_original(entries.pairs)
        and needs_names(ckpt_dir_or_file, (key for key, _ in entries.pairs)) is None
    ):
        tf.compat.v1.train.init_from_checkpoint(ckpt_dir_or_file, entries.pairs)
    else:
        initialize_eagerly(ckpt_dir_or_file, entries.pairs, entries.rules, target)


def _initialize_in_graph(path: str | os.PathLike[str], entries: _Entries) -> None:
    tf = tensorflow()
    original = tf.compat.v1.train.init_from_checkpoint
    # Opened by TensorFlow first: what is wrong with the path is said as ever.
    names = set(tf.train.load_checkpoint(path).get_variable_to_shape_map())
    by_rules = ruled(path, entries.rules) if entries.rules else None
    pairs = [each for pair in entries.pairs for each in _single(pair)]
    named = needs_names(path, (source for source, _ in pairs))
    place: str | os.PathLike[str] = path
    if named is not None:
        place, names = (
            kept_for_graph(named_view(named)),
            set(catalog_of(named).all_names),
        )
    pairs += optimizer_pairs(entries.pairs, names)
    with naming_paths(os.fspath(place), path):
        original(place, pairs)
    if by_rules is None:
        return
    if by_rules.pairs is not None:  # the keys of the checkpoint, of whatever kind
        original(path, by_rules.pairs)
        return
    reader, plan, goals = by_rules
    scratch = scratch_checkpoint(plan, reader, object_graph=False)
    original(kept_for_graph(scratch), list(goals.items()))


def _entries(assignment_map: AssignmentMapLike) -> _Entries:
    listed: Iterable[Any] = ()
    if isinstance(assignment_map, Mapping):
        listed = cast(Mapping[Any, Any], assignment_map).items()
    elif isinstance(assignment_map, str) or not isinstance(assignment_map, Iterable):
        listed = AssignmentMap(assignment_map)
    else:
        listed = assignment_map
    pairs: list[tuple[Any, Any]] = []
    rules: list[Rule] = []
    for entry in listed:
        if isinstance(entry, Bind):
            parts = entry.targets
            pairs.append((entry.source, parts[0] if len(parts) == 1 else list(parts)))
        elif isinstance(entry, RULES):
            rules.append(entry)
        else:
            source, goal = entry
            pairs.append((source, goal))
    return _Entries(pairs, rules)


def _single(pair: tuple[Any, Any]) -> list[tuple[Any, Any]]:
    """Return a pair for each target, where these are not the parts of one variable."""
    source, goal = pair
    if not isinstance(goal, list | tuple) or _are_parts(goal):
        return [(source, list(goal) if isinstance(goal, tuple) else goal)]
    return [(source, each) for each in goal]


def _are_parts(variables: Sequence[Any]) -> bool:
    return all(slice_of(each) is not None for each in variables)


def _is_for_the_original(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Return whether TensorFlow's function does in eager mode what these ask for."""
    return all(
        bool(goal) and _are_parts(goal)
        if isinstance(goal, list)
        else isinstance(goal, tensorflow().Variable)
        for _, goal in pairs
    )
