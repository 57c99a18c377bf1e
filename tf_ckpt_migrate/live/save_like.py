"""The way back: live values under the names, and in the layout, of a TF1 checkpoint."""

from __future__ import annotations

import os
from typing import Any

from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.output import write_output
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.conversion.result import ConversionResult
from tf_ckpt_migrate.errors import GraphModeError
from tf_ckpt_migrate.files.paths import path_of
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.optimizers import with_live_optimizers
from tf_ckpt_migrate.live.planning import (
    bound,
    goes_by_keys,
    other_half,
    plan_restore,
)
from tf_ckpt_migrate.live.target import built_target
from tf_ckpt_migrate.live.variables import value_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMap, AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move

__all__ = ["save_like"]


@without_collections
def save_like(
    ckpt_dir_or_file: CheckpointLike,
    target: object,
    assignment_map: AssignmentMapLike | None = None,
    *,
    output_prefix: str | os.PathLike[str],
    overwrite: bool = False,
) -> ConversionResult:
    """Save live values so that who wrote a checkpoint can go on from them.

    It is the reverse of ``restore`` with the same first three arguments: every tensor
    that this would take comes back from its variable, through the inverse of what is
    done to it. So a model that has been trained in Keras, with its optimizer, is
    trained on in TF1.

    Args:
      ckpt_dir_or_file: The checkpoint that says which tensors there are. It need not be
        the one that the values came from, and is not touched.
      target: What has the variables, as ``restore`` takes it.
      assignment_map: Rules from the names of the checkpoint to the variables.
      output_prefix: Prefix of the checkpoint to write.
      overwrite: Whether a checkpoint of that prefix may be replaced.

    Returns:
      What was written. What ``restore`` would leave behind has the value it has in the
      checkpoint; a note names it.

    Raises:
      PlanError: If ``restore`` would not do, or what it does has no inverse.
      RuleError: If the map is not well formed.
      OutputExistsError: If the output exists.
      UnbuiltTargetError: If a layer has no variables yet.
      GraphModeError: If a graph is being built: there are no values then.
      TensorFlowNotFoundError: If TensorFlow is not installed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> module = tf.Module()
      >>> module.kernel = tf.Variable([5, 6], dtype=tf.int64)
      >>> with example_checkpoint({"net/w": [1, 2]}) as prefix:
      ...     new = prefix + "-new"
      ...     rules = {"net/w": "kernel"}
      ...     saved = save_like(prefix, module, rules, output_prefix=new)
      ...     opened(saved)["net/w"].tolist()
      [5, 6]
    """
    if not tensorflow().executing_eagerly():
        raise GraphModeError("save_like() reads values, of which a graph has none yet")
    reader, live = opened(ckpt_dir_or_file), built_target(target)
    made = with_live_optimizers(
        reader, live, bound(AssignmentMap(assignment_map), live)
    )
    there, variables = plan_restore(reader, live, made.rules, may_stay=made.may_stay)
    back = there.reversed()
    contents = {
        move.target: Value(move.spec, lambda move=move: _value(move, variables))
        for move in back.moves
    }
    # Of a dual-keyed one the names are written; its objects have the old values.
    by_keys = goes_by_keys(reader, live, made.rules)
    aside = {rule.source for rule in other_half(reader, by_keys=by_keys)}
    as_it_was = [kept for kept in back.kept_targets if kept.name not in aside]
    for kept in as_it_was:
        contents[kept.name] = Value(kept.spec, lambda key=kept.name: reader[key])
    prefix = path_of(output_prefix)
    shards = write_output(prefix, contents, sources=[reader], overwrite=overwrite)
    kept = [f"{each.name!r} is as it was: {each.reason}" for each in as_it_was]
    return ConversionResult(
        prefix,
        len(contents),
        shards,
        tuple(contents),
        back.dropped,
        notes=(*made.notes, *kept),
        verdicts=made.verdicts,
    )


def _value(move: Move, variables: Any) -> Any:
    values = [value_of(variables[name]) for name in move.sources]
    return values[0] if move.transform is None else move.transform(*values)
