"""What recipes for optimizers stand for, with a checkpoint of TF1 and a target."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, TypeGuard

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.back import OptimizerReturn
from tf_ckpt_migrate.conversion.optimizers.moves import OptimizerMoves
from tf_ckpt_migrate.conversion.optimizers.named import named
from tf_ckpt_migrate.conversion.optimizers.steps import StepCounter
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import (
    Combine,
    Drop,
    Recipe,
    Rename,
    RenameRegex,
    RenameScope,
    Rule,
    Split,
)
from tf_ckpt_migrate.recipes.ways import sources_of
from tf_ckpt_migrate.transforms import Transform

__all__ = [
    "Weights",
    "WithOptimizers",
    "with_optimizers",
    "with_optimizers_back",
]

# Tells which tensors rules take where, by keys.
Weights: TypeAlias = Callable[[AssignmentMap], Sequence[Move]]


class WithOptimizers(NamedTuple):
    """Rules in place of recipes for optimizers, and what is to be told about them.

    Attributes:
      rules: The rules.
      may_stay: The keys that keep what they have, and why.
      verdicts: How well each optimizer continues.
      notes: Where what the checkpoint says disagrees.
      steps: For each ``global_step`` in the source that equals the steps of all
        optimizers, where the optimizers count their steps.
    """

    rules: AssignmentMap
    may_stay: Mapping[str, str]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    steps: Mapping[str, tuple[StepCounter, ...]] = MappingProxyType({})

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
      reader: The checkpoint; of an object-based one the recipe names the object path
        of a Keras optimizer.
      target: What has the model and the optimizers of Keras, live or on file.
      rules: Where the weights go, and the recipes.
      weights: Tells where rules take the weights, by the keys of the target.

    Raises:
      PlanError: If an optimizer is not there, or cannot go on in that of Keras.
      RuleError: If a recipe takes no such option.
    """
    recipes = _recipes_among(rules)
    sources = (named(recipe).source_in(reader) for recipe in recipes)
    own = sorted(key for each in sources if each for key in each.keys)

    def without_optimizers(others: AssignmentMap) -> Sequence[Move]:
        # Keys of optimizers are numbers, which mean others in another Keras.
        return weights(AssignmentMap([*others, *map(Drop, own)]))

    found = _expanded(rules, without_optimizers)
    if found is None:
        return WithOptimizers(rules, {})
    recipes, others, moved = found
    is_alone = len(recipes) == 1
    made = [
        OptimizerMoves(reader, target, named(recipe), moved, is_alone=is_alone)
        for recipe in recipes
    ]
    _refuse(made)
    counts = [each.steps for each in made]
    step = next((count.global_step for count in counts), None)
    steps: dict[str, tuple[StepCounter, ...]] = {}
    if step is not None and all(count.is_global_step for count in counts):
        steps[step] = tuple(count.counter for count in counts)
        made[0].take_step(step, [*others, *(r for each in made for r in each.rules)])
    joined = _together(made, others, moved)
    notes = (*joined.notes, *_notes_on_averages(others))
    return joined._replace(steps=steps, notes=notes)


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
    found = _expanded(rules, weights)
    if found is None:
        return WithOptimizers(rules, {})
    recipes, others, moved = found
    made = [
        OptimizerReturn(reader, like, named(recipe, back=True), moved)
        for recipe in recipes
    ]
    _refuse(made)
    notes = _fill_global_step(made, moved, is_open=like is None)
    joined = _together(made, others, moved)
    return joined._replace(notes=(*joined.notes, *notes))


def _fill_global_step(
    made: Sequence[OptimizerReturn], moved: Iterable[Move], *, is_open: bool
) -> list[str]:
    """Have ``global_step`` filled if all optimizers agree on it; else return a note."""
    counts = [each.steps for each in made]
    step = next((each.global_step for each in counts if each.global_step), None)
    if step is None or any(move.target == step for move in moved):
        return []
    numbers = dict.fromkeys(each.count for each in counts)
    is_theirs = all(each.is_global_step for each in counts)
    if is_theirs and len(numbers) == 1:
        made[0].fill_step(step)
        return []
    if is_theirs:
        told = " and ".join(f"{number:,}" for number in numbers)
        why = f"the optimizers have taken {told} steps, TF1 has one {step!r} for all"
    else:
        why = "in TF1 it counted other steps than the optimizer"
    rule = f'{{"{made[0].iterations_path}": "{step}"}}'
    hint = f"a rule for the count that it is to have fills it, such as {rule}"
    if is_open:
        return [f"no {step} is written: {why}; {hint}"]
    made[0].may_stay[step] = f"{why}; {hint}"
    return []


