"""Which objects move when keys are renamed: whole subtrees where all of one do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.naming.keys import ObjectKey, parse_object_key

__all__ = ["Moves", "Path", "follows", "object_moves"]

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
