"""Dual-keyed checkpoints: object paths and variable names for the same bytes.

TF2's ``tf.train.Checkpoint`` and TF1's ``Saver`` both restore such a checkpoint. Only
its index differs, so keys are added and removed in place: the index is replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.writer import replace_index
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import is_object_key, layout_of
from tf_ckpt_migrate.conversion.named_moves import named_moves
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.conversion.rekey import raw_entries, same_bytes
from tf_ckpt_migrate.conversion.result import ConversionResult
from tf_ckpt_migrate.errors import LayoutError, PlanError, capped
from tf_ckpt_migrate.findings import Call, Message, Option, as_findings
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.resolution import Unused
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["add_name_keys", "check_free", "remove_name_keys"]


@without_collections
def add_name_keys(
    prefix: CheckpointLike,
    names: str | AssignmentMapLike = "full_name",
    *,
    unused: Unused = "error",
) -> ConversionResult:
    """Make an object-based checkpoint dual-keyed, in place.

    Its index is replaced atomically; its data shards are not touched.

    Args:
      prefix: The checkpoint; anything that ``load_checkpoint`` takes.
      names: As for ``convert_tf2_to_tf1``.
      unused: As for ``convert_tf2_to_tf1``.

    Returns:
      What was done; ``added`` has the names.

    Raises:
      LayoutError: If the checkpoint is not object-based, or dual-keyed already.
      PlanError: If there are no variables, or no rule fits one, or a rule changes a
        value, or a name is that of a key.
      OSError: If the index cannot be written; the old one then stays.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     add_name_keys(tf2).added
      ('net/w',)
    """
    reader = opened(prefix)
    bundle = _object_based(reader)
    if named := _names(reader):
        raise LayoutError(
            Message(
                f"{reader.prefix!r} is dual-keyed already: it has {named[0]!r}; to "
                "name the variables otherwise call ",
                Call("remove_name_keys"),
                " first",
            )
        )
    found = named_moves(reader, layout_of(reader), names, unused)
    _check_plain(found.moves)
    pairs = [(move.sources[0], move.target) for move in found.moves]
    check_free(bundle, [name for _, name in pairs])
    keys = [(key, key) for key in bundle.index]
    _replace(bundle, [*keys, *pairs])
    return ConversionResult(
        reader.prefix,
        len(keys) + len(pairs),
        added=tuple(target for _, target in pairs),
        notes=(*_without_names(found.dropped), *found.notes),
    )


def _without_names(dropped: Sequence[Dropped]) -> list[str]:
    """Return a note of what keeps only its key: nothing is lost, so none is dropped."""
    if not dropped:
        return []
    keys = capped([f"{key} ({reason})" for key, reason in dropped], 3)
    return [f"without a name, by the map: {', '.join(keys)}"]


@without_collections
def remove_name_keys(prefix: CheckpointLike) -> ConversionResult:
    """Make a dual-keyed checkpoint object-based again, in place.

    Args:
      prefix: The checkpoint; anything that ``load_checkpoint`` takes.

    Returns:
      What was done; ``dropped`` has the names.

    Raises:
      LayoutError: If the checkpoint has no object graph, or no names to remove, or a
        named tensor that no object-based key refers to.
      OSError: If the index cannot be written; the old one then stays.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     dual = add_name_keys(tf2)
      ...     remove_name_keys(dual).keys
      3
    """
    reader = opened(prefix)
    if reader.object_graph is None:
        raise LayoutError(
            f"{reader.prefix!r} is {reader.format}: its names are all that it has, and "
            "only a dual-keyed checkpoint can do without"
        )
    bundle = _object_based(reader)
    names = _names(reader)
    if not names:
        raise LayoutError(f"{reader.prefix!r} is object-based and has no name keys")
    kept = [key for key in bundle.index if is_object_key(key)]
    _check_doubled(bundle, names, kept)
    kept.append(OBJECT_GRAPH_KEY)
    _replace(bundle, [(key, key) for key in kept])
    why = "the name of a variable that has an object-based key"
    return ConversionResult(
        reader.prefix,
        len(kept),
        dropped=tuple(Dropped(name, why) for name in names),
    )


def _object_based(reader: CheckpointReader) -> BundleReader:
    if reader.bundle is None or reader.object_graph is None:
        raise LayoutError(
            Message(
                f"{reader.prefix!r} is {reader.format} without an object graph; only "
                "an object-based checkpoint becomes dual-keyed. Make one with ",
                Call("convert_tf1_to_tf2", "checkpoint_path, output_prefix"),
            )
        )
    return reader.bundle


def _names(reader: CheckpointReader) -> list[str]:
    return [k for k in reader if not is_object_key(k) and k != OBJECT_GRAPH_KEY]


def _check_plain(moves: Iterable[Move]) -> None:
    changed = [str(move) for move in moves if not move.is_plain]
    if changed:
        raise PlanError(
            Message(
                "two keys of one tensor cannot have two values; ",
                Call("convert_tf2_to_tf1", ""),
                " makes a checkpoint of its own for TF1:\n  ",
                "\n  ".join(capped(changed)),
            ),
            as_findings("values_differ", changed),
        )


def check_free(bundle: BundleReader, names: Iterable[str]) -> None:
    """Check that names are no keys, nor what an index has another meaning for.

    Raises:
      PlanError: If one is.
    """
    taken = [
        name for name in names if not name or name[0] == "\0" or name in bundle.index
    ]
    if taken:
        raise PlanError(
            Message(
                f"{bundle.index.prefix!r}: {', '.join(map(repr, capped(taken, 3)))} "
                "cannot be the name of a variable: it is empty, begins with a zero "
                "byte, or is a key already; name the variables otherwise, for instance "
                "with ",
                Option("names", "key"),
            ),
            as_findings("name", taken),
        )


def _check_doubled(
    bundle: BundleReader, names: Iterable[str], kept: Iterable[str]
) -> None:
    """Check that the named tensors stay reachable by other keys."""
    doubled = same_bytes(bundle.index, names, kept)
    alone = [name for name in names if name not in doubled]
    if alone:
        raise LayoutError(
            f"{bundle.index.prefix!r}: {len(alone)} named tensors have no object-based "
            f"key, so they would be lost: {', '.join(map(repr, capped(alone)))}. "
            "To drop them on purpose use prune"
        )


def _replace(bundle: BundleReader, keys: Iterable[tuple[str, str]]) -> None:
    index = bundle.index
    entries: Mapping[bytes, bytes] = {
        name: raw
        for key, new_key in keys
        for name, raw in raw_entries(index, key, new_key)
    }
    replace_index(index.prefix, entries, index.header)
