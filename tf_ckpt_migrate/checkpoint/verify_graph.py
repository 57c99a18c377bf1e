"""Checks the object graph of a checkpoint and its keys against each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator

from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.errors import CheckpointError, capped, nearest
from tf_ckpt_migrate.naming.keys import parse_object_key

__all__ = ["graph_problems"]

_HINTED = 10


def graph_problems(
    reader: CheckpointReader, unreadable: Container[str]
) -> Iterator[str]:
    """Yield what is wrong between the object graph and the keys of a checkpoint.

    Args:
      reader: Of the checkpoint.
      unreadable: Keys whose tensors are known to be damaged; of a damaged graph nothing
        more is said.
    """
    if OBJECT_GRAPH_KEY not in reader or OBJECT_GRAPH_KEY in unreadable:
        return
    try:
        graph = reader.object_graph
    except CheckpointError as error:
        yield str(error)
        return
    if graph is not None:
        yield from _compared(graph, reader)


def _compared(graph: ObjectGraph, reader: CheckpointReader) -> Iterator[str]:
    named = {attribute.checkpoint_key for attribute in graph.attributes}
    orphans = sorted(
        key for key in reader if parse_object_key(key) and key not in named
    )
    absent: list[str] = []
    found: set[str] = set()
    for name in sorted(named.difference(reader)):
        # An object of several tensors names what their keys begin with.
        tensors = list(_beginning_with(name, orphans))
        found.update(tensors)
        absent += [] if tensors else [name]
    for number, name in enumerate(absent):
        # Each hint costs a look at all keys.
        near = nearest(name, reader, 1) if number < _HINTED else []
        hint = "".join(f"; nearest: {key!r}" for key in near)
        yield (
            f"{reader.prefix}: the object graph names key {name!r}, which the "
            f"checkpoint does not have{hint}"
        )
    if unnamed := [key for key in orphans if key not in found]:
        yield (
            f"{reader.prefix}: the object graph does not name {len(unnamed):,} of the "
            f"object keys, so that no restore will find them: "
            f"{', '.join(capped(map(repr, unnamed), 3))}"
        )


def _beginning_with(start: str, ordered: list[str]) -> Iterator[str]:
    position = bisect_left(ordered, start)
    while position < len(ordered) and ordered[position].startswith(start):
        yield ordered[position]
        position += 1
