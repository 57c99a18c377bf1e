"""From what was chosen to a suggestion, with more or less of it decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.layout import is_object_key, name_of_key
from tf_ckpt_migrate.conversion.suggestion.identities import Settled
from tf_ckpt_migrate.conversion.suggestion.items import Item, Side, names_in
from tf_ckpt_migrate.conversion.suggestion.matching import SQUARE
from tf_ckpt_migrate.conversion.suggestion.pairing import Choice, rules_of_whole
from tf_ckpt_migrate.conversion.suggestion.suggestion import (
    Ambiguity,
    Match,
    Suggestion,
    Unmatched,
)
from tf_ckpt_migrate.conversion.suggestion.training import (
    Training,
    following,
    training_rules,
    whole_scopes,
)
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.compression import Renamed, compressed
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Drop, Recipe, Rename, Rule

__all__ = ["Draft"]

_CHECKED = ("lstm", "gru", "simple_rnn")  # recipes


@dataclass
class Draft:
    """All that was found, from which suggestions with more or less open are made.

    Attributes:
      sides: Both sides with all their tensors.
      items: What is matched of each side.
      choices: The pairs, open ones among them.
      known: What identities settled.
      notes_on: Returns what to note on pairs of a name in the source and a key.
      plan: Returns what a map does.
    """

    sides: tuple[Side, Side]
    items: tuple[Sequence[Item], Sequence[Item]]
    choices: Sequence[Choice]
    known: Settled
    notes_on: Callable[[Iterable[tuple[str, str]]], list[str]]
    plan: Callable[[AssignmentMap], MigrationPlan]

    def __post_init__(self) -> None:
        """Look up the names that rules use."""
        self._ours, self._theirs = self.sides
        self._names = names_in(self._theirs)
        # Rules from objects to names, which `convert_tf2_to_tf1` takes, have paths.
        to_names = not any(map(is_object_key, self._theirs.specs))
        self._said = name_of_key if to_names else str

    def suggestion(self, decided: Mapping[str, str]) -> Suggestion:
        """Return the suggestion in which these sources go to these targets."""
        taken, open_ = self._split_by_confidence(decided)
        by_itself = self.known.without_rules
        plain = [
            c.renamed(self._names)
            for c in taken
            if not c.source.members and c.source.key not in by_itself
        ]
        rest = self.known.others(self._ours, self._theirs)
        followers = following(plain, *rest, self._names)
        plain += followers
        unchanged = {p.source for p in plain if p.source in p.targets} | by_itself
        training = training_rules(
            self._ours, self._theirs, [p.source for p in plain], unchanged
        )
        wholes = self._wholes(taken)
        before = _decided_by(training.first, self._ours)
        others = self._ours.specs.keys() - {p.source for p in plain} - before
        others -= {key for choice in taken for key in choice.source.members}
        unmatched = self._unmatched(taken, open_)
        drops = _drops(
            unmatched.source, set(map(self._said, self._ours.specs.keys() - before))
        )
        rules, check_notes = self._rules(plain, others, wholes, training)
        return Suggestion(
            self._ours.prefix,
            self._theirs.prefix,
            AssignmentMap(rules),
            tuple(map(self._match, taken)),
            tuple(map(self._ambiguity, open_)),
            unmatched,
            (*training.open_rules, *drops),
            (
                *self._of_strangers(taken, open_),
                *check_notes,
                *_of_followers(len(followers)),
                *training.notes,
                *_of_cells(wholes),
                *self.notes_on(
                    (choice.source.key, choice.target.key)
                    for choice in taken
                    if not choice.source.members
                ),
            ),
            partial(self._accepted, dict(decided)),
        )

    def _rules(
        self,
        pairs: Sequence[Renamed],
        others: Iterable[str],
        wholes: Sequence[Rule],
        training: Training,
    ) -> tuple[list[Rule], list[str]]:
        """Return as few rules as the planner brings all pairs to their targets by."""
        said = [pair._replace(source=self._said(pair.source)) for pair in pairs]
        short = compressed(said, map(self._said, others))
        single = [Rename(p.source, p.targets[0], p.transform) for p in said]
        rules: list[Rule] = []
        notes: list[str] = []
        for renames in (short, single):
            rules = [*wholes, *training.first, *renames, *training.last]
            notes = []
            if self._holds(rules, pairs, notes):
                break
        return rules, notes

    def _holds(
        self, rules: Iterable[Rule], pairs: Iterable[Renamed], notes: list[str]
    ) -> bool:
        """Return whether the planner brings all pairs to their targets by the rules.

        What it refuses is added to the notes. Recipes of optimizers, which would read
        values, are left out.
        """
        checked = [r for r in rules if not isinstance(r, Recipe) or r.kind in _CHECKED]
        try:
            moves = self.plan(AssignmentMap(checked)).moves
        except (PlanError, RuleError) as error:
            notes.append(f"the map does not apply as it is: {error}")
            return False
        found = {move.target: move.sources for move in moves}
        known = self._theirs.aliases
        wrong = [
            pair.source
            for pair in pairs
            if found.get(known.get(pair.targets[0], pair.targets[0])) != (pair.source,)
        ]
        if wrong:
            count = counted(len(wrong), "pair")
            notes.append(f"the rules change {count}, such as that of {wrong[0]!r}")
        return not wrong

    def _split_by_confidence(
        self, decided: Mapping[str, str]
    ) -> tuple[list[Choice], list[Choice]]:
        """Return the choices that the map takes, and those that stay open."""
        taken: list[Choice] = []
        open_: list[Choice] = []
        for choice in self.choices:
            is_open = choice.confidence == "ambiguous"
            if is_open and self._said(choice.source.key) not in decided:
                open_.append(choice)
            else:
                taken.append(self._as_decided(choice, decided))
        return taken, open_

    def _of_strangers(self, *choices: Iterable[Choice]) -> list[str]:
        known = len(self.known.choices)
        reached = {choice.target.key for each in choices for choice in each}
        if 2 * len(reached) >= min(map(len, self.items)) + known:
            return []
        note = "the two have little in common: are both whole, and of one model?"
        return [note]

    def _wholes(self, taken: Iterable[Choice]) -> list[Rule]:
        found: list[Rule] = []
        for choice in taken:
            if choice.source.members:
                found += rules_of_whole(choice, self._ours, self._theirs, self._names)
        return found

    def _accepted(self, before: dict[str, str], more: Mapping[str, str]) -> Suggestion:
        return self.suggestion({**before, **more})

    def _as_decided(self, choice: Choice, decided: Mapping[str, str]) -> Choice:
        wanted = decided.get(self._said(choice.source.key))
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
            self._said(choice.source.key),
            self._called(choice.target),
            str(choice.source.form),
            repr(how) if how else whole,
            choice.confidence,
            choice.evidence,
        )

    def _ambiguity(self, choice: Choice) -> Ambiguity:
        candidates = (choice.target, *choice.rivals)
        return Ambiguity(
            self._said(choice.source.key),
            str(choice.source.form),
            tuple(map(self._called, candidates)),
            choice.evidence,
            _settling(choice),
            choice.more,
        )

    def _unmatched(self, taken: Sequence[Choice], open_: Sequence[Choice]) -> Unmatched:
        sources = {choice.source.key for choice in (*taken, *open_)}
        filled = {choice.target.key for choice in taken}
        maybe = {
            each.key for choice in open_ for each in (choice.target, *choice.rivals)
        }
        return Unmatched(
            tuple(self._said(i.key) for i in self.items[0] if i.key not in sources),
            tuple(
                self._called(i) for i in self.items[1] if i.key not in filled | maybe
            ),
        )


def _settling(choice: Choice) -> str:
    if SQUARE in choice.evidence:
        return "look whether the program multiplies by its transpose"
    if not choice.rivals:
        return "nothing but the form speaks for it: look what both programs compute"
    return (
        "nothing tells them apart: compare what both layers compute, or suggest with a "
        "target of equal weights, where equal bytes decide"
    )


def _decided_by(rules: Iterable[Rule], side: Side) -> set[str]:
    """Return the keys that rules of training decide about, if they stand first."""
    roles = {rule.role for rule in rules if isinstance(rule, Drop)}
    if any(isinstance(rule, Recipe) for rule in rules):
        roles |= {"slot", "optimizer", "step"}
    return {item.key for role in roles for item in side.others.get(role or "", ())}


def _drops(keys: Sequence[str], others: set[str]) -> list[Rule]:
    """Return rules that leave behind what has no counterpart."""
    scopes = whole_scopes(keys, others.difference(keys))
    return [Drop(scope, reason="the target has nothing like it") for scope in scopes]


def _of_followers(count: int) -> list[str]:
    what = "slot follows its variable" if count == 1 else "slots follow their variables"
    return [f"{count:,} {what}"] if count else []


def _of_cells(rules: Sequence[Rule]) -> list[str]:
    note = (
        "the bias of an LSTM takes in forget_bias=1.0, TF1's default, which no file "
        "holds; say forget_bias= in the recipe if the program had another"
    )
    has_lstm = any(isinstance(rule, Recipe) and rule.kind == "lstm" for rule in rules)
    return [note] if has_lstm else []
