"""Rules that carry an optimizer of TF1 over into one of Keras.

The slots of a variable go where the variable goes, by the roles they have, and change
as it does: a transposed kernel has transposed slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.named import Named
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.conversion.optimizers.slots import Change, SlotRules, slot_rules
from tf_ckpt_migrate.conversion.optimizers.steps import StepRules
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.optimizers import saved_optimizer
from tf_ckpt_migrate.transforms import Cast, Scale

__all__ = ["SCALING", "OptimizerMoves", "slot_verdicts"]

# What scales the loss is called in Keras 3 and in Keras 2, by what TF1 calls it.
SCALING = {
    "current_loss_scale": ("dynamic_scale", "current_loss_scale"),
    "good_steps": ("step_counter", "good_steps"),
}


class OptimizerMoves:
    """The rules for one optimizer.

    Args:
      reader: The checkpoint.
      target: What has the optimizer of Keras.
      names: What names them.
      weights: Where the weights go, by the keys of variables.
      owns_step: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What moves: slots and iterations.
      drops: What is left behind unless other rules want it.
      may_stay: The keys that keep what they have, and why.
      notes: Where what the checkpoint says disagrees.
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
        owns_step: bool = True,
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
        why = "a setting of that of Keras; what TF1 had is judged by its verdict"
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
        steps = StepRules(reader, target, weights, pair, owns_step=owns_step)
        self.rules = [*made.rules, *self.rules, *steps.rules]
        self.drops = [*made.drops, *self.drops, *steps.drops]
        self.may_stay |= steps.may_stay
        self.notes = steps.notes
        if not pair.saved.kind.slots or not pair.saved.slots:
            self._leave_momentum()
        rate = pair.settings.learning_rate
        times = f"-{rate:.6g}" if pair.saved.kind.by_rate and rate else ""
        slots = slot_verdicts(made.moved, pair.slot_names(), times)
        ours = map(pair.named, (*slots, steps.verdict))
        self.verdicts = (*ours, *self.verdicts)

    def _slot_rules(self) -> SlotRules:
        pair, rate = self._pair, self._pair.settings.learning_rate
        is_scaled = pair.saved.kind.by_rate and rate is not None
        how = Scale(-(rate or 0)) if is_scaled else None
        change = Change(pair.names.name, how, pair.starts())
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
        self.drops += [Drop(key, reason=why) for key in saved.settings.values()]

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
    count: Mapping[str, int], names: Mapping[str, str], times: str = ""
) -> Iterator[Verdict]:
    """Yield a verdict on each slot that an optimizer of TF1 has.

    Args:
      count: Of how many variables each one moves.
      names: What the other side calls it.
      times: What it is multiplied by, as text; "" for nothing.

    Example:
      >>> next(slot_verdicts({"m": 2}, {"m": "momentum"})).why
      'becomes momentum of 2 variables'
    """
    for name, moved in count.items():
        why = f"becomes {names[name]} of {counted(moved, 'variable')}"
        if times:
            why += f", times {times}, while that rate stays"
        if not moved:
            why = "left behind: without it the other steps alike"
        yield Verdict("", f"slot {name}", "exact", why)
