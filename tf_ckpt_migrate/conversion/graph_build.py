"""Builds the object graph that a set of object-based keys describes.

A key tells the path of its object; the paths together are a tree, whose nodes and edges
``tf.train.Checkpoint`` matches with the program's objects when it restores.

The message is written field by field: through a library's objects it would take most of
the time of a conversion.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tf_ckpt_migrate.conversion.layout import GUIDE_ROOT
from tf_ckpt_migrate.names.keys import SAVE_COUNTER_KEY, VARIABLE_VALUE, ObjectKey
from tf_ckpt_migrate.table.coding import put_varint

__all__ = ["built_graph", "guide_graph"]

# Tags of length-delimited fields 1, 2, 3 and of numbers in fields 1 and 3.
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"
_NUMBER_1, _NUMBER_3 = b"\x08", b"\x18"
_KNOWN_LENGTHS = 1024
_LENGTHS = [put_varint(length) for length in range(_KNOWN_LENGTHS)]


def built_graph(keys: Iterable[tuple[str, ObjectKey, str]]) -> bytes:
    """Return the serialized object graph of object-based keys.

    Args:
      keys: Each key, the key taken apart, and the name of its variable ("" for none).

    Returns:
      A ``TrackableObjectGraph``: node 0 is the root, the others follow in the order in
      which the keys mention them.

    Example:
      >>> from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
      >>> from tf_ckpt_migrate.names.keys import parse_object_key
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
    value_name = _named(VARIABLE_VALUE)
    # As _child and _attribute do, with the name encoded once and few calls.
    for number, (key, name) in enumerate(keys, 2):
        encoded, whole = name.encode(), key.encode()
        label = b"\x12" + _length(len(encoded)) + encoded
        children.append(_delimited(_FIELD_1, b"\x08" + put_varint(number) + label))
        tensor = value_name + label + b"\x1a" + _length(len(whole)) + whole
        attribute = b"\x12" + _length(len(tensor)) + tensor
        nodes.append(b"\x0a" + _length(len(attribute)) + attribute)
    counter = "save_counter"
    root = _child(1, GUIDE_ROOT) + _child(len(nodes) + 2, counter)
    heads = [_delimited(_FIELD_1, node) for node in (root, b"".join(children))]
    value = _attribute(VARIABLE_VALUE, counter, SAVE_COUNTER_KEY)
    return b"".join([*heads, *nodes, _delimited(_FIELD_1, value)])


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
    tensor = b"%b\x12%b%b\x1a%b%b" % (
        _named(name),
        _length(len(full)),
        full,
        _length(len(whole)),
        whole,
    )
    return b"\x12" + _length(len(tensor)) + tensor


@lru_cache(maxsize=64)  # nearly always VARIABLE_VALUE
def _named(name: str) -> bytes:
    return _delimited(_FIELD_1, name.encode())


def _delimited(tag: bytes, contents: bytes) -> bytes:
    return tag + _length(len(contents)) + contents


def _length(length: int) -> bytes:
    return _LENGTHS[length] if length < _KNOWN_LENGTHS else put_varint(length)
