"""Restores any checkpoint into live objects: all of it, or an error and nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tf_ckpt_migrate.bundle.reader import in_order, suits_a_thread
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.reopening import reopening
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.planning import Averages
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.findings import Message, message_of
from tf_ckpt_migrate.live.layer_notes import notes_on_layers, notes_on_layers_left
from tf_ckpt_migrate.live.optimizers import with_live_optimizers
from tf_ckpt_migrate.live.parts import Parts
from tf_ckpt_migrate.live.planning import (
    LivePlan,
    Transforms,
    bound,
    check_unused,
    plan_restore,
)
from tf_ckpt_migrate.live.report import RestoreReport
from tf_ckpt_migrate.live.sessions import check_loadable, load, session_to_use
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import assign
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.resolution import Missing, check_choices
from tf_ckpt_migrate.naming.catalog import catalog_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["execute", "plan_for_objects", "restore", "value_of"]


@without_collections
@reopening
def restore(  # noqa: PLR0913 one call for all, its options by keyword
    ckpt_dir_or_file: CheckpointLike,
    target: object,
    assignment_map: AssignmentMapLike | None = None,
    *,
    transforms: Transforms | None = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "error",
    averages: Averages | None = None,
    session: Any = None,
) -> RestoreReport:
    """Restore a checkpoint of any kind into variables, a module or a model.

    Every tensor of the checkpoint must have a variable and every variable a tensor, of
    its dtype and shape, or be left out on purpose. Whatever is wrong is said in one
    error, and then no variable has changed: checksums too are checked before the first
    assignment.

    A name-based checkpoint (TF1) meets variables by their names, an object-based one by
    its keys; in the map and in a checkpoint a variable may go by its name, by the path
    of its object, or by its key. Of a dual-keyed checkpoint the keys count if no map is
    given and the target has any of them, else the names.

    Lookup tables, iterators and TensorFlow's bookkeeping (the counter of saves) keep
    what they have; ``tf.train.Checkpoint`` restores them.

    Args:
      ckpt_dir_or_file: What ``load_checkpoint`` takes, or its result.
      target: What has the variables: a Keras model, layer or optimizer, a
        ``tf.Module``, a ``tf.train.Checkpoint``, or a list of variables, or a dict of
        variables by name. Keras objects must be built. Variables may be partitioned,
        sharded, or of a distribution strategy.
      assignment_map: Rules from names in the checkpoint to variables, as
        ``AssignmentMap`` takes them; a transform belongs to its rule. A variable may
        stand for its name. ``Recipe("optimizer", "Adam", "optimizer")`` stands for all
        that a Keras optimizer needs to go on from that of TF1, and its report has a
        verdict on each; see ``docs/optimizers.md``.
      transforms: By the name of a variable or of a tensor, what is done to the value on
        its way, after what its rule does: a transform, or a function that takes an
        array and returns one of the variable's dtype and shape.
      unused: What becomes of a tensor without a variable: ``"error"``, or ``"drop"``
        leaves it behind.
      missing: What becomes of a variable without a tensor: ``"error"``, or ``"keep"``
        lets it have the value it has; a layer that is not built is then left out too.
        A list of roles lets only what is that to training: ``["slot", "optimizer",
        "step"]`` is for weights that go into a model with an optimizer. Seeds of Keras
        3 always may.
      averages: What variables get whose moving averages are there: ``"average"``, as
        for evaluation; ``"raw"``, their own values, and averages are left behind; or
        ``"both"``, averages to the averages of the target. None leaves it to the map,
        by ``Recipe("averages", …)``; see ``docs/recipes.md``.
      session: In a graph, the session that has the variables; None for the default one.
        Nothing is added to the graph, which may be finalized.

    Returns:
      What became of every tensor and every variable.

    Raises:
      PlanError: If anything is not accounted for; its ``problems`` list every finding.
      RuleError: If the map is not well formed, or names a variable of something else.
      UnbuiltTargetError: If a layer has no variables yet.
      TargetError: If the target is nothing that could be restored.
      CheckpointError: If the checkpoint cannot be read, or is damaged.
      GraphModeError: If there is no session in a graph, or a function is traced.
      TensorFlowNotFoundError: If TensorFlow is not installed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> module = tf.Module()
      >>> module.kernel = tf.Variable([0, 0], dtype=tf.int64)
      >>> with example_checkpoint({"net/w": [1, 2]}) as prefix:
      ...     report = restore(prefix, module, {"net/w": "kernel"})
      >>> module.kernel.numpy().tolist()
      [1, 2]
    """
    _check_not_swapped(ckpt_dir_or_file, target)
    session = session_to_use(session)
    reader = as_reader(ckpt_dir_or_file)
    plan, variables = plan_for_objects(
        reader,
        target,
        assignment_map,
        transforms=transforms,
        unused=unused,
        missing=missing,
        averages=averages,
    )
    execute(plan.moves, reader, variables, session)
    return RestoreReport(plan)


def _check_not_swapped(checkpoint: object, target: object) -> None:
    """Refuse a checkpoint where the objects belong, and objects in its place."""
    paths = (str, bytes, os.PathLike, CheckpointReader)
    if isinstance(target, paths) and not isinstance(checkpoint, paths):
        raise TypeError(
            "restore() takes a checkpoint first and the objects second, but got a "
            f"{type(checkpoint).__name__} and then {target!r}; swap them: "
            "restore(checkpoint, objects)"
        )


def plan_for_objects(  # noqa: PLR0913 what restore takes, by keyword
    reader: CheckpointReader,
    target: object,
    assignment_map: AssignmentMapLike | None = None,
    *,
    transforms: Transforms | None = None,
    unused: Literal["error", "drop"] = "error",
    missing: Missing | Collection[str] = "error",
    averages: Averages | None = None,
) -> LivePlan:
    """Return the plan that `restore` carries out, and the variables by its targets.

    Raises:
      CheckpointError: As of `restore`.
    """
    check_unused(unused)
    live = target if isinstance(target, LiveTarget) else LiveTarget(target)
    if missing != "keep":
        live.check_built()
    given = AssignmentMap(assignment_map)
    rules = given.with_averages(averages)
    check_choices(rules, reader.specs, catalog_of(reader))
    try:
        made = with_live_optimizers(reader, live, bound(rules, live))
        plan, variables = plan_restore(
            reader,
            live,
            made.rules,
            transforms=transforms,
            unused=unused,
            missing=missing,
            may_stay={**given.kept_targets, **made.may_stay},
        )
    except PlanError as error:
        if not (notes := notes_on_layers_left(reader, live)):
            raise
        text = Message.lines([message_of(error), "", *notes])
        raise PlanError(text, error.findings) from None
    plan = replace(plan, notes=(*plan.notes, *notes_on_layers(reader, live, plan)))
    return LivePlan(made.told_in(plan), variables)


def execute(
    moves: Sequence[Move],
    reader: CheckpointReader,
    variables: Mapping[str, Any],
    session: Any = None,
) -> None:
    """Assign every value, after all that can go wrong with one has been tried.

    Args:
      moves: Which tensors to assign.
      reader: The checkpoint.
      variables: By the targets of the moves.
      session: That of a graph's variables; None in eager mode.

    Raises:
      CheckpointError: If a tensor is damaged or cannot be computed; then nothing is
        assigned.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import plan_migration
      >>> w = tf.Variable([0], dtype=tf.int64)
      >>> with example_checkpoint({"w": [7]}) as prefix:
      ...     execute(plan_migration(prefix).moves, as_reader(prefix), {"w": w})
      >>> int(w[0])
      7
    """

    def prepare(move: Move) -> np.ndarray[Any, Any] | None:
        if not (move.is_plain or move.is_divided):
            return value_of(move, reader)
        reader.check(move.sources[0])
        return None

    def is_for_thread(move: Move) -> bool:
        return suits_a_thread(reader.specs[move.sources[0]].nbytes)

    computed: dict[str, np.ndarray[Any, Any]] = {}
    for move, value in zip(moves, in_order(prepare, moves, is_for_thread), strict=True):
        if value is not None:
            computed[move.target] = value
    values = _values(moves, reader, variables, computed)
    if session is None:
        for variable, value in values:
            assign(variable, value)
    else:
        check_loadable((variables[move.target] for move in moves), session)
        load(values, session)


def _values(
    moves: Iterable[Move],
    reader: CheckpointReader,
    variables: Mapping[str, Any],
    computed: dict[str, np.ndarray[Any, Any]],
) -> Iterator[tuple[Any, np.ndarray[Any, Any]]]:
    """Yield variables with their values: parts one by one, which may be large."""
    for move in moves:
        variable, source = variables[move.target], move.sources[0]
        if move.target in computed:
            yield variable, computed.pop(move.target)
        elif isinstance(variable, Parts):
            for part, box in variable.boxes():
                yield part, reader.read(source, box)
        else:
            yield variable, reader[source]


def value_of(move: Move, reader: CheckpointReader) -> np.ndarray[Any, Any]:
    """Return the value that a move brings, its checksum verified.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.conversion.planning import plan_migration
      >>> with example_checkpoint({"w": [1, 2]}) as prefix:
      ...     value_of(plan_migration(prefix).moves[0], as_reader(prefix)).tolist()
      [1, 2]
    """
    values = [reader.part(key) for key in move.sources]
    return values[0] if move.transform is None else move.transform(*values)
