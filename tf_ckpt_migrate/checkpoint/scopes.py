"""Groups keys by scope, as deep as it takes to be telling and as few as can be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from tf_ckpt_migrate.naming.keys import parse_object_key

__all__ = ["grouped_by_scope"]

_MOST_GROUPS = 40

_Path: TypeAlias = "tuple[str, ...]"


def grouped_by_scope(homes: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys below each scope; a scope of more than half of them is divided.

    Args:
      homes: For each key the one in whose scope it is: itself, or for a slot variable
        that of its variable. Of an object-based key its path counts, and a variable
        name kept in it as one component counts as the scopes that it names.

    Returns:
      Scopes with their keys, both in the order of ``homes``; "" is no scope. Where too
      many scopes differ in numbers only, they are one: ``layer_*/``.

    Example:
      >>> grouped_by_scope({"n/a/w": "n/a/w", "n/a/w/Adam": "n/a/w", "step": "step"})
      {'n/a/': ['n/a/w', 'n/a/w/Adam'], '': ['step']}
    """
    names: dict[str, str] = {}  # each once: scopes come again and again
    paths = {key: _path(home, names) for key, home in homes.items()}
    groups: dict[_Path, list[str]] = {(): [*paths]} if paths else {}
    while groups:
        largest = max(groups, key=lambda scope: len(groups[scope]))
        if largest and 2 * len(groups[largest]) <= len(paths):
            break
        inside = {key: paths[key] for key in groups[largest]}
        common = _common_scope(inside)
        if len(common) > len(largest):  # at once: a name may have many scopes
            groups = _replaced(groups, largest, {common: groups[largest]})
            continue
        parts = _divided(largest, inside)
        if len(groups) + len(parts) > _MOST_GROUPS + 1:
            inside = _without_numbers(inside, len(largest))
            parts = _divided(largest, inside)
        if parts.keys() == {largest} or len(groups) + len(parts) > _MOST_GROUPS + 1:
            break
        paths |= inside
        groups = _replaced(groups, largest, parts)
    return {"".join(f"{name}/" for name in scope): groups[scope] for scope in groups}


def _path(key: str, names: dict[str, str]) -> _Path:
    parsed = parse_object_key(key)
    path = "/".join(parsed.path) if parsed else key
    return tuple(names.setdefault(name, name) for name in path.split("/"))


def _common_scope(paths: dict[str, _Path]) -> _Path:
    """Return the deepest scope that all keys are in."""
    first, last = min(paths.values())[:-1], max(paths.values())[:-1]
    pairs = enumerate(zip(first, last, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(first), len(last)))
    return first[:end]


def _divided(scope: _Path, paths: dict[str, _Path]) -> dict[_Path, list[str]]:
    """Group keys of a scope by the next scope; those without one stay in it."""
    depth = len(scope) + 1
    groups: dict[_Path, list[str]] = {}
    for key, path in paths.items():
        groups.setdefault(path[:depth] if len(path) > depth else scope, []).append(key)
    return groups


def _without_numbers(paths: dict[str, _Path], depth: int) -> dict[str, _Path]:
    """Return paths with ``*`` for every number in the scope at ``depth``."""
    return {
        key: (*path[:depth], re.sub(r"\d+", "*", path[depth]), *path[depth + 1 :])
        if len(path) > depth + 1
        else path
        for key, path in paths.items()
    }


def _replaced(
    groups: dict[_Path, list[str]], scope: _Path, parts: dict[_Path, list[str]]
) -> dict[_Path, list[str]]:
    replaced: dict[_Path, list[str]] = {}
    for each, keys in groups.items():
        replaced |= parts if each == scope else {each: keys}
    return replaced
