"""Follows a renaming in the object graph: keys, edges and slots.

TensorFlow finds a variable by walking the edges of the graph, not by its key. So when
``model/encoder/...`` becomes ``model/bert/...`` the edge ``encoder`` becomes ``bert``:
the whole object moves, with whatever else refers to it. Where only some variables of an
object move, they move alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.errors import CorruptCheckpointError, LayoutError
from tf_ckpt_migrate.names.keys import ObjectKey, parse_object_key

__all__ = ["rewritten_graph"]

_Path = tuple[str, ...]


def rewritten_graph(graph: ObjectGraph, renames: Mapping[str, Sequence[str]]) -> bytes:
    """Return an object graph whose keys, and the objects they belong to, are renamed.

    Args:
      graph: The graph of the source.
      renames: For each key of the source its keys in the output; a key that is not
        here is dropped: the graph no longer mentions it.

    Returns:
      The graph, serialized.

    Raises:
      LayoutError: If several tensors of one object are not renamed alike.
    """
    attributes = _attribute_renames(graph, renames)

    def edit(message: Any) -> None:
        copies = _set_keys(message, attributes)
        _drop_empty_slots(message)
        moves = _object_moves(graph, attributes)
        if moves or copies:
            _move_objects(message, moves, copies)

    return graph.edited(edit)


def _attribute_renames(
    graph: ObjectGraph, renames: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Return the new keys of every attribute, from those of its tensors."""
    attributes: dict[str, Sequence[str]] = {}
    for key, tensors in graph.tensors(renames).items():
        if tensors == (key,):
            attributes[key] = renames[key]
            continue
        ends = [tensor[len(key) :] for tensor in tensors]
        news = [
            {new.removesuffix(end) for new in renames[tensor] if new.endswith(end)}
            for tensor, end in zip(tensors, ends, strict=True)
        ]
        if any(new != news[0] or not new for new in news):
            raise LayoutError(
                f"the object that saves {', '.join(map(repr, tensors))} can only be "
                f"renamed as a whole: by what comes before {', '.join(map(repr, ends))}"
            )
        attributes[key] = sorted(news[0]) if news else ()
    return attributes


def _set_keys(
    message: Any, renames: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """Replace keys, remove dropped ones; return further keys with their full names."""
    copies: list[tuple[str, str]] = []
    for node in message.nodes:
        for at in reversed(range(len(node.attributes))):
            attribute = node.attributes[at]
            targets = renames.get(attribute.checkpoint_key)
            if targets:
                attribute.checkpoint_key = targets[0]
                copies += [(key, attribute.full_name) for key in targets[1:]]
            else:
                del node.attributes[at]
    return copies


def _drop_empty_slots(message: Any) -> None:
    """Remove slot variables without a value: restoring would ask for it."""
    for node in message.nodes:
        for at in reversed(range(len(node.slot_variables))):
            slot = message.nodes[node.slot_variables[at].slot_variable_node_id]
            if not slot.attributes:
                del node.slot_variables[at]


def _object_moves(
    graph: ObjectGraph, renames: Mapping[str, Sequence[str]]
) -> list[tuple[_Path, _Path]]:
    """Return which objects move where: whole subtrees where all of one moves alike."""
    paths: dict[_Path, _Path] = {}
    for attribute in graph.attributes:
        old = parse_object_key(attribute.checkpoint_key)
        renamed = renames.get(attribute.checkpoint_key)
        new = parse_object_key(renamed[0]) if renamed else None
        if old and new and old.slot is None and new.slot is None:
            paths[old.path] = new.path
    return _subtree_moves((), paths)


def _subtree_moves(
    root: _Path, paths: Mapping[_Path, _Path]
) -> list[tuple[_Path, _Path]]:
    depth = len(root)
    targets = {_without_end(new, old[depth:]) for old, new in paths.items()}
    target = targets.pop() if len(targets) == 1 else None
    if target == root:
        return []
    if root and target:
        return [(root, target)]
    own = paths.get(root)
    # An object with a value of its own, below which others move elsewhere.
    moves = [] if own is None or own == root else [(root, own)]
    below: dict[str, dict[_Path, _Path]] = {}
    for old, new in paths.items():
        if len(old) > depth:
            below.setdefault(old[depth], {})[old] = new
    for name, inner in below.items():
        child = (*root, name)
        stays = [(child, child)] if moves else []
        moves += _subtree_moves(child, inner) or stays
    return moves


def _without_end(path: _Path, end: _Path) -> _Path | None:
    cut = len(path) - len(end)
    return path[:cut] if cut >= 0 and path[cut:] == end else None


def _move_objects(
    message: Any,
    moves: Iterable[tuple[_Path, _Path]],
    copies: Iterable[tuple[str, str]],
) -> None:
    edges = [(new, _edge(message, old)) for old, new in moves]
    for _, edge in edges:
        _cut(message, edge)
    tree = _ObjectTree(message, _tree_paths(message))
    for new, edge in edges:
        _attach(tree, new, edge.child)
    for key, full_name in copies:
        parsed = parse_object_key(key)
        if parsed is not None and parsed.slot is None:
            node = tree.node(parsed.path)
            tree.add_attribute(node, parsed.attribute, full_name, key)
        elif parsed is not None:
            tree.add_slot(parsed, full_name, key)


class _Edge(NamedTuple):
    parent: int
    name: str
    child: int


def _edge(message: Any, path: _Path) -> _Edge:
    """Return the last edge of a path, which the graph has: a key tells of it."""
    edge = _Edge(0, "", 0)
    for name in path:
        parent = edge.child
        children = message.nodes[parent].children
        found = [child.node_id for child in children if child.local_name == name]
        if not found:
            raise CorruptCheckpointError(
                f"the object graph has no object {'/'.join(path)!r}, though a key "
                "says so"
            )
        edge = _Edge(parent, name, found[0])
    return edge


def _cut(message: Any, edge: _Edge) -> None:
    children = message.nodes[edge.parent].children
    for at in reversed(range(len(children))):
        if children[at].local_name == edge.name:
            del children[at]


def _tree_paths(message: Any) -> list[tuple[_Path, int]]:
    """Return every path on which a node is reached first, breadth first."""
    paths: list[tuple[_Path, int]] = [((), 0)]
    seen = {0}
    for path, node in paths:
        for child in message.nodes[node].children:
            if child.node_id not in seen:
                seen.add(child.node_id)
                paths.append(((*path, child.local_name), child.node_id))
    return paths


def _attach(tree: _ObjectTree, path: _Path, node: int) -> None:
    """Hang a node, or its parts where another one is there already, at a path."""
    parent = tree.node(path[:-1])
    nodes = tree.message.nodes
    there = [c.node_id for c in nodes[parent].children if c.local_name == path[-1]]
    if not there:
        tree.add_edge(parent, path[-1], node)
        tree.by_path[path] = node
        return
    nodes[there[0]].attributes.extend(nodes[node].attributes)
    for child in list(nodes[node].children):
        _attach(tree, (*path, child.local_name), child.node_id)


class _ObjectTree:
    """An object graph seen as a tree that grows by paths."""

    def __init__(self, message: Any, paths: Iterable[tuple[_Path, int]]) -> None:
        self.message = message
        self._nodes = message.nodes
        self.by_path: dict[tuple[str, ...], int] = dict(paths)

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
