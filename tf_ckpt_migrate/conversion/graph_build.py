"""Builds the object graph that a set of object-based keys describes.

A key tells the path of its object; the paths together are a tree, whose nodes and edges
``tf.train.Checkpoint`` matches with the program's objects when it restores.

The message is written field by field: through a library's objects it would take most of
the time of a conversion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.conversion.graph_edit import check_values
from tf_ckpt_migrate.conversion.layout import GUIDE_ROOT
from tf_ckpt_migrate.errors import LayoutError
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY, VARIABLE_VALUE, ObjectKey
from tf_ckpt_migrate.table.block import put_varint

__all__ = ["built_graph", "guide_graph", "joined_graphs", "linked_graph"]


# Tags of length-delimited fields 1, 2, 3 and of numbers in fields 1 and 3.
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"
_NUMBER_1, _NUMBER_3 = b"\x08", b"\x18"


def built_graph(keys: Iterable[tuple[str, ObjectKey, str]]) -> bytes:
    """Return the serialized object graph of object-based keys.

    Args:
      keys: Each key, the key taken apart, and the name of its variable ("" for none).

    Returns:
      A ``TrackableObjectGraph``: node 0 is the root, the others follow in the order in
      which the keys mention them.

    Example:
      >>> from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
      >>> from tf_ckpt_migrate.naming.keys import parse_object_key
      >>> key = "net/w/.ATTRIBUTES/VARIABLE_VALUE"
      >>> graph = built_graph([(key, parse_object_key(key), "net/w")])
      >>> ObjectGraph(graph, "example").paths()
      {0: (), 1: ('net',), 2: ('net', 'w')}
    """
    tree = _Tree()
    slots: list[tuple[str, ObjectKey, str]] = []
    for key, parsed, full_name in keys:
        path, attribute, slot = parsed
        if slot is None:
            tree.node(path).append(_attribute(attribute, full_name, key))
        else:
            slots.append((key, parsed, full_name))
    for key, parsed, full_name in slots:
        tree.add_slot(key, parsed, full_name)
    return b"".join([_delimited(_FIELD_1, b"".join(node)) for node in tree.nodes])


def guide_graph(keys: Iterable[tuple[str, str]]) -> bytes:
    """Return what ``built_graph`` does for the guide's layout, in half the time.

    Args:
      keys: Each key of that layout with the variable's name, which is its path's end;
        the counter of saves is added to them.

    Example:
      >>> from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
      >>> graph = guide_graph([("vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE", "net/w")])
      >>> ObjectGraph(graph, "example").paths()
      {0: (), 1: ('vars',), 3: ('save_counter',), 2: ('vars', 'net/w')}
    """
    children: list[bytes] = []
    nodes: list[bytes] = []
    number = 1
    heads: dict[tuple[int, int, int], tuple[bytes, bytes, bytes, bytes]] = {}
    for key, name in keys:
        number += 1
        encoded, whole, node = name.encode(), key.encode(), put_varint(number)
        lengths = (len(encoded), len(whole), len(node))
        known = heads.get(lengths)
        if known is None:
            known = heads[lengths] = _guide_heads(*lengths)
        child, label, value, end = known
        children += child, node, label, encoded
        nodes += value, encoded, end, whole
    counter = "save_counter"
    root = _child(1, GUIDE_ROOT) + _child(number + 1, counter)
    first = [_delimited(_FIELD_1, node) for node in (root, b"".join(children))]
    last = _attribute(VARIABLE_VALUE, counter, SAVE_COUNTER_KEY)
    return b"".join([*first, *nodes, _delimited(_FIELD_1, last)])


def linked_graph(
    edges: Sequence[Mapping[str, int]], variables: Mapping[int, tuple[str, str]]
) -> bytes:
    """Return the serialized object graph of objects that several paths may lead to.

    Args:
      edges: Of each node, the children by name; node 0 is the root.
      variables: By node, the name and the key of the variable that it is.

    Example:
      >>> from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
      >>> key = "w/.ATTRIBUTES/VARIABLE_VALUE"
      >>> graph = linked_graph([{"w": 1, "again": 1}, {}], {1: ("net/w", key)})
      >>> ObjectGraph(graph, "example").full_names()
      {'w/.ATTRIBUTES/VARIABLE_VALUE': 'net/w'}
    """
    nodes: list[bytes] = []
    for number, children in enumerate(edges):
        fields = [_child(child, name) for name, child in children.items()]
        if number in variables:
            fields.append(_attribute(VARIABLE_VALUE, *variables[number]))
        nodes.append(_delimited(_FIELD_1, b"".join(fields)))
    return b"".join(nodes)


def _guide_heads(name: int, key: int, node: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what comes before each part of a variable, given the parts' lengths.

    The first two go before the number and the name in the edge (as of `_child`), the
    others before the name and the key in the node (as of `_attribute`).
    """
    label = _FIELD_2 + put_varint(name)
    child = _FIELD_1 + put_varint(1 + node + len(label) + name) + _NUMBER_1
    end = _FIELD_3 + put_varint(key)
    tensor = _named(VARIABLE_VALUE) + label
    length = len(tensor) + name + len(end) + key
    attribute = _FIELD_2 + put_varint(length)
    value = _FIELD_1 + put_varint(len(attribute) + length) + attribute + tensor
    return child, label, value, end


class _Tree:
    """Nodes by path, each a list of its serialized fields."""

    def __init__(self) -> None:
        root: list[bytes] = []
        self.nodes = [root]
        self._numbers: dict[tuple[str, ...], int] = {(): 0}

    def node(self, path: tuple[str, ...]) -> list[bytes]:
        """Return the node at a path; it and its parents are made where missing."""
        return self.nodes[self.number(path)]

    def number(self, path: tuple[str, ...]) -> int:
        """Return the number of the node at a path."""
        found = self._numbers.get(path)
        if found is None:
            parent = self.node(path[:-1])
            found = self._numbers[path] = len(self.nodes)
            self.nodes.append([])
            parent.append(_child(found, path[-1]))
        return found

    def add_slot(self, key: str, parsed: ObjectKey, full_name: str) -> None:
        """Add a slot variable with its value's key."""
        if parsed.slot is None:
            return
        slot = (
            _NUMBER_1
            + put_varint(self.number(parsed.path))
            + _delimited(_FIELD_2, parsed.slot.name.encode())
            + _NUMBER_3
            + put_varint(len(self.nodes))
        )
        self.nodes.append([_attribute(parsed.attribute, full_name, key)])
        self.node(parsed.slot.optimizer).append(_delimited(_FIELD_3, slot))


def _child(number: int, name: str) -> bytes:
    """Return an ``ObjectReference`` as a field of the parent."""
    child = _NUMBER_1 + put_varint(number) + _delimited(_FIELD_2, name.encode())
    return _delimited(_FIELD_1, child)


def _attribute(name: str, full_name: str, key: str) -> bytes:
    """Return a ``SerializedTensor`` as a field of its node."""
    full, whole = full_name.encode(), key.encode()
    tensor = _named(name) + _delimited(_FIELD_2, full) + _delimited(_FIELD_3, whole)
    return _delimited(_FIELD_2, tensor)


@lru_cache(maxsize=64)  # nearly always VARIABLE_VALUE
def _named(name: str) -> bytes:
    return _delimited(_FIELD_1, name.encode())


def _delimited(tag: bytes, contents: bytes) -> bytes:
    return tag + put_varint(len(contents)) + contents


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
