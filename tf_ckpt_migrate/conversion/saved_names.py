"""What a checkpoint is to hold for those who read it in the other way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import Contents, Reference, Value
from tf_ckpt_migrate.conversion.dual_keys import check_free
from tf_ckpt_migrate.conversion.graph_build import (
    built_graph,
    guide_graph,
    joined_graphs,
)
from tf_ckpt_migrate.conversion.layout import guide_keys, is_object_key, layout_of
from tf_ckpt_migrate.conversion.named_moves import named_moves
from tf_ckpt_migrate.conversion.output import save_counter, string_value
from tf_ckpt_migrate.conversion.saved import Keys, named_contents
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY, ObjectKey

__all__ = ["name_contents", "object_contents"]


def name_contents(saved: CheckpointReader, keys: Keys) -> Contents:
    """Return what an object-based checkpoint is to hold: its own names too, if asked.

    Args:
      saved: The checkpoint.
      keys: Which of its keys.

    Raises:
      PlanError: If variables have no names, or share them.
    """
    found = named_moves(saved, layout_of(saved), "full_name")
    return named_contents(saved, found.moves, keys)


def object_contents(
    saved: BundleReader,
    keys: Keys,
    names: Mapping[str, str] | None = None,
    graph: ObjectGraph | None = None,
) -> Contents:
    """Return what a name-based checkpoint is to hold: keys of objects, or both.

    Args:
      saved: The checkpoint.
      keys: ``"object"`` or ``"both"``.
      names: Of its tensors, by the key of an object; None for the layout of
        TensorFlow's guide.
      graph: The objects; None with that layout.

    Returns:
      The tensors under their keys, the object graph, and the counter of saves that
      ``tf.train.Checkpoint.restore`` asks for.

    Raises:
      PlanError: If a name is that of a key, or looks like one; or if a tensor would be
        lost, for it has no object, and names are not kept.
    """
    if names is None or graph is None:
        own = [*saved.index]
        named = dict(zip(guide_keys(own), own, strict=True))
        serialized = guide_graph(named.items())
    else:
        named = names
        serialized = _counted(graph)
    lost = saved.index.keys() - set(named.values())
    if keys == "object" and lost:
        raise PlanError(
            f'keys="object" would lose tensors of no object: '
            f'{", ".join(map(repr, capped(sorted(lost), 3)))}; save with keys="both", '
            "or give a target that has them",
            as_findings("lost", sorted(lost)),
        )
    check_free(saved, named)
    contents: dict[str, Reference | Value] = {
        key: Reference(saved, name) for key, name in named.items()
    }
    if keys == "both":
        _check_no_object_keys(saved.index)
        contents.update((name, Reference(saved, name)) for name in saved.index)
    contents.setdefault(SAVE_COUNTER_KEY, save_counter(saved.index.prefix))
    contents[OBJECT_GRAPH_KEY] = string_value(serialized)
    return contents


def _check_no_object_keys(names: Iterable[str]) -> None:
    if alike := [*filter(is_object_key, names)]:
        raise PlanError(
            f"{', '.join(map(repr, capped(alike, 3)))} is the name of a variable, but "
            "beside the keys of objects it would be taken for one; rename it",
            as_findings("name", alike),
        )


def _counted(graph: ObjectGraph) -> bytes:
    """Return a graph that has the counter of saves."""
    if len(graph) and "save_counter" in graph.children(0):
        return graph.serialized
    counter = (SAVE_COUNTER_KEY, ObjectKey(("save_counter",)), "save_counter")
    more = ObjectGraph(built_graph([counter]), "the counter of saves")
    return joined_graphs([graph, more])
