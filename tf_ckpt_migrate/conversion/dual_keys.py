"""Dual-keyed checkpoints: object paths and variable names for the same bytes.

TF2's ``tf.train.Checkpoint`` and TF1's ``Saver`` both restore such a checkpoint. Where
values stay, only its index differs, so keys are added and removed in place: the index
is replaced whole. What TF1 expects in another layout is written to one more data shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.writer import BundleWriter, Shard, replace_index
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import ConversionResult, move_contents
from tf_ckpt_migrate.conversion.layout import is_object_key, layout_of
from tf_ckpt_migrate.conversion.named_moves import named_moves
from tf_ckpt_migrate.conversion.output import committed
from tf_ckpt_migrate.conversion.rekey import raw_entries, same_bytes
from tf_ckpt_migrate.errors import LayoutError, PlanError, capped
from tf_ckpt_migrate.findings import Call, Message, Option, as_findings
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Unused
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.transforms.partition import parted

__all__ = ["add_name_keys", "check_free", "remove_name_keys"]


@without_collections
def add_name_keys(
    prefix: CheckpointLike,
    names: str | AssignmentMapLike | MigrationPlan = "full_name",
    *,
    unused: Unused = "error",
) -> ConversionResult:
    """Make an object-based checkpoint dual-keyed, in place.

    Its index is replaced atomically; its data shards are not touched. If rules change
    values (recipes, transposes), the computed tensors are written to one more shard,
    and the checkpoint is replaced as a whole: readers find the old one or the new one.

    Args:
      prefix: The checkpoint; anything that ``load_checkpoint`` takes.
      names: As for ``convert_tf2_to_tf1``, or a plan from the tensors of this
        checkpoint to names, such as the reverse of the plan that restored the model.
      unused: As for ``convert_tf2_to_tf1``.

    Returns:
      What was done; ``added`` has the names.

    Raises:
      LayoutError: If the checkpoint is not object-based, or dual-keyed already.
      PlanError: If there are no variables, or no rule fits one, or a name is that of a
        key, or TF1 cannot continue the training of an optimizer.
      OutputInUseError: If values are computed, and another writer is at work on this
        prefix.
      OSError: If a write fails; the checkpoint is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     add_name_keys(tf2).added
      ('net/w',)
    """
    reader = as_reader(prefix)
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
    check_free(bundle, [move.target for move in found.moves])
    moves = [*_kept(reader, reader.specs), *found.moves]
    computed = tuple(move.target for move in moves if not move.is_plain)
    shards: tuple[Shard, ...] = ()
    if computed:
        shards = _write_again(reader, bundle, moves)
    else:
        _replace(bundle, moves)
    return ConversionResult(
        reader.prefix,
        len(moves),
        shards,
        computed,
        added=tuple(move.target for move in found.moves),
        notes=(*_without_names(found.dropped), *found.notes, *found.made.notes),
        verdicts=found.made.verdicts,
    )


def _kept(reader: CheckpointReader, keys: Iterable[str]) -> list[Move]:
    """Return the moves of tensors that keep their keys."""
    return [Move((key,), key, None, reader.specs[key]) for key in keys]


def _without_names(dropped: Sequence[Dropped]) -> list[str]:
    """Return a note of what keeps only its key: nothing is lost, so none is dropped."""
    if not dropped:
        return []
    keys = capped([f"{key} ({reason})" for key, reason in dropped], 3)
    return [f"without a name, by the map: {', '.join(keys)}"]


@without_collections
def remove_name_keys(
    prefix: CheckpointLike,
    names: AssignmentMapLike | MigrationPlan | None = None,
    *,
    unused: Unused = "error",
) -> ConversionResult:
    """Make a dual-keyed checkpoint object-based again, in place.

    Args:
      prefix: The checkpoint; anything that ``load_checkpoint`` takes.
      names: The rules or the plan that named the variables, if they changed values. The
        named tensors are computed again, and removed if they are still equal.
      unused: As for `add_name_keys`, where ``names`` was given.

    Returns:
      What was done; ``dropped`` has the names.

    Raises:
      LayoutError: If the checkpoint has no object graph, or no names to remove, or a
        named tensor that is neither the bytes of an object-based key nor computed by
        ``names``.
      PlanError: If ``names`` does not fit the object-based keys.
      OutputInUseError: If names were computed, and another writer is at work on this
        prefix.
      OSError: If a write fails; the checkpoint is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     dual = add_name_keys(tf2)
      ...     remove_name_keys(dual).keys
      3
    """
    reader = as_reader(prefix)
    if reader.object_graph is None:
        raise LayoutError(
            f"{reader.prefix!r} is {reader.format}: its names are all that it has, and "
            "only a dual-keyed checkpoint can do without"
        )
    bundle = _object_based(reader)
    own = _names(reader)
    if not own:
        raise LayoutError(f"{reader.prefix!r} is object-based and has no name keys")
    kept = [key for key in bundle.index if is_object_key(key)]
    doubled = same_bytes(bundle.index, own, kept)
    alone = [name for name in own if name not in doubled]
    if alone:
        _check_computed(reader, alone, names, unused)
    moves = _kept(reader, [*kept, OBJECT_GRAPH_KEY])
    shards: tuple[Shard, ...] = ()
    if alone:  # their data shard goes too
        shards = _write_again(reader, bundle, moves)
    else:
        _replace(bundle, moves)
    why = "the name of a variable that has an object-based key"
    return ConversionResult(
        reader.prefix,
        len(moves),
        shards,
        dropped=tuple(Dropped(name, why) for name in own),
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


def _check_computed(
    reader: CheckpointReader,
    alone: Sequence[str],
    names: AssignmentMapLike | MigrationPlan | None,
    unused: Unused,
) -> None:
    """Check that named tensors can be computed again from those of the objects.

    Raises:
      LayoutError: If one cannot.
    """
    shown = ", ".join(map(repr, capped(alone)))
    if names is None:
        raise LayoutError(
            f"{reader.prefix!r}: {len(alone)} named tensors are not the bytes of any "
            f"object-based key, so they would be lost: {shown}. If a map with recipes "
            "or transforms computed them, pass it: remove_name_keys(prefix, "
            "names=MAP). To drop them on purpose use prune"
        )
    layout = layout_of(reader)
    objects = {key: each for key, each in layout.specs.items() if is_object_key(key)}
    found = named_moves(reader, layout._replace(specs=objects), names, unused)
    moves = {move.target: move for move in found.moves}
    differing = [
        name
        for name in alone
        if name not in moves or not _is_equal(reader, name, moves[name])
    ]
    if differing:
        raise LayoutError(
            f"{reader.prefix!r}: these named tensors are not what names= computes from "
            f"the object-based keys, so they would be lost: "
            f"{', '.join(map(repr, capped(differing)))}. Pass the rules that named "
            "them; to drop them on purpose use prune"
        )


def _is_equal(reader: CheckpointReader, name: str, move: Move) -> bool:
    """Return whether a tensor is, bit for bit, what a move makes."""
    how, _ = parted(move.transform)
    values = [reader.part(key) for key in move.sources]
    made = values[0] if how is None else how(*values)
    stored = reader.part(name)
    if (stored.dtype, stored.shape) != (made.dtype, made.shape):
        return False
    if stored.dtype.hasobject:
        return bool((stored == made).all())
    return stored.tobytes() == made.tobytes()


def _replace(bundle: BundleReader, moves: Iterable[Move]) -> None:
    """Replace the index by one of other keys for the same bytes."""
    index = bundle.index
    entries: Mapping[bytes, bytes] = {
        name: raw
        for move in moves
        for name, raw in raw_entries(index, move.sources[0], move.target)
    }
    replace_index(index.prefix, entries, index.header)


def _write_again(
    reader: CheckpointReader, bundle: BundleReader, moves: Iterable[Move]
) -> tuple[Shard, ...]:
    """Replace a checkpoint by one of its own data files, and computed values."""
    big_endian = bundle.index.big_endian
    with BundleWriter(reader.prefix, overwrite=True, big_endian=big_endian) as writer:
        return committed(writer, move_contents(reader, moves))
