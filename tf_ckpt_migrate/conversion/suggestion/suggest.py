"""Proposes a map from a checkpoint to another, or to a live model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.live_objects import seen_as_checkpoint
from tf_ckpt_migrate.conversion.planning import CheckpointLike, opened
from tf_ckpt_migrate.conversion.suggestion.cells import folded
from tf_ckpt_migrate.conversion.suggestion.compression import Renamed, compressed
from tf_ckpt_migrate.conversion.suggestion.digests import digests_of, same_bytes
from tf_ckpt_migrate.conversion.suggestion.items import Item, Side, side_of
from tf_ckpt_migrate.conversion.suggestion.pairing import Choice, chosen, rules_of_whole
from tf_ckpt_migrate.conversion.suggestion.suggestion import (
    Ambiguity,
    Match,
    Suggestion,
    Unmatched,
)
from tf_ckpt_migrate.conversion.suggestion.summaries import whole_scopes
from tf_ckpt_migrate.conversion.suggestion.target_names import names_in
from tf_ckpt_migrate.conversion.suggestion.training import following, training_rules
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.rules import Drop, Recipe, Rule

__all__ = ["suggest_assignment_map"]

_MOST = 5_000  # weights of one side: every pair is scored


@without_collections
def suggest_assignment_map(
    source: CheckpointLike, target: object, *, read_values: bool = False
) -> Suggestion:
    """Propose the map from the names of a checkpoint to those of another, or a model.

    Shapes and dtypes say what can be; words and numbers of names, their order, what
    stands beside what, and equal bytes where one was made of the other, say what is.
    All are weighed for all pairs together. What they leave open is not decided: it is
    listed, and not in the map.

    Args:
      source: The checkpoint to take from; anything that ``load_checkpoint`` takes.
      target: The checkpoint, or the objects of this program (a Keras model, a
        ``tf.train.Checkpoint``, a ``tf.Module``, variables in a dict), to fill.
        Objects need TensorFlow, and stay as they are.
      read_values: Whether to read tensors whose checksum is not at hand, as those of a
        live model, to see which have equal bytes. Checksums in files are always used.

    Returns:
      The suggestion; its ``assignment_map`` goes into ``plan_migration``, every
      ``convert_…`` and ``restore``.

    Raises:
      CheckpointError: If a checkpoint cannot be read.
      PlanError: If there are too many weights to compare each with each.
      TargetError: If ``target`` has no variables, or not yet.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> old = {f"layer_{i}/w": [[0.0] * 3] for i in range(12)}
      >>> new = {f"net/block{i}/kernel": [[0.0] * 3] for i in range(12)}
      >>> with example_checkpoint(old) as source, example_checkpoint(new) as target:
      ...     print(suggest_assignment_map(source, target).assignment_map)
      RenameRegex('layer_(\\\\d+)/w', 'net/block\\\\1/kernel')
    """
    views = opened(source), _seen(target)
    sides = side_of(views[0], is_target=False), side_of(views[1], is_target=True)
    for side in sides:
        if len(side.weights) > _MOST:
            raise PlanError(
                f"{side.prefix!r} has {len(side.weights):,} weights; each is compared "
                f"with each, for at most {_MOST:,}. Prune both sides to the scope in "
                "question first"
            )
    sides = _with_steps(*sides)
    items = folded(*sides)
    digests = [
        digests_of(view, side, read=read_values)
        for view, side in zip(views, items, strict=True)
    ]
    same = same_bytes(*items, (digests[0], digests[1]))
    choices = chosen(*items, same)
    choices += _of_training(*sides)
    return _Draft(sides, items, choices).suggestion({})


def _seen(target: object) -> CheckpointView:
    if isinstance(target, str | os.PathLike):
        return opened(cast("str | os.PathLike[str]", target))
    if all(hasattr(target, name) for name in ("specs", "object_graph", "bundle")):
        return cast(CheckpointView, target)
    return seen_as_checkpoint(target)


def _with_steps(ours: Side, theirs: Side) -> tuple[Side, Side]:
    """Take a count of steps for a weight where the target has a variable like it."""
    mine = ours.others.get("step", ())
    like = [i for i in theirs.weights if not i.form.shape and "int" in i.form.kind
            and "step" in i.names[-1].lower()]  # fmt: skip
    if not like or len(mine) != 1 or mine[0].form != like[0].form:
        return ours, theirs
    others = {role: items for role, items in ours.others.items() if role != "step"}
    return ours._replace(weights=(*ours.weights, *mine), others=others), theirs


def _of_training(ours: Side, theirs: Side) -> list[Choice]:
    """Return what goes where of an optimizer's numbers and steps, in one world."""
    found: list[Choice] = []
    for role in ("optimizer", "step"):
        names = [item for item in theirs.others.get(role, ())]
        mine = ours.others.get(role, ())
        same_world = {_is_object(i) for i in (*names, *mine)}
        if names and mine and len(same_world) == 1:
            import numpy as np

            found += chosen(mine, names, np.zeros((len(mine), len(names))))
    return found


