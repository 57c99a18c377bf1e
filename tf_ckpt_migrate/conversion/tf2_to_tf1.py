"""From object-based checkpoints to name-based ones."""

from __future__ import annotations

import os
from typing import Any

from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.convert import ConversionResult, convert
from tf_ckpt_migrate.conversion.layout import (
    Layout,
    is_object_key,
    layout_of,
)
from tf_ckpt_migrate.conversion.named_moves import NamedMoves, named_moves
from tf_ckpt_migrate.errors import LayoutError
from tf_ckpt_migrate.findings import RENAMING, Call, InPython, Message
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Dropped, Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.resolution import Missing, Unused

__all__ = ["convert_tf2_to_tf1", "plan_tf2_to_tf1"]


@without_collections
def plan_tf2_to_tf1(
    checkpoint_path: CheckpointLike,
    names: str | AssignmentMapLike = "full_name",
    *,
    like: CheckpointLike | None = None,
    unused: Unused = "error",
    missing: Missing = "error",
) -> MigrationPlan:
    """Decide what ``convert_tf2_to_tf1`` will do; the arguments are the same.

    Raises:
      LayoutError: If the checkpoint is name-based already, or ``like`` is not.
      PlanError: If there are no variables, or no rule fits one; or if an optimizer
        cannot go on.
    """
    reader = as_reader(checkpoint_path)
    if reader.object_graph is None:
        raise LayoutError(
            Message(
                f"{reader.prefix!r} is {reader.format} and holds no object graph, so "
                "it is name-based (TF1) already. To rename its keys use ",
                Call("convert", RENAMING),
                "; to make it object-based (TF2) use ",
                Call("convert_tf1_to_tf2"),
            )
        )
    goal = None if like is None else _named(like)
    layout = layout_of(reader)
    found = _moves(reader, layout, names, unused=unused, like=goal, missing=missing)
    bookkeeping = [Dropped(key, _why_dropped(key)) for key in layout.bookkeeping]
    plan = MigrationPlan(
        reader.prefix,
        "" if goal is None else goal.prefix,
        layout.everything,
        found.moves,
        (*found.dropped, *found.bookkeeping, *bookkeeping),
        found.kept_targets,
        notes=found.notes,
    )
    return found.made.told_in(plan)


def _named(like: CheckpointLike) -> CheckpointReader:
    reader = as_reader(like)
    if reader.object_graph is not None:
        raise LayoutError(
            Message(
                InPython("like=", "--like="),
                f"{reader.prefix!r} is {reader.format}; give a name-based (TF1) one",
            )
        )
    return reader


def _why_dropped(key: str) -> str:
    if key.startswith("save_counter/"):
        return "the counter of saves, which TF1 does not have"
    return "bookkeeping of TF2, which TF1 does not have"


def _moves(
    reader: CheckpointReader, layout: Layout, names: str | AssignmentMapLike, **how: Any
) -> NamedMoves:
    named = {key: s for key, s in layout.specs.items() if not is_object_key(key)}
    if not named:
        return named_moves(reader, layout, names, **how)
    # A dual-keyed checkpoint has its names already.
    same = tuple(Move((key,), key, None, spec) for key, spec in named.items())
    dropped = tuple(
        Dropped(key, "the object-based key of a dual-keyed checkpoint")
        for key in layout.tensors
        if key not in named
    )
    note = (
        f"{reader.prefix!r} is dual-keyed: it keeps the names that it has, whatever "
        "names= and like= say; for others call remove_name_keys first"
    )
    is_asked = names != "full_name" or how["like"] is not None
    return NamedMoves(same, dropped, notes=(note,) if is_asked else ())


@without_collections
def convert_tf2_to_tf1(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    names: str | AssignmentMapLike = "full_name",
    *,
    like: CheckpointLike | None = None,
    unused: Unused = "error",
    missing: Missing = "error",
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
) -> ConversionResult:
    """Convert an object-based checkpoint (TF2) to a name-based one (TF1).

    ``tf.compat.v1.train.Saver`` restores the result into variables of these names. What
    only TF2 knows (the object graph, the counter of saves, configurations, iterators,
    lookup tables, sums of metrics) is left behind, and the result lists it.

    Args:
      checkpoint_path: The checkpoint to convert; anything that ``load_checkpoint``
        takes.
      output_prefix: Prefix of the checkpoint to write, exactly as given.
      names: ``"full_name"`` takes the variable names that the object graph holds, and
        the object paths of those that have no name of their own, which a note lists;
        ``"key"`` the object paths (``model/dense/kernel``); an assignment map renames
        those object paths, for instance ``{"vars/": "/"}``; in it a variable may go by
        its own name as well, and ``Recipe("optimizer", "optimizer", "Adam")`` stands
        for all that TF1's Adam needs to go on from that of Keras.
      like: A name-based checkpoint (TF1) whose tensors the result is to have, each of
        them and no others.
      unused: What becomes of a tensor that no rule of the map fits: ``"error"``,
        ``"keep"`` or ``"drop"``.
      missing: What becomes of a tensor of ``like`` that nothing is assigned to:
        ``"error"``, or ``"keep"`` the value it has there.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: ``"link"`` hard-links data shards, ``"copy"`` copies them, ``"auto"`` links
        where the file system can.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.

    Returns:
      What was written, and how; as a path it is ``output_prefix``.

    Raises:
      LayoutError: If the checkpoint is name-based already.
      PlanError: If there are no variables, or no rule fits one.
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If the checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
      >>> with example_checkpoint({"net/w": [1.0, 2.0]}) as prefix:
      ...     tf2 = convert_tf1_to_tf2(prefix, prefix + "-tf2")
      ...     print(*as_reader(convert_tf2_to_tf1(tf2, prefix + "-tf1")))
      net/w
    """
    reader = as_reader(checkpoint_path)
    return convert(
        plan_tf2_to_tf1(reader, names, like=like, unused=unused, missing=missing),
        output_prefix,
        source=reader,
        overwrite=overwrite,
        data=data,
        update_state_file=update_state_file,
        object_graph=False,
    )
