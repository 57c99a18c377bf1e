"""What ``init_from_checkpoint`` is given in a graph beside the caller's own pairs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.by_names import plan_by_rules
from tf_ckpt_migrate.conversion.planning import opened
from tf_ckpt_migrate.errors import TargetError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import slice_of, stored_variables
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Rule
from tf_ckpt_migrate.naming.keys import parse_partition
from tf_ckpt_migrate.naming.slots import role_of

__all__ = ["Ruled", "optimizer_pairs", "ruled", "saved_name", "shapes_in_graph"]

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
    reader = opened(path)
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