def _is_object(item: Item) -> bool:
    return item.key != item.names[0]


class _Draft:
    """All that was found, from which suggestions with more or less open are made."""

    def __init__(
        self,
        sides: tuple[Side, Side],
        items: tuple[Sequence[Item], Sequence[Item]],
        choices: Sequence[Choice],
    ) -> None:
        self._ours, self._theirs = sides
        self._items = items
        self._choices = choices
        self._names = names_in(self._theirs)

    def suggestion(self, decided: Mapping[str, str]) -> Suggestion:
        """Return the suggestion in which these sources go to these targets."""
        taken = [self._as_decided(choice, decided) for choice in self._choices
                 if choice.confidence != "ambiguous" or choice.source.key in decided]  # fmt: skip
        open_ = [choice for choice in self._choices if choice.confidence == "ambiguous"
                 and choice.source.key not in decided]  # fmt: skip
        plain = [choice.renamed(self._names) for choice in taken if not choice.source.members]
        plain += following(plain, self._ours, self._theirs, self._names)
        training = training_rules(self._ours, self._theirs, [p.source for p in plain])
        wholes = [rule for choice in taken if choice.source.members
                  for rule in rules_of_whole(choice, self._ours, self._theirs, self._names)]  # fmt: skip
        gone = _decided_before(training.rules, self._ours)
        others = set(self._ours.specs) - {p.source for p in plain} - gone
        others -= {key for choice in taken for key in choice.source.members}
        rules: list[Rule] = [*wholes, *training.rules, *compressed(plain, others)]
        unmatched = self._unmatched(taken, open_)
        return Suggestion(
            self._ours.prefix,
            self._theirs.prefix,
            AssignmentMap(rules),
            tuple(map(self._match, taken)),
            tuple(map(self._ambiguity, open_)),
            unmatched,
            (*training.open_rules, *_drops(unmatched.source, set(self._ours.specs) - gone)),
            (*training.notes, *_of_cells(wholes)),
            partial(self._accepted, dict(decided)),
        )

    def _accepted(self, before: dict[str, str], more: Mapping[str, str]) -> Suggestion:
        return self.suggestion({**before, **more})

    def _as_decided(self, choice: Choice, decided: Mapping[str, str]) -> Choice:
        wanted = decided.get(choice.source.key)
        for each in (choice.target, *choice.rivals):
            if wanted is not None and self._called(each) == wanted:
                return choice._replace(target=each)
        return choice

    def _called(self, target: Item) -> str:
        return target.key if target.members else self._names(target.key)[0]

    def _match(self, choice: Choice) -> Match:
        how = choice.fit.transform
        whole = choice.source.form.kind if choice.source.members else ""
        return Match(
            choice.source.key,
            self._called(choice.target),
            str(choice.source.form),
            repr(how) if how else whole,
            choice.confidence,
            choice.evidence,
        )

    def _ambiguity(self, choice: Choice) -> Ambiguity:
        candidates = (choice.target, *choice.rivals)
        return Ambiguity(
            choice.source.key,
            str(choice.source.form),
            tuple(map(self._called, candidates)),
            choice.evidence,
            _settling(choice),
        )

    def _unmatched(
        self, taken: Sequence[Choice], open_: Sequence[Choice]
    ) -> Unmatched:
        sources = {choice.source.key for choice in (*taken, *open_)}
        filled = {choice.target.key for choice in taken}
        maybe = {each.key for choice in open_ for each in (choice.target, *choice.rivals)}
        return Unmatched(
            tuple(i.key for i in self._items[0] if i.key not in sources),
            tuple(self._called(i) for i in self._items[1] if i.key not in filled | maybe),
        )


def _settling(choice: Choice) -> str:
    if choice.evidence[-1].startswith("square"):
        return "look whether the program multiplies by its transpose"
    if not choice.rivals:
        return "nothing but the form speaks for it: look what both programs compute"
    return (
        "nothing tells them apart: compare what both layers compute, or suggest with a "
        "target of equal weights, where equal bytes decide"
    )


def _decided_before(rules: Iterable[Rule], side: Side) -> set[str]:
    """Return the keys that rules of training decide about, which stand first."""
    roles = {rule.role for rule in rules if isinstance(rule, Drop)}
    if any(isinstance(rule, Recipe) for rule in rules):
        roles |= {"slot", "optimizer", "step"}
    return {item.key for role in roles for item in side.others.get(role or "", ())}


def _drops(keys: Sequence[str], others: set[str]) -> list[Rule]:
    """Return rules that leave behind what has no counterpart."""
    scopes = whole_scopes(keys, others.difference(keys))
    return [Drop(scope, reason="the target has nothing like it") for scope in scopes]


def _of_cells(rules: Sequence[Rule]) -> list[str]:
    kinds: dict[str, Any] = {r.kind: r for r in rules if isinstance(r, Recipe)}
    if "lstm" not in kinds:
        return []
    return [
        "the bias of an LSTM takes in forget_bias=1.0, TF1's default, which no file "
        "holds; say forget_bias= in the recipe if the program had another"
    ]
