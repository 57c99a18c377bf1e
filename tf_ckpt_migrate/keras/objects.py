"""Keras 3 objects without TensorFlow, seen as ``tf.train.Checkpoint`` sees them.

The paths are those of attributes, as TensorFlow would save them: ``net.hidden.kernel``
is ``hidden/_kernel``, the slots of an optimizer are ``_variables/2`` and
``_momentums/0``. A layer that no attribute leads to, as in a functional model, goes by
its name, where TensorFlow counts (``_operations/10``).

As in TensorFlow, metrics within a model and the seeds of its layers are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tf_ckpt_migrate.conversion.graph_build import linked_graph
from tf_ckpt_migrate.live.private import Saved, SavedTensor
from tf_ckpt_migrate.naming.keys import object_key

__all__ = ["is_of_keras", "saved_by_keras"]

# Where Keras lists what attributes lead to, or what it calls in order.
_LISTS_OF_KERAS = {
    *("_layers", "_trainable_variables", "_non_trainable_variables", "_functional"),
    *("_operations", "_operations_by_depth", "_nodes", "_nodes_by_depth", "_modules"),
}


def is_of_keras(target: Any, keras: Any) -> bool:
    """Return whether a target is an object of Keras with variables, or a dict of such.

    A list or dict of nothing but variables is not: it needs no walk.
    """
    owners = keras.Layer | keras.optimizers.Optimizer | keras.metrics.Metric
    if not isinstance(target, Mapping):
        return isinstance(target, owners)
    items = target.values()
    return any(isinstance(each, owners) for each in items) and all(
        isinstance(each, owners | keras.Variable) for each in items
    )


def saved_by_keras(target: Any, keras: Any) -> Saved:
    """Return the variables of Keras objects, with the keys that saving would give them.

    Args:
      target: A layer, a model, an optimizer, a metric, or a dict of such by name.
      keras: The package.
    """
    walk = _Walk(target, keras)
    keys = {
        number: object_key(*walk.paths[number])
        for number, each in enumerate(walk.objects)
        if isinstance(each, keras.Variable)
    }
    numbers = {id(each): number for number, each in enumerate(walk.objects)}
    return Saved(
        [
            SavedTensor(key, walk.objects[number], walk.objects[number])
            for number, key in keys.items()
        ],
        linked_graph(
            walk.edges,
            {number: (walk.objects[number].path, key) for number, key in keys.items()},
        ),
        walk.objects,
        lambda each: ".".join(walk.paths[numbers[id(each)]]),
        frozenset(),
    )


class _Walk:
    """The objects below a root, breadth first, so that the first path is the shortest.

    Attributes:
      objects: All of them, containers among them; the root is the first.
      paths: One path of attributes to each.
      edges: The children of each: numbers by name.
    """

    def __init__(self, root: Any, keras: Any) -> None:
        self._keras = keras
        self._items = keras.Layer | keras.optimizers.Optimizer | keras.Variable
        self.objects: list[Any] = [root]
        self.paths: list[tuple[str, ...]] = [()]
        self.edges: list[dict[str, int]] = []
        numbers = {id(root): 0}
        for number, owner in enumerate(self.objects):  # which grows meanwhile
            edges: dict[str, int] = {}
            for name, child in self._children(owner).items():
                if id(child) not in numbers:
                    numbers[id(child)] = len(self.objects)
                    self.objects.append(child)
                    self.paths.append((*self.paths[number], name))
                edges[name] = numbers[id(child)]
            self.edges.append(edges)

    def _children(self, owner: Any) -> dict[str, Any]:
        if isinstance(owner, self._keras.Variable):
            return {}
        if isinstance(owner, Mapping | list | tuple):
            at_root = owner is self.objects[0]
            return {
                name: each
                for name, each in _contents(owner)
                if at_root or self._is_part(each)
            }
        attributes = vars(owner)
        if not isinstance(owner, self._keras.Layer):
            return {k: v for k, v in attributes.items() if self._is_part(v)}
        # With PyTorch, layers that are attributes are in a dict of its own.
        attributes = {**attributes, **attributes.get("_modules", {})}
        found = {
            name: each
            for name, each in attributes.items()
            if name not in _LISTS_OF_KERAS and self._is_part(each)
        }
        reached = {id(each) for part in found.values() for each in self._flat(part)}
        for lists in ("_layers", "_trainable_variables", "_non_trainable_variables"):
            for each in getattr(owner, lists, ()):
                if id(each) not in reached:
                    found[_free_name(each.name, found)] = each
        return found

    def _is_part(self, value: Any) -> bool:
        """Return whether a value is an item, or a container with items."""
        return any(True for _ in self._flat(value))

    def _flat(self, value: Any, depth: int = 0) -> Iterator[Any]:
        """Yield an item, or the items in a container and in those within it."""
        if isinstance(value, self._items):
            yield value
        elif isinstance(value, Mapping | list | tuple) and depth < _DEEPEST:
            for _, each in _contents(value):
                yield from self._flat(each, depth + 1)


_DEEPEST = 16  # containers within containers, which may contain themselves


def _contents(container: Any) -> list[tuple[str, Any]]:
    pairs = (
        container.items() if isinstance(container, Mapping) else enumerate(container)
    )
    return [(str(name), each) for name, each in pairs]


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name, with the first number that makes it another than those taken."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
