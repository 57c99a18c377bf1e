"""What recipes for optimizers stand for, with a checkpoint and live optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.planning import plan_into
from tf_ckpt_migrate.errors import GraphModeError, PlanError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import goal_by_names, names_of
from tf_ckpt_migrate.live.optimizer_moves import OptimizerMoves
from tf_ckpt_migrate.live.optimizer_pair import OptimizerPair
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Recipe, Rename, Rule, Split
from tf_ckpt_migrate.recipes.verdicts import Verdict

__all__ = ["WithOptimizers", "with_optimizers"]


class WithOptimizers(NamedTuple):
    """Rules in place of recipes for optimizers, and what is to be told about them.

    Attributes:
      rules: The rules.
      may_stay: The keys that keep what they have, and why.
      verdicts: How well each optimizer goes on.
      notes: Where what the checkpoint says disagrees.
    """

    rules: AssignmentMap
    may_stay: Mapping[str, str]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


def with_optimizers(
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
      >>> w = tf.Variable([1.0], name="w")
      >>> sgd = tf.keras.optimizers.SGD(0.1)
      >>> sgd.build([w])
      >>> live = LiveTarget(tf.train.Checkpoint(w=w, optimizer=sgd))
      >>> recipe = Recipe("optimizer", "GradientDescent", "optimizer")
      >>> tensors = {"w": np.ones(1, np.float32), "global_step": 7}
      >>> with example_checkpoint(tensors) as prefix:
      ...     made = with_optimizers(
      ...         CheckpointReader(prefix), live, AssignmentMap([recipe])
      ...     )
      >>> next(iter(made.rules)).source, made.verdicts[0].kind
      ('global_step', 'exact')
    """
    recipes = [r for r in rules if isinstance(r, Recipe) and r.kind == "optimizer"]
    if not recipes:
        return WithOptimizers(rules, {})
    if not tensorflow().executing_eagerly():
        raise GraphModeError(
            f"{recipes[0]!r} asks a Keras optimizer for its settings, which it has "
            "only in eager mode; call this outside of the graph"
        )
    if reader.object_graph is not None:
        raise PlanError(
            f"{reader.prefix!r} holds objects, {recipes[0]!r} is for what TF1 saved by "
            "name; between optimizers of one Keras no recipe is needed"
        )
    others = AssignmentMap(rule for rule in rules if rule not in recipes)
    weights = _weights(reader, live, others)
    pairs = [OptimizerPair(reader, live, recipe) for recipe in recipes]
    _refuse(verdict for pair in pairs for verdict in pair.verdicts)
    alone = len(pairs) == 1
    made = [
        OptimizerMoves(reader, live, weights, pair, owns_step=alone) for pair in pairs
    ]
    return WithOptimizers(
        _joined(made, others),
        {key: why for each in made for key, why in each.may_stay.items()},
        tuple(verdict for each in made for verdict in each.verdicts),
        tuple(note for each in made for note in each.notes),
    )


def _weights(
    reader: CheckpointReader, live: LiveTarget, rules: AssignmentMap
) -> list[Move]:
    """Return where the rules take what they take, by the keys of variables."""
    keys = {name: key for key, name in names_of(live).items()}
    goal = goal_by_names(live)
    plan = plan_into(goal, reader, rules, unmatched="drop", unmet="keep")
    return [
        move._replace(target=keys[move.target])
        for move in plan.moves
        if move.target in keys
    ]


def _refuse(verdicts: Iterable[Verdict]) -> None:
    problems = [str(each) for each in verdicts if each.kind == "impossible"]
    if problems:
        raise PlanError(
            "the state of an optimizer cannot go on here:\n  " + "\n  ".join(problems),
            problems,
        )


def _joined(made: Iterable[OptimizerMoves], others: AssignmentMap) -> AssignmentMap:
    """Return the rules of optimizers, then those of the caller, then what is left."""
    first: list[Rule] = []
    drops: dict[str | None, Rule] = {}
    for each in made:
        first += each.rules
        drops.update((drop.source, drop) for drop in each.drops)
    taken = {rule.source for rule in first if isinstance(rule, Split)}
    # What a caller's rule does to a count of steps, a Split of ours does too.
    own = [
        rule
        for rule in others
        if not (isinstance(rule, Rename | Split) and rule.source in taken)
    ]
    last = [drop for source, drop in drops.items() if source not in taken]
    return AssignmentMap([*first, *own, *last])
