"""Compares object graphs by what they say, not by how their nodes are numbered."""

from __future__ import annotations

from typing import TypeAlias

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = ["same_objects"]

_Node: TypeAlias = "frozenset[tuple[object, ...]]"


def same_objects(a: ObjectGraph, b: ObjectGraph) -> bool:
    """Return whether two object graphs have the same objects, edges, keys and slots."""
    if a.message == b.message:
        return True
    return _content(a) == _content(b)


def _content(graph: ObjectGraph) -> dict[object, _Node]:
    names = _names(graph)
    return {
        names[number]: frozenset(
            [
                *(("child", c.local_name, names[c.node_id]) for c in node.children),
                *(
                    ("tensor", t.name, t.full_name, t.checkpoint_key)
                    for t in node.attributes
                ),
                *(
                    (
                        "slot",
                        names[s.original_variable_node_id],
                        s.slot_name,
                        names[s.slot_variable_node_id],
                    )
                    for s in node.slot_variables
                ),
            ]
        )
        for number, node in enumerate(graph.message.nodes)
    }


def _names(graph: ObjectGraph) -> dict[int, object]:
    """Name every node by its path, a slot variable by whose slot it is."""
    names: dict[int, object] = dict(graph.paths())
    for optimizer, variable, slot_name, node in graph.slots():
        name = (names.get(optimizer), names.get(variable), slot_name)
        names.setdefault(node, name)
    return {number: names.get(number, number) for number in range(len(graph))}
