"""What recipes for optimizers stand for, with a checkpoint of TF1 and a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.back import OptimizerReturn
from tf_ckpt_migrate.conversion.optimizers.moves import OptimizerMoves
from tf_ckpt_migrate.conversion.optimizers.named import named
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Recipe, Rename, Rule, Split
from tf_ckpt_migrate.names.verdict import Verdict

__all__ = [
    "Weights",
    "WithOptimizers",
    "with_optimizers",
    "with_optimizers_back",
]

_GLOBAL_STEP = "global_step"
_WITHOUT_STEP = (
    f"no {_GLOBAL_STEP} is written: each of several optimizers counts its own steps, "
    "and nothing tells by which of them TF1 is to go; a rule for the count of one says "
    f'it, as {{"optimizer/_iterations": "{_GLOBAL_STEP}"}}'
)

# Tells which tensors rules take where, by keys.
Weights: TypeAlias = Callable[[AssignmentMap], Sequence[Move]]


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

    def told_in(self, plan: MigrationPlan) -> MigrationPlan:
        """Return a plan by these rules, with what is to be told about optimizers."""
        kept = (
            each._replace(reason=self.may_stay.get(each.name, each.reason))
            for each in plan.kept_targets
        )
        return replace(
            plan,
            kept_targets=tuple(kept),
            notes=(*plan.notes, *self.notes),
            verdicts=(*plan.verdicts, *self.verdicts),
        )


def with_optimizers(
    reader: CheckpointReader,
    target: CheckpointView,
    rules: AssignmentMap,
    weights: Weights,
) -> WithOptimizers:
    """Return the rules with those that recipes for optimizers stand for.

    Args:
      reader: A checkpoint; name-based if there is such a recipe.
      target: What has the model and the optimizers of Keras, live or on file.
      rules: Where the weights go, and the recipes.
      weights: Tells where rules take the weights, by the keys of the target.

    Raises:
      PlanError: If an optimizer is not there, or cannot go on in that of Keras.
      RuleError: If a recipe takes no such option.
    """
    recipes = _recipes_among(rules)
    # A dual-keyed one has names too, and rules go by them.
    by_name = (
        reader.object_graph is None or reader.format is CheckpointFormat.DUAL_KEYED
    )
    if recipes and not by_name:
        raise PlanError(
            f"{reader.prefix!r} holds objects, {recipes[0]!r} is for what TF1 saved by "
            "name; between optimizers of one Keras no recipe is needed, and from Keras "
            "to TF1 convert_tf2_to_tf1(…, names=…) takes it"
        )

    def made(recipe: Recipe, moved: Sequence[Move], *, alone: bool) -> OptimizerMoves:
        return OptimizerMoves(reader, target, named(recipe), moved, owns_step=alone)

    return _expanded(rules, weights, made)


def with_optimizers_back(
    reader: CheckpointReader,
    like: CheckpointReader | None,
    rules: AssignmentMap,
    weights: Weights,
) -> WithOptimizers:
    """Return the rules with those for the way back, from Keras to TF1.

    Args:
      reader: A checkpoint that Keras saved.
      like: A checkpoint of TF1 whose tensors are to be filled; None to make those that
        TF1 makes.
      rules: Where the weights go, and the recipes; these from Keras to TF1.
      weights: Tells where rules take the weights, by the keys of ``reader``.

    Returns:
      The rules; those of the recipes go from keys.

    Raises:
      PlanError: If an optimizer is not there, or cannot go on in that of TF1.
      RuleError: If a recipe takes no such option.
    """

    def made(recipe: Recipe, moved: Sequence[Move], *, alone: bool) -> OptimizerReturn:
        names = named(recipe, back=True)
        return OptimizerReturn(reader, like, names, moved, owns_step=alone)

    found = _expanded(rules, weights, made)
    is_open = like is None and len(_recipes_among(rules)) > 1
    if not is_open or any(_GLOBAL_STEP in dict(_goals(r)) for r in found.rules):
        return found
    return found._replace(notes=(*found.notes, _WITHOUT_STEP))


def _goals(rule: Rule) -> Iterable[tuple[str, object]]:
    if isinstance(rule, Rename):
        return [(rule.target, rule.transform)]
    return rule.targets if isinstance(rule, Split) else ()


def _recipes_among(rules: Iterable[Rule]) -> list[Recipe]:
    return [r for r in rules if isinstance(r, Recipe) and r.kind == "optimizer"]


class _Made(Protocol):
    def __call__(
        self, recipe: Recipe, moved: Sequence[Move], *, alone: bool
    ) -> OptimizerMoves | OptimizerReturn:
        """Return what a recipe stands for, given where the weights go."""
        ...


def _expanded(rules: AssignmentMap, weights: Weights, made: _Made) -> WithOptimizers:
    recipes = _recipes_among(rules)
    if not recipes:
        return WithOptimizers(rules, {})
    others = AssignmentMap(rule for rule in rules if rule not in recipes)
    moved, alone = weights(others), len(recipes) == 1
    return _together([made(recipe, moved, alone=alone) for recipe in recipes], others)


def _together(
    made: Sequence[OptimizerMoves | OptimizerReturn], others: AssignmentMap
) -> WithOptimizers:
    verdicts = tuple(verdict for each in made for verdict in each.verdicts)
    _refuse(verdicts)
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


def _joined(
    made: Iterable[OptimizerMoves | OptimizerReturn], others: AssignmentMap
) -> AssignmentMap:
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
