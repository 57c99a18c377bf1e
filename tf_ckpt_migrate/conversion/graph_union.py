"""Joins the object graphs of several checkpoints into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.conversion.graph_edit import check_values
from tf_ckpt_migrate.errors import LayoutError

__all__ = ["joined_graphs"]


def joined_graphs(graphs: Sequence[ObjectGraph]) -> bytes:
    """Return one graph with the objects of all.

    The roots are one object, and so are objects at the same path.

    Args:
      graphs: The graphs, at least one. No key may be in two of them.

    Returns:
      The graph, serialized.

    Raises:
      LayoutError: If one object is two in another graph, so that no graph has both, or
        has two values then.
    """
    first, *others = graphs
    message = TrackableObjectGraph()
    message.CopyFrom(first.message)
    for other in others:
        _join(message, other)
    check_values(message)
    for node in message.nodes:  # what TensorFlow then finds out for itself
        node.ClearField("has_checkpoint_values")
    return message.SerializeToString(deterministic=True)


def _join(message: Any, other: ObjectGraph) -> None:
    numbers = _matched_nodes(message, other)
    for old in range(len(other)):
        if old not in numbers:  # slot variables, which no edge leads to
            numbers[old] = _new_node(message)
    for old, node in enumerate(other.message.nodes):
        joined = message.nodes[numbers[old]]
        joined.attributes.extend(node.attributes)
        for slot in node.slot_variables:
            joined.slot_variables.add(
                original_variable_node_id=numbers[slot.original_variable_node_id],
                slot_name=slot.slot_name,
                slot_variable_node_id=numbers[slot.slot_variable_node_id],
            )


def _matched_nodes(message: Any, other: ObjectGraph) -> dict[int, int]:
    """Return the number in ``message`` of every object that edges lead to."""
    numbers = {0: 0}
    queue = [0]
    for old in queue:
        here = {c.local_name: c.node_id for c in message.nodes[numbers[old]].children}
        for name, child in other.children(old).items():
            there = here.get(name)
            if child not in numbers:
                numbers[child] = _new_node(message) if there is None else there
                queue.append(child)
            if there is None:
                message.nodes[numbers[old]].children.add(
                    node_id=numbers[child], local_name=name
                )
            elif there != numbers[child]:
                raise LayoutError(
                    f"the objects of the checkpoints do not fit together: {name!r} is "
                    "one object in the first and another in the second"
                )
    return numbers


def _new_node(message: Any) -> int:
    message.nodes.add()
    return len(message.nodes) - 1
