"""What recipes for optimizers stand for, with a checkpoint of TF1 and a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.moves import OptimizerMoves
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair, SettingsOf
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Recipe, Rename, Rule, Split
from tf_ckpt_migrate.names.verdict import Verdict

__all__ = ["Side", "WithOptimizers", "optimizer_recipes", "with_optimizers"]


class Side(NamedTuple):
    """What has the optimizers of Keras.

    Attributes:
      view: Objects by key, live ones or those of a checkpoint.
      weights: Tells where rules take the weights, by their keys.
      settings_of: Tells the settings of live optimizers; None for those on file.
    """

    view: CheckpointView
    weights: Callable[[AssignmentMap], Sequence[Move]]
    settings_of: SettingsOf | None = None


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


def optimizer_recipes(rules: Iterable[Rule]) -> list[Recipe]:
    """Return the recipes for optimizers among rules.

    Example:
      >>> optimizer_recipes(AssignmentMap([Recipe("optimizer", "Adam", "optimizer")]))
      [Recipe('optimizer', 'Adam', 'optimizer')]
    """
    return [r for r in rules if isinstance(r, Recipe) and r.kind == "optimizer"]


def with_optimizers(
    reader: CheckpointReader, side: Side, rules: AssignmentMap
) -> WithOptimizers:
    """Return the rules with those that recipes for optimizers stand for.

    Args:
      reader: A checkpoint; name-based if there is such a recipe.
      side: What has the model and the optimizers.
      rules: Where the weights go, and the recipes.

    Raises:
      PlanError: If an optimizer is not there, or cannot go on in that of Keras.
      RuleError: If a recipe takes no such option.
    """
    recipes = optimizer_recipes(rules)
    if not recipes:
        return WithOptimizers(rules, {})
    if reader.object_graph is not None:
        raise PlanError(
            f"{reader.prefix!r} holds objects, {recipes[0]!r} is for what TF1 saved by "
            "name; between optimizers of one Keras no recipe is needed"
        )
    others = AssignmentMap(rule for rule in rules if rule not in recipes)
    weights = side.weights(others)
    pairs = [
        OptimizerPair(reader, side.view, recipe, side.settings_of) for recipe in recipes
    ]
    verdicts = tuple(verdict for pair in pairs for verdict in pair.verdicts)
    _refuse(verdicts)
    alone = len(pairs) == 1
    made = [
        OptimizerMoves(reader, side.view, weights, pair, owns_step=alone)
        for pair in pairs
    ]
    return WithOptimizers(
        _joined(made, others),
        {key: why for each in made for key, why in each.may_stay.items()},
        verdicts,
        tuple(note for each in made for note in each.notes),
    )


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
