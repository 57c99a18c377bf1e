"""The names that tensors of a checkpoint go by.

A name-based checkpoint has names. The tensors of an object-based one go by the names
that its object graph holds, or by the paths of their objects, or by their keys: by that
of the three under which all is found that is asked for, or else by any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import (
    guide_name,
    is_object_key,
    name_of_key,
    public_names,
)
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, parse_object_key

__all__ = ["all_names", "named_tensors", "without_own_names"]


def named_tensors(reader: CheckpointReader) -> list[dict[str, str]]:
    """Return the keys of tensors by their names, in each way in which they have names.

    Returns:
      For a name-based checkpoint its keys. For an object-based one by variable name
      (the object's path where that is missing or not the only one), by object path, by
      that without the underscores of Keras 3 if it has any, by key, and by any of these
      that mean one tensor; before these, for a dual-keyed one, the names among its
      keys.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0]}) as prefix:
      ...     named_tensors(CheckpointReader(prefix))
      [{'w': 'w'}]
    """
    keys = [key for key in reader.specs if key != OBJECT_GRAPH_KEY]
    graph = reader.object_graph
    if graph is None:
        return [{key: key for key in keys}]
    plain = {key: key for key in keys if not is_object_key(key)}
    objects = [key for key in keys if key not in plain]
    public = public_names(objects)
    paths = {key: _guide_name(key) or public[key] for key in objects}
    full_names = graph.full_names()
    names = {key: full_names.get(key) or paths[key] for key in objects}
    count = Counter(names.values())
    names = {k: name if count[name] == 1 else paths[k] for k, name in names.items()}
    ways = [names, paths]
    own = {key: _guide_name(key) or name_of_key(key) for key in objects}
    if own != paths:
        ways.append(own)
    ways.append({key: key for key in objects})
    found = [{name: key for key, name in way.items()} for way in ways]
    found.append(_clear(found))
    return [plain, *found] if plain else found


def _clear(ways: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the names that mean the same tensor in every way that has them."""
    meant: defaultdict[str, set[str]] = defaultdict(set)
    for way in ways:
        for name, key in way.items():
            meant[name].add(key)
    return {name: min(keys) for name, keys in meant.items() if len(keys) == 1}


def all_names(reader: CheckpointReader) -> dict[str, str]:
    """Return the keys of tensors by all their names.

    A name that means one tensor in one way and another in another way means the first:
    the names among keys come first, then those of variables, then paths, then keys.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"w": [1.0]}) as prefix:
      ...     all_names(CheckpointReader(prefix))
      {'w': 'w'}
    """
    found: dict[str, str] = {}
    for way in reversed(named_tensors(reader)):
        found.update(way)
    return found


def without_own_names(
    names: Mapping[str, str],
) -> tuple[list[str], dict[str, list[str]]]:
    """Return what names do not tell apart: the keys without one, and those that share.

    Args:
      names: By key; "" for none.

    Example:
      >>> without_own_names({"a": "w", "b": "w", "c": "b", "d": ""})
      (['d'], {'w': ['a', 'b']})
    """
    users: defaultdict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        users[name].append(key)
    nameless = users.pop("", [])
    return nameless, {name: keys for name, keys in users.items() if len(keys) > 1}


def _guide_name(key: str) -> str | None:
    parsed = parse_object_key(key)
    return guide_name(parsed) if parsed else None
