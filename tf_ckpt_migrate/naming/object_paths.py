"""The paths of attributes that lead to the objects of an object graph.

An object often has several: Keras 3 files a kernel as ``optimizer/_trainable_variables/
0``, ``model/_functional/_operations/1/_kernel`` and ``model/dense/_kernel``. TensorFlow
makes the key from the shortest one, but restores through any of them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tf_ckpt_migrate.bundle.object_graph import ObjectGraph

__all__ = ["ObjectPath", "all_paths", "is_positional", "public_path"]

ObjectPath: TypeAlias = tuple[str, ...]

# Enough for every path that a user would write; objects that many others share have
# thousands, which would cost time and memory.
_PATHS_PER_OBJECT = 8
# A longer path than any program has; deep graphs would cost memory by their square.
_LONGEST = 32


def all_paths(graph: ObjectGraph) -> Mapping[int, Sequence[ObjectPath]]:
    """Return the paths from the root to each object, the shortest first.

    Args:
      graph: The object graph of a checkpoint.

    Returns:
      By the number of an object its first eight paths, none of which visits an object
      twice. An object deeper than 32 edges has none, nor has a slot variable, which
      hangs on an optimizer and a variable.
    """
    found: dict[int, list[ObjectPath]] = defaultdict(list)
    if not len(graph):
        return found
    found[0].append(())
    queue: deque[tuple[ObjectPath, tuple[int, ...]]] = deque([((), (0,))])
    edges: dict[int, dict[str, int]] = {}
    while queue:
        path, nodes = queue.popleft()
        last = nodes[-1]
        children = edges.get(last)
        if children is None:
            children = edges[last] = graph.children(last)
        for name, child in children.items():
            if child in nodes or len(found[child]) == _PATHS_PER_OBJECT:
                continue
            found[child].append((*path, name))
            if len(nodes) < _LONGEST:
                queue.append(((*path, name), (*nodes, child)))
    return found


def public_path(path: ObjectPath) -> ObjectPath:
    """Return a path as users know it: Keras 3 keeps ``dense.kernel`` as ``_kernel``.

    Example:
      >>> public_path(("model", "dense", "_kernel"))
      ('model', 'dense', 'kernel')
    """
    return (*path[:-1], path[-1].removeprefix("_")) if path else path


def is_positional(path: ObjectPath) -> bool:
    """Return whether a path goes through a number of a list.

    Example:
      >>> is_positional(("optimizer", "_variables", "3")), is_positional(("a", "b"))
      (True, False)
    """
    return any(name.isdecimal() for name in path)
