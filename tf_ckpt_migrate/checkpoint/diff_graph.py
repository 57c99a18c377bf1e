"""Compares object graphs by what they say, not by how their nodes are numbered."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TypeAlias

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = ["same_objects"]

_Node: TypeAlias = "frozenset[tuple[object, ...]]"


def same_objects(a: ObjectGraph, b: ObjectGraph) -> bool:
    """Return whether two object graphs have the same objects, edges, keys and slots.

    Time and memory grow with the edges of the graphs, however deep they are: both are
    walked at once, and no path is written out.
    """
    if a.message == b.message:
        return True
    twins = _twins(a, b) if len(a) == len(b) else {}
    return len({*twins.values()}) == len(a) and all(
        _content(a, node, twins.__getitem__) == _content(b, twin, int)
        for node, twin in twins.items()
    )


def _twins(a: ObjectGraph, b: ObjectGraph) -> dict[int, int]:
    """Return the node of ``b`` that each node of ``a`` must be, if the graphs agree.

    That is the one at the same path; of a slot variable the one of the same slot; of
    any other, which nothing leads to, the one of the same number.
    """
    twins = {0: 0} if len(a) else {}
    queue = [*twins.items()]
    for node, twin in queue:
        # Where the edges are others, their contents will tell.
        ours, theirs = (
            sorted(graph.message.nodes[number].children, key=attrgetter("local_name"))
            for graph, number in ((a, node), (b, twin))
        )
        for child, other in zip(ours, theirs, strict=False):
            if child.node_id not in twins:
                twins[child.node_id] = other.node_id
                queue.append((child.node_id, other.node_id))
    slots = {slot[:3]: slot[3] for slot in b.slots()}
    for optimizer, variable, name, node in a.slots():
        if node not in twins and optimizer in twins and variable in twins:
            slot = twins[optimizer], twins[variable], name
            twins[node] = slots.get(slot, node)
    return {node: twins.get(node, node) for node in range(len(a))}


def _content(graph: ObjectGraph, number: int, name: Callable[[int], int]) -> _Node:
    """Return what a graph says of a node; ``name`` tells what to call other nodes."""
    node = graph.message.nodes[number]
    return frozenset(
        [
            *(("child", c.local_name, name(c.node_id)) for c in node.children),
            *(
                ("tensor", t.name, t.full_name, t.checkpoint_key)
                for t in node.attributes
            ),
            *(
                (
                    "slot",
                    name(s.original_variable_node_id),
                    s.slot_name,
                    name(s.slot_variable_node_id),
                )
                for s in node.slot_variables
            ),
        ]
    )
