"""``tf.compat.v1.train.init_from_checkpoint``, in a graph and in eager mode."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from tf_ckpt_migrate.conversion.planning import opened
from tf_ckpt_migrate.conversion.scratch import scratch_checkpoint
from tf_ckpt_migrate.live.eager_initialize import initialize_eagerly
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.graph_pairs import optimizer_pairs, ruled
from tf_ckpt_migrate.live.graph_views import (
    averaged_view,
    kept_for_graph,
    named_view,
    naming_paths,
    needs_names,
)
from tf_ckpt_migrate.live.private import slice_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.rules import RULES, Bind, Rule
from tf_ckpt_migrate.naming.catalog import catalog_of

__all__ = ["init_from_checkpoint"]


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
        view = averaged_view(opened(ckpt_dir_or_file), averages)
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
