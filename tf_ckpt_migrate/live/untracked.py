"""Finds layers and variables of Keras 3 that TensorFlow's walk of objects leaves out.

Keras 3 keeps a list, tuple or dict of layers in a container of its own, which
``tf.train.Checkpoint`` does not look into: it neither saves nor restores them. Their
variables are variables of the model all the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.unbuilt import is_layer
from tf_ckpt_migrate.live.variables import is_variable

__all__ = ["children_with_untracked", "view_with_untracked"]


def view_with_untracked(view: Any) -> tuple[Any, frozenset[int]]:
    """Return a view of objects that has those in containers of Keras 3, too.

    What TensorFlow reaches keeps its path.

    Args:
      view: TensorFlow's ``ObjectGraphView``; it is not changed.

    Returns:
      The view, and the ids of the objects that TensorFlow does not reach.

    Example:
      >>> import tensorflow as tf
      >>> module = tf.Module()
      >>> checkpoint = tf.train.Checkpoint(m=module)
      >>> view_with_untracked(checkpoint._saver._graph_view)[1]
      frozenset()
    """
    objects, _ = view.breadth_first_traversal()
    tracked = frozenset(map(id, objects))
    if not any(_is_of_keras_3(each) for each in objects):
        return view, frozenset()
    whole = copy.copy(view)
    nodes: dict[int, tuple[Any, dict[str, Any]]] = {}  # by the id of a container
    contents: dict[int, dict[str, Any]] = {}  # by the id of its node

    def node_of(container: Any, items: dict[str, Any]) -> Any:
        if id(container) not in nodes:
            node = tensorflow().Module()
            nodes[id(container)] = node, items
            contents[id(node)] = {
                name: each if _is_item(each) else node_of(each, _items(each, tracked))
                for name, each in items.items()
            }
        return nodes[id(container)][0]

    def list_children(owner: Any, *args: Any, **keywords: Any) -> list[Any]:
        reference = tensorflow().__internal__.tracking.TrackableReference
        if id(owner) in contents:
            return [reference(*each) for each in contents[id(owner)].items()]
        found = view.list_children(owner, *args, **keywords)
        if id(owner) not in tracked:  # what TensorFlow reaches keeps its path
            found = [each for each in found if id(each.ref) not in tracked]
        if _is_of_keras_3(owner):
            names = {each.name for each in found}
            seen = {id(each.ref) for each in found}
            for name, value, items in _containers(owner, tracked):
                new = {key: each for key, each in items.items() if id(each) not in seen}
                if new and name not in names:
                    seen.update(_ids(new, tracked))
                    found.append(reference(name, node_of(value, new)))
        return found

    whole.list_children = list_children
    objects, _ = whole.breadth_first_traversal()
    return whole, frozenset(map(id, objects)) - tracked


def children_with_untracked(owner: Any) -> dict[str, Any]:
    """Return the children of an object, those in containers of Keras 3 too, by path.

    Example:
      >>> import tensorflow as tf
      >>> module = tf.Module()
      >>> module.step = tf.Variable(1)
      >>> list(children_with_untracked(module))
      ['step']
    """
    children = dict(tensorflow().train.TrackableView.children(owner))
    if _is_of_keras_3(owner):
        tracked = frozenset(map(id, children.values()))
        for name, _, items in _containers(owner, tracked):
            for path, item in _flat(name, items, tracked):
                children.setdefault(path, item)
    return children


def _flat(
    path: str, items: Mapping[str, Any], tracked: frozenset[int]
) -> Iterator[tuple[str, Any]]:
    for name, each in items.items():
        if _is_item(each):
            yield f"{path}/{name}", each
        else:
            yield from _flat(f"{path}/{name}", _items(each, tracked), tracked)


def _is_of_keras_3(candidate: Any) -> bool:
    return is_layer(candidate) and hasattr(candidate, "path")


def _containers(
    layer: Any, tracked: frozenset[int]
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield attributes that hold untracked items; those that Keras sets come last."""
    own = _names_of_keras()
    attributes = sorted(vars(layer).items(), key=lambda each: each[0] in own)
    for name, value in attributes:
        if items := _items(value, tracked):
            yield name, value, items


def _names_of_keras() -> set[str]:
    """Return the attributes in which Keras 3 lists what it has found in others."""
    return {
        *("_layers", "_trainable_variables", "_non_trainable_variables"),
        *("_operations", "_nodes", "_seed_generators", "_metrics"),
    }


def _items(container: Any, tracked: frozenset[int]) -> dict[str, Any]:
    """Return the untracked layers and variables in a container, and such containers."""
    if isinstance(container, Mapping):
        named = {str(key): each for key, each in container.items()}
    elif isinstance(container, list | tuple):
        named = {str(place): each for place, each in enumerate(container)}
    else:
        return {}
    return {
        name: each
        for name, each in named.items()
        if (id(each) not in tracked if _is_item(each) else _items(each, tracked))
    }


def _ids(items: Mapping[str, Any], tracked: frozenset[int]) -> Iterator[int]:
    """Yield the ids of items, and of those in containers among them."""
    for each in items.values():
        yield id(each)
        if not _is_item(each):
            yield from _ids(_items(each, tracked), tracked)


def _is_item(candidate: Any) -> bool:
    return is_layer(candidate) or (
        is_variable(candidate) and hasattr(candidate, "path")
    )
