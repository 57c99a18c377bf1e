"""Follows a renaming in the object graph: keys, edges and slots.

TensorFlow finds a variable by walking the edges of the graph, not by its key. So when
``model/encoder/...`` becomes ``model/bert/...`` the edge ``encoder`` becomes ``bert``:
the whole object moves, with whatever else refers to it. Where only some variables of an
object move, they move alone. What loses its value goes, so that TensorFlow says that it
is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.conversion.graph_edit import (
    Moves,
    check_values,
    drop_emptied,
    drop_empty_slots,
    follows,
    move_objects,
    object_moves,
)
from tf_ckpt_migrate.errors import LayoutError
from tf_ckpt_migrate.naming.keys import ObjectKey, parse_object_key

__all__ = ["rewritten_graph"]

_Addition = tuple[str, ObjectKey, str]


def rewritten_graph(graph: ObjectGraph, renames: Mapping[str, Sequence[str]]) -> bytes:
    """Return an object graph whose keys, and the objects they belong to, are renamed.

    Args:
      graph: The graph of the source.
      renames: For each key of the source its keys in the output; a key that is not
        here is dropped: the graph no longer mentions it.

    Returns:
      The graph, serialized.

    Raises:
      LayoutError: If several tensors of one object are not renamed alike, or two would
        be the value of one object.
      CorruptCheckpointError: If the graph contradicts the keys.
    """
    attributes = _attribute_renames(graph, renames)
    moves = object_moves(graph, attributes)

    def edit(message: Any) -> None:
        additions, emptied = _set_keys(message, attributes, moves)
        drop_empty_slots(message)
        drop_emptied(message, emptied)
        if not moves and not additions:
            return
        tree = move_objects(message, moves)
        for addition in additions:
            tree.add(*addition)
        check_values(message)
        for node in message.nodes:  # what TensorFlow then finds out for itself
            node.ClearField("has_checkpoint_values")

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
    message: Any, renames: Mapping[str, Sequence[str]], moves: Moves
) -> tuple[list[_Addition], set[int]]:
    """Replace keys, and take away attributes that go elsewhere than their objects.

    Returns:
      What to add: keys, taken apart, with full names; and the nodes that lost a value.
    """
    additions: list[_Addition] = []
    emptied: set[int] = set()
    for number, node in enumerate(message.nodes):
        for at in reversed(range(len(node.attributes))):
            attribute = node.attributes[at]
            news = list(renames.get(attribute.checkpoint_key, ()))
            stays = bool(news) and _stays(attribute, news[0], moves)
            if stays:
                attribute.checkpoint_key = news.pop(0)
            for key in news:
                if (parsed := parse_object_key(key)) is not None:
                    additions.append((key, parsed, attribute.full_name))
            if not stays:
                del node.attributes[at]
                emptied.add(number)
    return additions, emptied


def _stays(attribute: Any, key: str, moves: Moves) -> bool:
    """Return whether a tensor stays with its object; a plain name says no other."""
    old, new = parse_object_key(attribute.checkpoint_key), parse_object_key(key)
    if new is None:
        return True
    if old is None or not follows(old, new, moves):
        return False
    if old.attribute != new.attribute:
        attribute.name = new.attribute
    return True
