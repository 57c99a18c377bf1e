"""Chooses, or makes, the object graph that fits the keys of an output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.graph_build import built_graph, guide_graph
from tf_ckpt_migrate.conversion.graph_rewrite import rewritten_graph
from tf_ckpt_migrate.conversion.graph_union import joined_graphs
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    guide_keys,
    guide_name,
    is_object_key,
)
from tf_ckpt_migrate.conversion.output import string_value
from tf_ckpt_migrate.conversion.save_counter import save_counter
from tf_ckpt_migrate.errors import LayoutError, capped
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.naming.keys import (
    MAX_PATH_LENGTH,
    OBJECT_GRAPH_KEY,
    SAVE_COUNTER_KEY,
    ObjectKey,
    parse_object_key,
)

__all__ = ["graph_contents"]


def graph_contents(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView | None,
    prefix: str,
) -> dict[str, Value]:
    """Return the object graph that fits the output's keys, and what else it needs.

    Args:
      plan: What the output is made by.
      reader: The source.
      like: The checkpoint that the output is to be like; its graph is taken, as it is
        unless the source has objects beyond it.
      prefix: Of the output.

    Returns:
      The graph under its key; with a new graph also the counter of saves, for which
      ``tf.train.Checkpoint.restore`` asks.

    Raises:
      LayoutError: If several tensors of one object are not renamed alike, two would be
        the value of one object, or a key is none that objects can have.
    """
    graph = reader.object_graph
    if like is not None and like.object_graph is not None:
        _check_well_formed(plan.moves, named=graph is None)
        return {OBJECT_GRAPH_KEY: _graph_like(plan, reader, like, like.object_graph)}
    targets = [move.target for move in plan.moves]
    names = [move.sources[0] for move in plan.moves]
    if graph is None and targets == guide_keys(names):
        made = guide_graph(zip(targets, names, strict=True))
        counter = {SAVE_COUNTER_KEY: save_counter(prefix)}
        return {**counter, OBJECT_GRAPH_KEY: string_value(made)}
    _check_well_formed(plan.moves, named=graph is None)
    graphs: list[bytes] = []
    known = _named_by(graph, reader)
    moves = [move for move in plan.moves if move.sources[0] not in known]
    if graph is not None and len(moves) < len(plan.moves):
        graphs.append(rewritten_graph(graph, _targets_by_source(plan)))
    keys = [key for move in moves if (key := _named_key(move))]
    added: dict[str, Value] = {}
    if not graphs and SAVE_COUNTER_KEY not in {move.target for move in moves}:
        keys.append((SAVE_COUNTER_KEY, ObjectKey(("save_counter",)), "save_counter"))
        added[SAVE_COUNTER_KEY] = save_counter(prefix)
    if keys:
        graphs.append(built_graph(keys))
    return {**added, OBJECT_GRAPH_KEY: string_value(_joined(graphs))}


def _check_well_formed(moves: Iterable[Move], *, named: bool) -> None:
    """Check the object-based keys that are written: a graph could not hold others."""
    wrong = [
        move.target
        for move in moves
        if is_object_key(move.target)
        and not (named and move.is_kept)
        and parse_object_key(move.target) is None
    ]
    if wrong:
        raise LayoutError(
            f"{', '.join(capped(map(repr, wrong), 3))} look"
            f"{'s' if len(wrong) == 1 else ''} like the key of an object, but no path "
            "of objects is written so: within a name '.' is written '..' and '/' is "
            f"written '.S', and no path has more than {MAX_PATH_LENGTH} names"
        )


def _named_by(graph: ObjectGraph | None, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that an object graph leads to."""
    return set[str]() if graph is None else set(chain(*graph.tensors(keys).values()))


def _graph_like(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView,
    graph: ObjectGraph,
) -> Value:
    """Return the graph of the target, with what the source has beyond it."""
    known = _named_by(graph, like.specs)
    names = {} if reader.object_graph is None else reader.object_graph.full_names()
    beyond = [
        (move.target, parsed, names.get(move.sources[0], ""))
        for move in plan.moves
        if move.target not in known and (parsed := parse_object_key(move.target))
    ]
    if not beyond:
        return string_value(graph.serialized)
    more = ObjectGraph(built_graph(beyond), "a new object graph")
    return string_value(joined_graphs([graph, more]))


def _targets_by_source(plan: MigrationPlan) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for move in plan.moves:  # of several sources the first one's object carries on
        targets.setdefault(move.sources[0], []).append(move.target)
    return targets


def _joined(graphs: Sequence[bytes]) -> bytes:
    if len(graphs) == 1:
        return graphs[0]
    return joined_graphs([ObjectGraph(graph, "a new object graph") for graph in graphs])


def _named_key(move: Move) -> tuple[str, ObjectKey, str] | None:
    """Return the target of a move for the object graph, with its variable's name.

    None for the name of a variable: it is no object's.
    """
    source = move.sources[0]
    parsed = parse_object_key(move.target)
    if parsed is None:
        return None
    name = guide_name(parsed)
    return move.target, parsed, source if name is None else name
