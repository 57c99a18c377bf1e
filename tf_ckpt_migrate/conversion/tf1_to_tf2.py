"""From name-based checkpoints to object-based ones."""

from __future__ import annotations

import os

from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import ConversionResult, convert
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    guide_key,
    guide_keys,
    is_object_key,
    layout_of,
)
from tf_ckpt_migrate.conversion.live_objects import seen_as_checkpoint
from tf_ckpt_migrate.conversion.partitions import with_layouts
from tf_ckpt_migrate.conversion.planning import Averages, plan_like, untouched_by
from tf_ckpt_migrate.errors import LayoutError, TargetError
from tf_ckpt_migrate.findings import RENAMING, Call, Message
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move, plain_moves
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing, Unused, check_choices, resolve
from tf_ckpt_migrate.names.rules import Drop
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY

__all__ = ["convert_tf1_to_tf2", "is_object_based", "plan_tf1_to_tf2"]


@without_collections
def plan_tf1_to_tf2(  # noqa: PLR0913 the options of the conversion, by keyword
    checkpoint_path: CheckpointLike,
    assignment_map: AssignmentMapLike | None = None,
    *,
    like: CheckpointLike | CheckpointView | None = None,
    unused: Unused = "error",
    missing: Missing = "error",
    averages: Averages | None = None,
) -> MigrationPlan:
    """Decide what ``convert_tf1_to_tf2`` will do; the arguments are the same.

    Raises:
      LayoutError: If the checkpoint is object-based already.
      PlanError: If anything is not accounted for.
    """
    reader = as_reader(checkpoint_path)
    _check_name_based(reader)
    rules = AssignmentMap(assignment_map).with_averages(averages)
    if rules:
        check_choices(rules, reader.specs)
    # Of a dual-keyed checkpoint the names are the source; the same bytes have both.
    objects = [
        Drop(source=key, reason="the object-based key of a named tensor")
        for key in reader
        if reader.object_graph is not None and is_object_key(key)
    ]
    if like is not None:
        view = as_reader(like) if isinstance(like, str | os.PathLike) else like
        every = AssignmentMap([*rules, *objects])
        return plan_like(view, reader, every, unused, missing)
    specs = {key: spec for key, spec in reader.specs.items() if key != OBJECT_GRAPH_KEY}
    if not rules and not objects:
        moves = plain_moves(specs, guide_keys([*specs]), specs.values())
        return MigrationPlan(reader.prefix, "", specs, moves)
    aside = untouched_by([*rules, *objects], layout_of(reader).carried)
    found = resolve(
        [*rules, *objects],
        {key: spec for key, spec in specs.items() if key not in aside},
        unused="keep" if assignment_map is None else unused,
    )
    kept = plain_moves(aside, [*aside], aside.values())
    moves = map(_in_guide_layout, (*with_layouts(reader, found.moves), *kept))
    return MigrationPlan(
        reader.prefix, "", specs, tuple(moves), found.dropped, notes=found.notes
    )


def is_object_based(reader: CheckpointReader) -> bool:
    """Return whether a checkpoint has objects, and no names beside them."""
    variables = (key for key in reader if key != OBJECT_GRAPH_KEY)
    return reader.object_graph is not None and all(map(is_object_key, variables))


def _check_name_based(reader: CheckpointReader) -> None:
    if is_object_based(reader):
        raise LayoutError(
            Message(
                f"{reader.prefix!r} is object-based already (TF2). To rename its keys "
                "use ",
                Call("convert", RENAMING),
                "; to make it name-based (TF1) use ",
                Call("convert_tf2_to_tf1"),
            )
        )


def _in_guide_layout(move: Move) -> Move:
    if is_object_key(move.target) and not move.is_kept:
        return move
    return Move(move.sources, guide_key(move.target), move.transform, move.spec)


@without_collections
def convert_tf1_to_tf2(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    assignment_map: AssignmentMapLike | None = None,
    *,
    like: CheckpointLike | CheckpointView | None = None,
    target: object = None,
    unused: Unused = "error",
    missing: Missing = "error",
    averages: Averages | None = None,
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
) -> ConversionResult:
    """Convert a name-based checkpoint (TF1) to an object-based one (TF2).

    The result has the layout of TensorFlow's migration guide, which
    ``tf.train.Checkpoint(vars={name: variable, ...}).restore(output_prefix)`` restores;
    or, with ``like``, the keys and the object graph of another checkpoint, and so the
    object paths of the model that saved it; or, with ``target``, those of a live model.

    Args:
      checkpoint_path: The checkpoint to convert, of format V2 or V1; anything that
        ``load_checkpoint`` takes.
      output_prefix: Prefix of the checkpoint to write, exactly as given: no number is
        added. The counter of saves is the number at its end, or 1, so that after a
        restoration the next ``tf.train.Checkpoint.save`` does not replace the output.
      assignment_map: Rules from names in the checkpoint to names in the result: keys or
        variable names of ``like``, or new variable names. None keeps the names.
      like: An object-based checkpoint whose layout the result is to have.
      target: An object of this program whose layout the result is to have, in place of
        ``like``: a Keras model, a ``tf.train.Checkpoint``, a ``tf.Module``, or
        variables in a dict or list. It stays as it is. This needs TensorFlow.
      unused: What becomes of a source tensor without a place: ``"error"``,
        ``"keep"`` or ``"drop"``.
      missing: What becomes of a tensor of ``like`` or ``target`` without a source:
        ``"error"``, or ``"keep"`` its value there.
      averages: What variables get whose moving averages are there: ``"average"``,
        ``"raw"`` (their own values) or ``"both"``; None leaves it to the map. See
        ``docs/recipes.md``.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: ``"link"`` hard-links data shards, ``"copy"`` copies them, ``"auto"`` links
        where the file system can.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.

    Returns:
      What was written, and how; as a path it is ``output_prefix``.

    Raises:
      LayoutError: If the checkpoint is object-based already.
      PlanError: If anything is not accounted for; its ``problems`` list every finding.
      TargetError: If ``target`` is no object that has variables, or has none yet; or
        if ``like`` is given too.
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If a checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     print(*sorted(as_reader(convert_tf1_to_tf2(prefix, prefix + "-tf2"))))
      _CHECKPOINTABLE_OBJECT_GRAPH save_counter/.ATTRIBUTES/VARIABLE_VALUE \
vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE
    """
    reader = as_reader(checkpoint_path)
    if target is not None:
        if like is not None:
            raise TargetError("both like= and target= are given; the layout is of one")
        like = seen_as_checkpoint(target)
    plan = plan_tf1_to_tf2(
        reader,
        assignment_map,
        like=like,
        unused=unused,
        missing=missing,
        averages=averages,
    )
    return convert(
        plan,
        output_prefix,
        source=reader,
        target=like,
        overwrite=overwrite,
        data=data,
        update_state_file=update_state_file,
    )
