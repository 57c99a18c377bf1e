"""Rules that carry an optimizer of TF1 over into one of Keras.

The slots of a variable go where the variable goes, by the roles they have, and change
as it does: a transposed kernel has transposed slots.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.named import Named
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.conversion.optimizers.slots import Change, SlotRules, slot_rules
from tf_ckpt_migrate.conversion.optimizers.steps import StepRules
from tf_ckpt_migrate.errors import capped
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.names.rules import Combine, Drop, Rule, Split
from tf_ckpt_migrate.naming.optimizer_names import SCALING
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.optimizers import saved_optimizer
from tf_ckpt_migrate.recipes.ways import sources_of
from tf_ckpt_migrate.transforms import Cast, Scale

__all__ = ["OptimizerMoves", "slot_verdicts", "verdicts_on_left"]

_ANY = float("inf")


class OptimizerMoves:
    """The rules for one optimizer.

    Args:
      reader: The checkpoint.
      target: What has the optimizer of Keras.
      names: What names them.
      weights: Where the weights go, by the keys of variables.
      is_alone: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What moves: slots and iterations.
      drops: What is left behind unless other rules want it.
      may_stay: The keys that keep what they have, and why.
      notes: Where what the checkpoint says disagrees.
      steps: What is known of its count of steps; only if it can go on.
      verdicts: How well it goes on: by its slots, its steps, then its settings; if it
        cannot, by these alone.

    Raises:
      PlanError: If it is not there; if slots cannot follow their variables, or nothing
        tells the steps.
      RuleError: If the recipe takes no such option.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        target: CheckpointView,
        names: Named,
        weights: Sequence[Move],
        *,
        is_alone: bool = True,
    ) -> None:
        """Find both, judge, and make the rules unless they cannot go on."""
        self._target, self._weights = target, weights
        self._pair = pair = OptimizerPair(
            names,
            target,
            reader,
            lambda kind, kinds, _: saved_optimizer(
                names.name, kind, reader.specs, names.instance, kinds
            ),
        )
        self.rules: list[Split | Combine] = []
        self.drops: list[Drop] = []
        self.notes: tuple[str, ...] = ()
        why = (
            "a setting of that of Keras; what "
            f"{pair.saved_by} had is judged by its verdict"
        )
        unsaid = pair.into.hyperparameters.values()
        self.may_stay: dict[str, str] = dict.fromkeys(unsaid, why)
        step = pair.saved.step or pair.saved.global_step
        count = 0 if step is None else int(reader[step])
        self.verdicts: tuple[Verdict, ...] = pair.verdicts(
            reader, pair.saved.slots, count
        )
        if any(verdict.kind == "impossible" for verdict in self.verdicts):
            return
        made = self._slot_rules()
        self._add_scalars()
        steps = StepRules(reader, target, weights, pair, is_alone=is_alone)
        self.steps = steps
        self.rules = [*made.rules, *self.rules, *steps.rules]
        self.drops = [*made.drops, *self.drops, *steps.drops]
        self.may_stay |= steps.may_stay
        self.notes = steps.notes
        if not pair.saved.kind.slots or not pair.saved.slots:
            self._leave_momentum()
        rate = pair.settings.learning_rate
        times = f"-{rate:.6g}" if pair.saved.kind.by_rate and rate else ""
        self._made = made
        slots = slot_verdicts(made, pair.slot_names(), times)
        ours = map(pair.named, (*slots, steps.verdict))
        self.verdicts = (*ours, *self.verdicts)

    def verdicts_on_left(self, taken: Container[str]) -> Iterable[Verdict]:
        """Return verdicts on slots that none of these optimizers takes or fills."""
        return map(self._pair.named, verdicts_on_left(self._made, taken))

    def take_step(self, step: str, rules: Iterable[Rule]) -> None:
        """Have the powers of this optimizer account for ``global_step``, if none does.

        Args:
          step: Its key.
          rules: All other rules.
        """
        named = {key for rule in rules for key in sources_of(rule)}
        if step in named or self.steps.has_moved(step):
            return
        for number, rule in enumerate(self.rules):
            if rule in self.steps.rules and isinstance(rule, Combine):
                goals = {to: how for to, how in rule.targets if how}
                self.rules[number] = Combine([*rule.sources, step], goals)

    def _slot_rules(self) -> SlotRules:
        pair, rate = self._pair, self._pair.settings.learning_rate
        is_scaled = pair.saved.kind.by_rate and rate is not None
        how = Scale(-(rate or 0)) if is_scaled else None
        change = Change(pair.names.name, how, pair.starts(), pair.parts)
        return slot_rules(self._weights, pair.saved.slots, pair.slots(), change)

    def _add_scalars(self) -> None:
        """Add rules for what is remembered of no variable."""
        into, saved = self._pair.into.hyperparameters.values(), self._pair.saved
        for name, key in saved.scalars.items():
            self._add_scalar(key, {to: None for to in into if f"/{name}/" in to})
        for name, key in saved.scaling.items():
            goals = {
                to: Cast(self._target.specs[to].dtype)
                for to in into
                if to.split("/")[-3] in SCALING[name]
            }
            if goals:
                self._add_scalar(key, goals)
            else:
                why = "the optimizer of Keras scales no loss"
                self.drops.append(Drop(key, reason=why))
        why = "a setting, compared with that of Keras"
        own = {*saved.settings.values(), *self._pair.settings_of_source}
        moved = {*saved.scalars.values(), *saved.scaling.values()}
        self.drops += [Drop(key, reason=why) for key in sorted(own - moved)]

    def _add_scalar(self, key: str, goals: Mapping[str, Cast | None]) -> None:
        self.rules.append(Split(key, goals))
        for goal in goals:
            del self.may_stay[goal]

    def _leave_momentum(self) -> None:
        """Let slots stay that SGD of tf-keras has without using them."""
        flavor = self._pair.into.flavor
        names = {"momentum": KINDS["Momentum"].slots["momentum"][flavor]}
        for slots in self._pair.into.slot_keys(names).values():
            why = "without momentum it is never used"
            self.may_stay |= dict.fromkeys(slots.values(), why)


def slot_verdicts(
    made: SlotRules, names: Mapping[str, str], times: str = ""
) -> Iterator[Verdict]:
    """Yield a verdict on each slot of the optimizer that continues.

    Args:
      made: The rules for slots.
      names: What the other side calls each slot.
      times: What it is multiplied by, as text; "" for nothing.

    Example:
      >>> moved = SlotRules([], [], {"m": 2})
      >>> next(slot_verdicts(moved, {"m": "momentum"})).why
      'becomes momentum of 2 variables'
    """
    for name, count in made.moved.items():
        why = f"becomes {names[name]} of {counted(count, 'variable')}"
        if times:
            why += f", times {times}, while that rate stays"
        if not count:
            why = "left behind: without it the other steps alike"
        yield Verdict("", f"slot {name}", "exact", why)


def verdicts_on_left(made: SlotRules, taken: Container[str]) -> Iterator[Verdict]:
    """Yield verdicts on the slots that are not translated though others are.

    Args:
      made: The rules for slots.
      taken: The keys that rules of all optimizers take or fill.
    """
    for found, why in (
        (made.left, "the optimizer that continues does not train"),
        (made.unfilled, "the optimizer to continue did not train"),
    ):
        for name, keys in found.items():
            lost = [
                repr(variable) for key, variable in keys.items() if key not in taken
            ]
            if lost:
                reason = f"{why} {', '.join(capped(lost, 3))}"
                yield Verdict("", f"slot {name}", "approximate", reason, "", _ANY)
