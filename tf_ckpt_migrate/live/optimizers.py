"""Optimizers of a target, asked for the settings that no checkpoint holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.rules import (
    Side,
    WithOptimizers,
    optimizer_recipes,
    with_optimizers,
)
from tf_ckpt_migrate.conversion.optimizers.settings import as_written
from tf_ckpt_migrate.conversion.planning import plan_into
from tf_ckpt_migrate.errors import GraphModeError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import goal_by_names, names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor
from tf_ckpt_migrate.recipes.verdicts import LiveSettings

__all__ = ["live_settings", "with_live_optimizers"]


def with_live_optimizers(
    reader: CheckpointReader, live: LiveTarget, rules: AssignmentMap
) -> WithOptimizers:
    """Return the rules with those that recipes for optimizers stand for.

    Args:
      reader: A checkpoint; name-based if there is such a recipe.
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
    recipes = optimizer_recipes(rules)
    if recipes and not tensorflow().executing_eagerly():
        raise GraphModeError(
            f"{recipes[0]!r} asks a Keras optimizer for its settings, which it has "
            "only in eager mode; call this outside of the graph"
        )

    def weights(others: AssignmentMap) -> Sequence[Move]:
        keys = {name: key for key, name in names_of(live).items()}
        goal = goal_by_names(live)
        plan = plan_into(goal, reader, others, unmatched="drop", unmet="keep")
        moves = (move for move in plan.moves if move.target in keys)
        return [move._replace(target=keys[move.target]) for move in moves]

    side = Side(live, weights, lambda path: live_settings(live, path))
    return with_optimizers(reader, side, rules)


def live_settings(live: LiveTarget, path: str) -> LiveSettings:
    """Return the settings of the optimizer at a path, such as ``"optimizer"``.

    Example:
      >>> import tensorflow as tf
      >>> sgd = tf.keras.optimizers.SGD(0.5)
      >>> sgd.build([tf.Variable(1.0)])
      >>> live_settings(LiveTarget(tf.train.Checkpoint(opt=sgd)), "opt").learning_rate
      0.5
    """
    found = live.objects_by_path(lambda each: hasattr(each, "get_config"))[path]
    # What scales the loss for mixed precision wraps the one that has the slots.
    optimizer = getattr(found, "inner_optimizer", found)
    config = optimizer.get_config()
    rate = as_written(config["learning_rate"])
    is_constant = isinstance(rate, int | float) and not config.get("decay")
    return LiveSettings(
        type(optimizer).__name__,
        _flavor(optimizer),
        {name: as_written(value) for name, value in config.items()},
        float(rate) if is_constant else None,
    )


def _flavor(optimizer: Any) -> Flavor:
    if hasattr(optimizer, "get_slot"):
        return "legacy"
    return "keras_3" if hasattr(optimizer, "stateless_apply") else "tf_keras"
