"""Name-based checkpoints become dual-keyed, in place: the mirror of `add_name_keys`."""

from __future__ import annotations

import os

from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import ConversionResult
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.live_objects import seen_as_checkpoint
from tf_ckpt_migrate.conversion.output import committed, kept_counter, taken_from
from tf_ckpt_migrate.conversion.saved_names import object_contents
from tf_ckpt_migrate.conversion.tf1_to_tf2 import plan_tf1_to_tf2
from tf_ckpt_migrate.errors import LayoutError, TransformError, capped
from tf_ckpt_migrate.findings import Call, Message
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Unused
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY

__all__ = ["add_object_keys"]


@without_collections
def add_object_keys(
    prefix: CheckpointLike,
    assignment_map: AssignmentMapLike | None = None,
    *,
    like: CheckpointLike | CheckpointView | None = None,
    target: object = None,
    unused: Unused = "error",
) -> ConversionResult:
    """Make a name-based checkpoint dual-keyed, in place.

    It keeps its names and gets the keys and the object graph that
    ``convert_tf1_to_tf2`` would write, for the same bytes. A reader finds what it was
    or what it is to be at any time; the data shards are renamed, for one more is added.

    Args:
      prefix: The checkpoint; anything that ``load_checkpoint`` takes.
      assignment_map: As of ``convert_tf1_to_tf2``, but values cannot be transformed.
      like: As of ``convert_tf1_to_tf2``.
      target: As of ``convert_tf1_to_tf2``.
      unused: What becomes of a name without an object: ``"error"``, or ``"keep"``,
        as the name alone.

    Returns:
      What was done; ``added`` has the keys.

    Raises:
      LayoutError: If the checkpoint has an object graph, or format V1.
      PlanError: If anything is not accounted for; its ``problems`` list every finding.
      TransformError: If a rule transforms a value.
      OutputInUseError: If another writer is at work on this prefix.
      OSError: If a write fails; the checkpoint is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     print(*add_object_keys(prefix).added)
      vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE save_counter/.ATTRIBUTES/VARIABLE_VALUE \
_CHECKPOINTABLE_OBJECT_GRAPH
    """
    reader = as_reader(prefix)
    bundle = _name_based(reader)
    if target is not None:
        like = seen_as_checkpoint(target)
    view = as_reader(like) if isinstance(like, str | os.PathLike) else like
    plan = plan_tf1_to_tf2(
        reader,
        assignment_map,
        like=view,
        unused="drop" if unused == "keep" else unused,
    )
    names = _names_by_key(plan)
    graph = None if view is None else view.object_graph
    big_endian = bundle.index.big_endian
    contents = {**object_contents(bundle, "both", names, graph)}
    if view is not None:
        for name, *_ in plan.kept_targets:
            contents[name] = taken_from(view, name, big_endian=big_endian)
            if name == SAVE_COUNTER_KEY and (made := kept_counter(reader.prefix, view)):
                contents[name] = made
    with BundleWriter(reader.prefix, overwrite=True, big_endian=big_endian) as writer:
        shards = committed(writer, contents)
    added = (*names, SAVE_COUNTER_KEY, OBJECT_GRAPH_KEY)
    return ConversionResult(
        reader.prefix, len(contents), shards, added=added, notes=plan.notes
    )


def _name_based(reader: CheckpointReader) -> BundleReader:
    if reader.bundle is None or reader.object_graph is not None:
        raise LayoutError(
            Message(
                f"{reader.prefix!r} is {reader.format}; only a name-based checkpoint "
                "of format V2 gets object keys in place. Names are added to an "
                "object-based one by ",
                Call("add_name_keys", "prefix"),
                "; others are written anew by ",
                Call("convert_tf1_to_tf2", "checkpoint_path, output_prefix"),
            )
        )
    return reader.bundle


def _names_by_key(plan: MigrationPlan) -> dict[str, str]:
    changed = [move.target for move in plan.moves if move.transform is not None]
    if changed:
        raise TransformError(
            Message(
                f"the map transforms {', '.join(map(repr, capped(changed, 3)))}, but "
                "both keys of a dual-keyed checkpoint are for the same bytes; write "
                "another one with ",
                Call("convert_tf1_to_tf2", "checkpoint_path, output_prefix"),
            )
        )
    return {move.target: move.sources[0] for move in plan.moves}
