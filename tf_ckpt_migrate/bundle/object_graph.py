"""The object graph that an object-based checkpoint holds beside its tensors.

It is a serialized ``TrackableObjectGraph`` in a scalar string tensor. Node 0 is the
root; edges have names; a node's attributes name the keys of its tensors.

Source: ``tensorflow/core/protobuf/trackable_object_graph.proto``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph, parsed
from tf_ckpt_migrate.errors import CorruptCheckpointError

__all__ = ["OBJECT_GRAPH_KEY", "Attribute", "ObjectGraph"]

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

# The most that all paths may have in characters, with a slash for each name: a chain of
# nodes has paths by the square of its length.
_PATHS = 16 << 20
_PATHS_RATIO = 64  # for each byte of the graph


class Attribute(NamedTuple):
    """A tensor that belongs to an object.

    Attributes:
      node: Number of the object.
      name: Which of its tensors, ``VARIABLE_VALUE`` for a variable's.
      full_name: The variable's own name (``dense/kernel``), "" for what is none.
      checkpoint_key: Where its value is in the checkpoint.
    """

    node: int
    name: str
    full_name: str
    checkpoint_key: str


class ObjectGraph:
    """The objects of a checkpoint.

    Args:
      serialized: The value of the tensor ``_CHECKPOINTABLE_OBJECT_GRAPH``.
      where: What to name in an error: the file.

    Attributes:
      serialized: The bytes as they were given.
      message: The parsed ``TrackableObjectGraph``, not to be changed.

    Raises:
      CorruptCheckpointError: If it is no such message, or refers to missing nodes.

    Example:
      >>> graph = ObjectGraph(b"", "example")
      >>> len(graph), graph.attributes
      (0, ())
    """

    def __init__(self, serialized: bytes, where: str) -> None:
        """Parse and check."""
        self.serialized = serialized
        self._where = where
        self.message: Any = parsed(TrackableObjectGraph, serialized, where)
        self._check(where)
        self.attributes: tuple[Attribute, ...] = tuple(
            Attribute(number, each.name, each.full_name, each.checkpoint_key)
            for number, node in enumerate(self.message.nodes)
            for each in node.attributes
        )

    def _check(self, where: str) -> None:
        count = len(self.message.nodes)
        for number, node in enumerate(self.message.nodes):
            references = [child.node_id for child in node.children]
            for slot in node.slot_variables:
                references.append(slot.original_variable_node_id)
                references.append(slot.slot_variable_node_id)
            for reference in references:
                if not 0 <= reference < count:
                    raise CorruptCheckpointError(
                        f"{where}: node {number} of the object graph refers to node "
                        f"{reference}, but there are {count}"
                    )

    def __len__(self) -> int:
        return len(self.message.nodes)

    def children(self, node: int) -> dict[str, int]:
        """Return the edges of a node: names to node numbers."""
        return {c.local_name: c.node_id for c in self.message.nodes[node].children}

    def paths(self) -> dict[int, tuple[str, ...]]:
        """Return for every object the first shortest path from the root to it.

        That is the path that TensorFlow makes the object's keys of. Slot variables have
        none: they hang on an optimizer and a variable.

        Raises:
          CorruptCheckpointError: If the paths are together far longer than the graph.
        """
        found: dict[int, tuple[str, ...]] = {0: ()} if len(self) else {}
        lengths = dict.fromkeys(found, 0)
        room = _PATHS + _PATHS_RATIO * len(self.serialized)
        queue = list(found)
        for node in queue:
            for name, child in self.children(node).items():
                if child in found:
                    continue
                lengths[child] = lengths[node] + len(name) + 1
                room -= lengths[child]
                if room < 0:
                    raise CorruptCheckpointError(
                        f"{self._where}: the paths of the object graph are together "
                        f"over {_PATHS_RATIO} times as long as it is; it is "
                        f"{len(found[node]) + 1:,} nodes deep, as no model is"
                    )
                found[child] = (*found[node], name)
                queue.append(child)
        return found

    def tensors(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return which tensors every attribute has.

        Nearly always that is the one of its own key. An object that saves several, as a
        lookup table does, has keys that begin with the attribute's: ``…-keys`` and
        ``…-values``.

        Args:
          keys: Of the checkpoint.

        Returns:
          For every attribute's ``checkpoint_key`` the keys of its tensors, if any.
        """
        ordered = sorted(keys)
        present = set(ordered)
        found: dict[str, tuple[str, ...]] = {}
        for attribute in self.attributes:
            key = attribute.checkpoint_key
            if key in found:
                continue
            if key in present:
                found[key] = (key,)
                continue
            start = end = bisect_left(ordered, key)
            # Every key begins with an empty one, which therefore has none.
            while key and end < len(ordered) and ordered[end].startswith(key):
                end += 1
            found[key] = tuple(ordered[start:end])
        return found

    def full_names(self) -> dict[str, str]:
        """Return the variable name of every key that has one."""
        return {a.checkpoint_key: a.full_name for a in self.attributes if a.full_name}

    def slots(self) -> Iterator[tuple[int, int, str, int]]:
        """Yield the slot variables: optimizer, variable, slot name, slot variable."""
        for number, node in enumerate(self.message.nodes):
            for slot in node.slot_variables:
                yield (
                    number,
                    slot.original_variable_node_id,
                    slot.slot_name,
                    slot.slot_variable_node_id,
                )

    def edited(self, edit: Callable[[Any], None]) -> bytes:
        """Return the graph after ``edit`` changed a copy of the message, serialized."""
        message = TrackableObjectGraph()
        message.CopyFrom(self.message)
        edit(message)
        return message.SerializeToString(deterministic=True)
