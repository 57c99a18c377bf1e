"""Edits the message of an object graph: objects move, appear and go.

Where TensorFlow finds an object on several edges it takes the first. So an edge that
only changes its name keeps its place among its siblings, before those that are aliases
of it (``layer_with_weights-0`` comes before ``layer-1``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.errors import CorruptCheckpointError, LayoutError
from tf_ckpt_migrate.naming.keys import ObjectKey, parse_object_key

__all__ = [
    "Moves",
    "ObjectTree",
    "Path",
    "check_values",
    "drop_emptied",
    "drop_empty_slots",
    "follows",
    "move_objects",
    "object_moves",
]


Path = tuple[str, ...]
Moves = Mapping[Path, Path]


def object_moves(graph: ObjectGraph, renames: Mapping[str, Sequence[str]]) -> Moves:
    """Return old and new paths of the objects that move, parents before children.

    Slot variables are no part of it: they hang on their variable and optimizer.

    Args:
      graph: The graph before.
      renames: The keys of each attribute in the output, by its key in ``graph``.
    """
    paths: dict[Path, Path] = {}
    for attribute in graph.attributes:
        old = parse_object_key(attribute.checkpoint_key)
        renamed = renames.get(attribute.checkpoint_key)
        new = parse_object_key(renamed[0]) if renamed else None
        if old and new and old.slot is None and new.slot is None:
            paths.setdefault(old.path, new.path)
    return dict(_subtree_moves((), paths))


def _subtree_moves(root: Path, paths: Moves) -> list[tuple[Path, Path]]:
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
    below: dict[str, dict[Path, Path]] = {}
    for old, new in paths.items():
        if len(old) > depth:
            below.setdefault(old[depth], {})[old] = new
    for name, inner in below.items():
        child = (*root, name)
        stays = [(child, child)] if moves else []
        moves += _subtree_moves(child, inner) or stays
    return moves


def _without_end(path: Path, end: Path) -> Path | None:
    cut = len(path) - len(end)
    return path[:cut] if cut >= 0 and path[cut:] == end else None


def follows(old: ObjectKey, new: ObjectKey, moves: Moves) -> bool:
    """Return whether a tensor is where ``new`` says once its objects have moved.

    A slot variable goes where its variable and its optimizer go; its key need not tell
    all of that, for a rename of a scope replaces only what the key begins with.
    """
    if old.slot is None or new.slot is None:
        return old.slot is new.slot and _moved(old.path, moves) == new.path
    optimizer = old.slot.optimizer
    return (
        new.slot.name == old.slot.name
        and new.path in (old.path, _moved(old.path, moves))
        and new.slot.optimizer in (optimizer, _moved(optimizer, moves))
    )


def _moved(path: Path, moves: Moves) -> Path:
    for depth in range(len(path), 0, -1):
        if path[:depth] in moves:
            return (*moves[path[:depth]], *path[depth:])
    return path


def drop_empty_slots(message: Any) -> None:
    """Remove slot variables without a value: restoring would ask for it."""
    for node in message.nodes:
        for at in reversed(range(len(node.slot_variables))):
            slot = message.nodes[node.slot_variables[at].slot_variable_node_id]
            if not slot.attributes:
                del node.slot_variables[at]


def drop_emptied(message: Any, emptied: Iterable[int]) -> None:
    """Cut off objects that have nothing left, and what then has nothing left.

    TensorFlow takes a variable for restored that has a node, be there a value or not.

    Args:
      message: The graph.
      emptied: Nodes that have lost a value.
    """
    nodes = message.nodes
    parents: dict[int, set[int]] = {}
    with_slots: set[int] = {0}
    for number, node in enumerate(nodes):
        for child in node.children:
            parents.setdefault(child.node_id, set()).add(number)
        with_slots.update(
            slot.original_variable_node_id for slot in node.slot_variables
        )
    emptied = set(emptied)
    while emptied:
        gone = {n for n in emptied - with_slots if _is_empty(nodes[n])}
        emptied = set[int]().union(*(parents.get(number, ()) for number in gone))
        for parent in emptied:
            _cut_nodes(nodes[parent].children, gone)


def _is_empty(node: Any) -> bool:
    fields = node.children or node.attributes or node.slot_variables
    return not fields and not node.HasField("registered_saver")


def _cut_nodes(children: Any, gone: Collection[int]) -> None:
    for at in reversed(range(len(children))):
        if children[at].node_id in gone:
            del children[at]


class _Edge(NamedTuple):
    parent: int
    name: str
    child: int


def move_objects(message: Any, moves: Moves) -> ObjectTree:
    """Move objects to other paths, with all that hangs on them.

    Args:
      message: The graph.
      moves: Old and new paths.

    Returns:
      The graph as a tree that can grow.

    Raises:
      CorruptCheckpointError: If the graph has no object at an old path.
    """
    edges = {old: _edge(message, old) for old in moves}
    renamed = _renamed_in_place(message, edges, moves)
    for old, edge in edges.items():
        if old not in renamed:
            _cut(message, edge)
    for child, name in renamed.values():
        child.local_name = name
    tree = ObjectTree(message)
    for old, new in moves.items():
        if old not in renamed:
            tree.attach(new, edges[old].child)
    tree.redirect()
    return tree


def _renamed_in_place(
    message: Any, edges: dict[Path, _Edge], moves: Moves
) -> dict[Path, tuple[Any, str]]:
    """Return the edges that only need another name: the child, and that name."""
    leaving = {(edge.parent, edge.name) for edge in edges.values()}
    taken: dict[int, set[str]] = {}
    found: dict[Path, tuple[Any, str]] = {}
    for old, (parent, name, _) in edges.items():
        new = moves[old]
        children = message.nodes[parent].children
        if old[:-1] != new[:-1] or any(old[:at] in moves for at in range(1, len(old))):
            continue
        if parent not in taken:
            names = {child.local_name for child in children}
            taken[parent] = {each for each in names if (parent, each) not in leaving}
        if new[-1] not in taken[parent]:
            taken[parent].add(new[-1])
            child = next(each for each in children if each.local_name == name)
            found[old] = (child, new[-1])
    return found


def _edge(message: Any, path: Path) -> _Edge:
    """Return the last edge of a path, which the graph has: a key tells of it."""
    edge = _Edge(0, "", 0)
    for name in path:
        parent = edge.child
        children = message.nodes[parent].children
        found = {child.node_id for child in children if child.local_name == name}
        if len(found) != 1:
            raise CorruptCheckpointError(
                f"the object graph has {len(found) or 'no'} object"
                f"{'s' if len(found) > 1 else ''} {'/'.join(path)!r}, though a key "
                "says that there is one"
            )
        edge = _Edge(parent, name, found.pop())
    return edge


def _cut(message: Any, edge: _Edge) -> None:
    children = message.nodes[edge.parent].children
    for at in reversed(range(len(children))):
        if children[at].local_name == edge.name:
            del children[at]


class ObjectTree:
    """An object graph seen as a tree that grows by paths."""

    def __init__(self, message: Any) -> None:
        """Take the message, which is edited from here on."""
        self._nodes = message.nodes
        self._below: dict[int, dict[str, int]] = {}
        self._merged: dict[int, int] = {}  # nodes that have become part of others

    def _children(self, node: int) -> dict[str, int]:
        found = self._below.get(node)
        if found is None:
            children = self._nodes[node].children
            found = self._below[node] = {c.local_name: c.node_id for c in children}
        return found

    def _new_node(self) -> int:
        self._nodes.add()
        return len(self._nodes) - 1

    def _add_edge(self, parent: int, name: str, child: int) -> None:
        self._nodes[parent].children.add(node_id=child, local_name=name)
        self._children(parent)[name] = child

    def _node(self, path: Path) -> int:
        """Return the node at a path; it and its parents are made where missing."""
        node = 0
        for name in path:
            child = self._children(node).get(name)
            if child is None:
                child = self._new_node()
                self._add_edge(node, name, child)
            node = self._present(child)
        return node

    def _present(self, node: int) -> int:
        while node in self._merged:
            node = self._merged[node]
        return node

    def attach(self, path: Path, node: int) -> None:
        """Hang a node at a path; where another one is, the two become one."""
        parent = self._node(path[:-1])
        there = self._children(parent).get(path[-1])
        if there is None:
            self._add_edge(parent, path[-1], node)
        else:
            self._merge(there, node)

    def _merge(self, there: int, node: int) -> None:
        pairs = [(there, node)]
        for pair in pairs:
            into, gone = map(self._present, pair)
            if into == gone:
                continue
            kept, other = self._nodes[into], self._nodes[gone]
            kept.attributes.extend(other.attributes)
            kept.slot_variables.extend(other.slot_variables)
            for name, child in self._children(gone).items():
                if name in self._children(into):
                    pairs.append((self._children(into)[name], child))
                else:
                    self._add_edge(into, name, child)
            self._merged[gone] = into
            other.Clear()

    def redirect(self) -> None:
        """Let what refers to merged nodes refer to those that they are part of."""
        if not self._merged:
            return
        for node in self._nodes:
            for child in node.children:
                child.node_id = self._present(child.node_id)
            for slot in node.slot_variables:
                variable = slot.original_variable_node_id
                slot.original_variable_node_id = self._present(variable)

    def add(self, key: str, parsed: ObjectKey, full_name: str) -> None:
        """Add a tensor at the place that its key tells."""
        node = self._node(parsed.path)
        if parsed.slot is not None:
            variable, node = node, self._new_node()
            self._nodes[self._node(parsed.slot.optimizer)].slot_variables.add(
                original_variable_node_id=variable,
                slot_name=parsed.slot.name,
                slot_variable_node_id=node,
            )
        self._nodes[node].attributes.add(
            name=parsed.attribute, full_name=full_name, checkpoint_key=key
        )


def check_values(message: Any) -> None:
    """Check that no object has two values for one thing.

    Raises:
      LayoutError: If one has, by two paths that lead to it.
    """
    for node in message.nodes:
        keys: dict[str, str] = {}
        for each in node.attributes:
            other = keys.setdefault(each.name, each.checkpoint_key)
            if other != each.checkpoint_key:
                raise LayoutError(
                    f"{other!r} and {each.checkpoint_key!r} would both be the "
                    "value of one object, to which both paths lead; rename or "
                    "drop one of them"
                )
