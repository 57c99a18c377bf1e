"""Chooses, or makes, the object graph that fits the keys of an output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.graph_build import built_graph
from tf_ckpt_migrate.conversion.graph_rewrite import rewritten_graph
from tf_ckpt_migrate.conversion.graph_union import joined_graphs
from tf_ckpt_migrate.conversion.layout import (
    GUIDE_ROOT,
    CheckpointView,
    guide_key,
    guide_name,
)
from tf_ckpt_migrate.conversion.output import Value, string_value
from tf_ckpt_migrate.names.keys import (
    OBJECT_GRAPH_KEY,
    SAVE_COUNTER_KEY,
    ObjectKey,
    parse_object_key,
)
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["graph_contents"]


def graph_contents(
    plan: MigrationPlan,
    reader: CheckpointReader,
    like: CheckpointView | None,
) -> dict[str, Value]:
    """Return the object graph that fits the output's keys, and what else it needs.

    Args:
      plan: What the output is made by.
      reader: The source.
      like: The checkpoint that the output is to be like; its graph is taken as it is.

    Returns:
      The graph under its key; with a new graph also the counter of saves, for which
      ``tf.train.Checkpoint.restore`` asks.

    Raises:
      LayoutError: If several tensors of one object are not renamed alike.
    """
    if like is not None and like.object_graph is not None:
        return {OBJECT_GRAPH_KEY: string_value(like.object_graph.serialized)}
    graphs: list[bytes] = []
    graph = reader.object_graph
    known = set[str]()
    if graph is not None:
        known.update(*graph.tensors(reader).values())
    moves = [move for move in plan.moves if move.sources[0] not in known]
    if graph is not None and len(moves) < len(plan.moves):
        graphs.append(rewritten_graph(graph, _targets_by_source(plan)))
    keys = [_named_key(move) for move in moves]
    added: dict[str, Value] = {}
    if not graphs and SAVE_COUNTER_KEY not in {move.target for move in moves}:
        keys.append((SAVE_COUNTER_KEY, ObjectKey(("save_counter",)), "save_counter"))
        added[SAVE_COUNTER_KEY] = _zero_counter()
    if keys:
        named = ((key, parsed, name) for key, parsed, name in keys if parsed)
        graphs.append(built_graph(named))
    return {**added, OBJECT_GRAPH_KEY: string_value(_joined(graphs))}


def _targets_by_source(plan: MigrationPlan) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for move in plan.moves:
        for key in move.sources:
            targets.setdefault(key, []).append(move.target)
    return targets


def _joined(graphs: Sequence[bytes]) -> bytes:
    if len(graphs) == 1:
        return graphs[0]
    return joined_graphs([ObjectGraph(graph, "a new object graph") for graph in graphs])


def _named_key(move: Move) -> tuple[str, ObjectKey | None, str]:
    """Return the target of a move for the object graph, with its variable's name."""
    source = move.sources[0]
    if move.target == guide_key(source):  # as for every key of a plain conversion
        return move.target, ObjectKey((GUIDE_ROOT, source)), source
    parsed = parse_object_key(move.target)
    name = guide_name(parsed) if parsed else None
    return move.target, parsed, source if name is None else name


def _zero_counter() -> Value:
    """Return the counter of saves that tf.train.Checkpoint.restore asks for."""

    def compute() -> Array:
        import numpy as np

        return np.zeros((), np.int64)

    return Value(TensorSpec(DType.int64, ()), compute)
