"""What ``init_from_checkpoint`` is given in a graph beside the caller's own pairs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.conversion.layout import layout_of
from tf_ckpt_migrate.conversion.planning import opened
from tf_ckpt_migrate.errors import RuleError, TargetError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.private import slice_of, stored_variables
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.keys import parse_partition
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.names.rules import Drop, Rule
from tf_ckpt_migrate.names.slots import role_of

__all__ = ["optimizer_pairs", "pairs_of_rules", "saved_name"]

_Pairs = list[tuple[str, Any]]


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


def pairs_of_rules(path: str | os.PathLike[str], rules: Sequence[Rule]) -> _Pairs:
    """Return the pairs that rules mean for the variables of the graph.

    Raises:
      PlanError: If a rule leads to no variable, or to one of another dtype or shape.
      RuleError: If a rule transforms values, which a graph does not do.
    """
    variables = _graph_variables()
    names = {id(each): name for name, parts in variables.items() for each in parts}
    named = AssignmentMap(rules).with_names(lambda parts: _names_of(parts, names))
    found = resolve(
        [*named, Drop(pattern="(?s:.*)", reason="no rule names it")],
        layout_of(opened(path)).specs,
        {name: _spec(parts) for name, parts in variables.items()},
        unmet="keep",
    )
    changed = [move for move in found.moves if move.transform is not None]
    if changed:
        raise RuleError(
            f"{changed[0]} changes values, which init_from_checkpoint does not do in a "
            "graph; use it in eager mode, or convert the checkpoint first"
        )
    return [(move.sources[0], _goal(variables[move.target])) for move in found.moves]


def saved_name(variable: Any) -> str:
    """Return the name under which a graph's variable is saved: of a part, the whole's.

    Example:
      >>> import tensorflow as tf
      >>> saved_name(tf.Variable(1.0, name="w"))
      'w'
    """
    part = slice_of(variable)
    return part.full_name if part is not None else variable.name.partition(":")[0]


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
