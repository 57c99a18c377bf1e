"""Builds the object graph that a set of object-based keys describes.

A key tells the path of its object; the paths together are a tree, whose nodes and edges
``tf.train.Checkpoint`` matches with the program's objects when it restores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tf_ckpt_migrate.bundle.messages import TrackableObjectGraph
from tf_ckpt_migrate.names.keys import ObjectKey, parse_object_key

__all__ = ["ObjectTree", "built_graph"]


def built_graph(full_names: Mapping[str, str]) -> bytes:
    """Return the serialized object graph of object-based keys.

    Args:
      full_names: The keys, each with the name of its variable ("" for none). What is
        no object-based key is left out.

    Returns:
      A ``TrackableObjectGraph``: node 0 is the root, the others follow in the order in
      which the keys mention them.

    Example:
      >>> from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
      >>> key = "net/w/.ATTRIBUTES/VARIABLE_VALUE"
      >>> graph = ObjectGraph(built_graph({key: "net/w"}), "example")
      >>> graph.paths()
      {0: (), 1: ('net',), 2: ('net', 'w')}
    """
    tree = ObjectTree(TrackableObjectGraph())
    slots: list[tuple[str, ObjectKey, str]] = []
    for key, full_name in full_names.items():
        parsed = parse_object_key(key)
        if parsed is None:
            continue
        if parsed.slot is None:
            node = tree.node(parsed.path)
            tree.add_attribute(node, parsed.attribute, full_name, key)
        else:
            slots.append((key, parsed, full_name))
    for key, parsed, full_name in slots:
        tree.add_slot(parsed, full_name, key)
    return tree.message.SerializeToString(deterministic=True)


class ObjectTree:
    """An object graph seen as a tree that grows by paths.

    Args:
      message: A ``TrackableObjectGraph``, which is changed.
      paths: The nodes that it has already, by path.
    """

    def __init__(
        self, message: Any, paths: Iterable[tuple[tuple[str, ...], int]] = ()
    ) -> None:
        """Make the root if there is none."""
        self.message = message
        self._nodes = message.nodes
        self.by_path: dict[tuple[str, ...], int] = dict(paths)
        if not len(self._nodes):
            self._nodes.add()
        self.by_path.setdefault((), 0)

    def new_node(self) -> int:
        """Add a node that nothing refers to yet; return its number."""
        self._nodes.add()
        return len(self._nodes) - 1

    def node(self, path: tuple[str, ...]) -> int:
        """Return the node at a path; it and its parents are made where missing."""
        found = self.by_path.get(path)
        if found is None:
            parent = self.node(path[:-1])
            found = self.by_path[path] = self.new_node()
            self.add_edge(parent, path[-1], found)
        return found

    def add_edge(self, parent: int, name: str, child: int) -> None:
        """Make ``child`` a child of ``parent`` by a name."""
        self._nodes[parent].children.add(node_id=child, local_name=name)

    def add_attribute(self, node: int, name: str, full_name: str, key: str) -> None:
        """Say which key holds a tensor of a node."""
        self._nodes[node].attributes.add(
            name=name, full_name=full_name, checkpoint_key=key
        )

    def add_slot(self, parsed: ObjectKey, full_name: str, key: str) -> None:
        """Add a slot variable with its value's key."""
        if parsed.slot is None:
            return
        node = self.new_node()
        self.add_attribute(node, parsed.attribute, full_name, key)
        self._nodes[self.node(parsed.slot.optimizer)].slot_variables.add(
            original_variable_node_id=self.node(parsed.path),
            slot_name=parsed.slot.name,
            slot_variable_node_id=node,
        )
