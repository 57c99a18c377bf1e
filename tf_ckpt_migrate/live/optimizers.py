"""Optimizers of a live target that go on from those of a checkpoint of TF1."""

from __future__ import annotations

from collections.abc import Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.rules import (
    WithOptimizers,
    with_optimizers,
)
from tf_ckpt_migrate.conversion.planning import plan_into
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.planning import goal_for
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move

__all__ = ["with_live_optimizers"]


def with_live_optimizers(
    reader: CheckpointReader, live: LiveTarget, rules: AssignmentMap
) -> WithOptimizers:
    """Return the rules with those that recipes for optimizers stand for.

    Args:
      reader: The checkpoint; of an object-based one the recipe names an object path.
      live: What has the model and the optimizers.
      rules: Where the weights go, and the recipes.

    Raises:
      PlanError: If an optimizer is not there, or cannot go on in that of Keras.
      RuleError: If a recipe takes no such option.
      GraphModeError: If there is such a recipe and a graph is being built.

    Example:
      >>> import numpy as np, tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> from tf_ckpt_migrate.names.rules import Recipe
      >>> w = tf.Variable([1.0], name="w")
      >>> sgd = tf.keras.optimizers.SGD(0.1)
      >>> sgd.build([w])
      >>> live = LiveTarget(tf.train.Checkpoint(w=w, optimizer=sgd))
      >>> recipe = Recipe("optimizer", "GradientDescent", "optimizer")
      >>> tensors = {"w": np.ones(1, np.float32), "global_step": 7}
      >>> with example_checkpoint(tensors) as prefix:
      ...     made = with_live_optimizers(
      ...         CheckpointReader(prefix), live, AssignmentMap([recipe])
      ...     )
      >>> next(iter(made.rules)).source, made.verdicts[0].kind
      ('global_step', 'exact')
    """

    def weights(others: AssignmentMap) -> Sequence[Move]:
        keys = {name: key for key, name in names_of(live).items()}
        keys |= {key: key for key in live.variables}
        goal = goal_for(reader, live, others)
        plan = plan_into(goal, reader, others, unused="drop", missing="keep")
        moves = (move for move in plan.moves if move.target in keys)
        return [move._replace(target=keys[move.target]) for move in moves]

    return with_optimizers(reader, live, rules, weights)