def _recipes_among(rules: Iterable[Rule]) -> list[Recipe]:
    return [r for r in rules if isinstance(r, Recipe) and r.kind == "optimizer"]


def _expanded(
    rules: AssignmentMap, weights: Weights
) -> tuple[list[Recipe], AssignmentMap, Sequence[Move]] | None:
    """Return the recipes, the other rules, and where these move tensors."""
    recipes = _recipes_among(rules)
    if not recipes:
        return None
    others = AssignmentMap(rule for rule in rules if rule not in recipes)
    return recipes, others, weights(AssignmentMap(map(_with_raw_values, others)))


def _with_raw_values(rule: Rule) -> Rule:
    """Return a rule that moves variables, not averages: slots follow variables."""
    if not _takes_averages(rule):
        return rule
    options = {**dict(rule.options), "use": "raw"}
    return Recipe(rule.kind, rule.source, rule.target, **options)


def _takes_averages(rule: Rule) -> TypeGuard[Recipe]:
    """Return whether a rule gives variables their averages."""
    if not isinstance(rule, Recipe) or rule.kind != "averages":
        return False
    return dict(rule.options).get("use", "average") == "average"


def _notes_on_averages(rules: Iterable[Rule]) -> list[str]:
    """Return a note if weights are averages, and the slots those of raw variables."""
    if not any(map(_takes_averages, rules)):
        return []
    note = (
        "variables get their moving averages, but the optimizer gets the state that "
        "belongs to their raw values; to continue training as TF1 would, restore with "
        'averages="raw"'
    )
    return [note]


def _refuse(made: Iterable[OptimizerMoves | OptimizerReturn]) -> None:
    verdicts = (verdict for each in made for verdict in each.verdicts)
    problems = [str(each) for each in verdicts if each.kind == "impossible"]
    if problems:
        raise PlanError(
            "the state of an optimizer cannot go on here:\n  " + "\n  ".join(problems),
            problems,
        )


def _together(
    made: Sequence[OptimizerMoves | OptimizerReturn],
    others: AssignmentMap,
    moved: Iterable[Move],
) -> WithOptimizers:
    rules = [rule for each in made for rule in each.rules]
    taken = {key for rule in rules for key in (*sources_of(rule), *_targets_of(rule))}
    verdicts = [(*each.verdicts, *each.verdicts_on_left(taken)) for each in made]
    return WithOptimizers(
        _joined(made, others, {key for move in moved for key in move.sources}),
        {key: why for each in made for key, why in each.may_stay.items()},
        tuple(verdict for each in verdicts for verdict in each),
        tuple(note for each in made for note in each.notes),
    )


def _joined(
    made: Iterable[OptimizerMoves | OptimizerReturn],
    others: AssignmentMap,
    moved: Container[str],
) -> AssignmentMap:
    """Return the rules of optimizers and those of the caller in an order that works.

    What a recipe leaves behind precedes the caller's scopes, which would take it where
    the target has no place for it; but not rules that lead it somewhere.
    """
    splits: dict[str, dict[str, Transform | None]] = {}
    combines: list[Rule] = []
    drops: dict[str, Rule] = {}
    for each in made:
        for rule in each.rules:
            if isinstance(rule, Split):  # several optimizers may read one count
                splits.setdefault(rule.source, {}).update(rule.targets)
            else:
                combines.append(rule)
        drops.update((str(drop.source), drop) for drop in each.drops)
    taken = {*splits, *(key for rule in combines for key in sources_of(rule))}
    # What a caller's rule does to a count of steps, a Split of ours does too.
    own = [
        rule
        for rule in others
        if not (isinstance(rule, Rename | Split) and rule.source in splits)
    ]
    by_name = {key for rule in own for key in _named_by(rule)}
    left = {s: drop for s, drop in drops.items() if s not in taken | by_name}
    first = [drop for source, drop in left.items() if source not in moved]
    last = [drop for source, drop in left.items() if source in moved]
    mine = [Split(source, goals) for source, goals in splits.items()]
    return AssignmentMap([*mine, *combines, *first, *own, *last])


def _targets_of(rule: Split | Combine) -> list[str]:
    """Return the keys that a rule fills."""
    return [target for target, _ in rule.targets]


def _named_by(rule: Rule) -> tuple[str, ...]:
    """Return the keys that a rule spells out."""
    return () if isinstance(rule, RenameScope | RenameRegex) else sources_of(rule)
