"""Rules that carry an optimizer of Keras back into one of TF1.

They are the reverse of those that `OptimizerMoves` makes: what was multiplied is
divided, and iterations become the powers of the betas and ``global_step``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import VALUE_END
from tf_ckpt_migrate.conversion.optimizers.keras import KerasOptimizer
from tf_ckpt_migrate.conversion.optimizers.moves import slot_verdicts, verdicts_on_left
from tf_ckpt_migrate.conversion.optimizers.named import Named
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.conversion.optimizers.slots import Change, SlotRules, slot_rules
from tf_ckpt_migrate.conversion.optimizers.steps_back import StepRulesBack
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.naming.optimizer_names import SCALING
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, Kind
from tf_ckpt_migrate.recipes.optimizers import (
    SavedOptimizer,
    made_optimizer,
    saved_optimizer,
)
from tf_ckpt_migrate.transforms import Cast, Chain, Fill, Scale

__all__ = ["OptimizerReturn"]


class OptimizerReturn:
    """The rules for one optimizer.

    Args:
      reader: The checkpoint, of Keras.
      like: A checkpoint of TF1 that says which tensors there are; None for those that
        TF1 would make.
      names: What names the optimizer on both sides.
      weights: Where the weights go, from keys to names of TF1.

    Attributes:
      steps: What is known of its count of steps; only if it can go on.
      may_stay: The tensors of ``like`` that keep what they have, and why.
      notes: What a reader should know.

    Raises:
      PlanError: If it is not there, or slots cannot follow their variables.
      RuleError: If the recipe takes no such option.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        like: CheckpointReader | None,
        names: Named,
        weights: Sequence[Move],
    ) -> None:
        """Find both, judge, and make the rules unless they cannot go on."""
        self._reader, self._like = reader, like
        self._names, self._weights = names, weights
        self._pair = pair = OptimizerPair(names, reader, like, self._of_tf1)
        self.notes: tuple[str, ...] = ()
        self._rules: list[Split | Combine] = []
        self._drops: list[Drop] = []
        self.may_stay: dict[str, str] = {}
        count = int(reader[pair.into.iterations])
        self._verdicts = pair.verdicts(reader, pair.slots(), count)
        self._of_slots: tuple[Verdict, ...] = ()
        if any(verdict.kind == "impossible" for verdict in self._verdicts):
            return
        made = self._slot_rules()
        self._rules, self._drops = made.rules, made.drops
        self._leave_what_has_no_slot()
        self._add_scalars()
        self.steps: StepRulesBack = StepRulesBack(reader, like, weights, pair)
        rate = pair.settings.learning_rate
        times = f"-1 / {rate:.6g}" if pair.saved.kind.by_rate and rate else ""
        own = {name: name for name in made.moved}
        self._of_slots = tuple(slot_verdicts(made, own, times))
        self._made = made

    @property
    def iterations_path(self) -> str:
        """The object path of its count of steps."""
        return self._pair.into.iterations.removesuffix(VALUE_END)

    @property
    def rules(self) -> list[Split | Combine]:
        """What moves: slots and iterations."""
        return [*self._rules, *self.steps.rules]

    @property
    def drops(self) -> list[Drop]:
        """What is left behind unless other rules want it."""
        return [*self._drops, *self.steps.drops]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """How well it goes on: by its slots, its steps, then its settings."""
        if any(verdict.kind == "impossible" for verdict in self._verdicts):
            return self._verdicts
        ours = (*self._of_slots, *self.steps.verdicts)
        return (*map(self._pair.named, ours), *self._verdicts)

    def verdicts_on_left(self, taken: Container[str]) -> Iterable[Verdict]:
        """Return verdicts on slots that none of these optimizers takes or fills."""
        return map(self._pair.named, verdicts_on_left(self._made, taken))

    def fill_step(self, step: str) -> None:
        """Have the steps of this optimizer fill ``global_step``."""
        self.steps.fill_step(step)

    def _of_tf1(
        self, kind: str, kinds: Mapping[str, Kind], keras: KerasOptimizer
    ) -> SavedOptimizer:
        names, like = self._names, self._like
        if like is not None:
            return saved_optimizer(names.name, kind, like.specs, names.instance, kinds)
        found = self._trained(kinds[kind], keras)
        return made_optimizer(names.name, kind, found, names.instance or 0, kinds)

    def _trained(self, kind: Kind, keras: KerasOptimizer) -> dict[str, set[str]]:
        """Return the variables of TF1 that have slots in Keras, and which."""
        wanted = {tf1: each[keras.flavor] for tf1, each in kind.slots.items()}
        slots = keras.slot_keys(wanted)
        found = {
            move.target: {name for key in move.sources for name in slots.get(key, {})}
            for move in self._weights
        }
        return {name: slots for name, slots in found.items() if slots}

    def _slot_rules(self) -> SlotRules:
        pair, rate = self._pair, self._pair.settings.learning_rate
        is_scaled = pair.saved.kind.by_rate and rate is not None
        how = Scale(-1 / (rate or 1)) if is_scaled else None
        change = Change(pair.names.name, how, pair.starts(), pair.parts)
        return slot_rules(self._weights, pair.slots(), pair.saved.slots, change)

    def _leave_what_has_no_slot(self) -> None:
        """See to the momentum that one side has slots for though it is 0."""
        pair = self._pair
        why = "without momentum it is never used"
        if not pair.saved.kind.slots:
            names = {"momentum": KINDS["Momentum"].slots["momentum"][pair.into.flavor]}
            unused = pair.into.slot_keys(names).values()
            self._drops += [Drop(k, reason=why) for s in unused for k in s.values()]
        if "rms" not in pair.saved.kind.slots or any(
            "momentum" in each for each in pair.slots().values()
        ):
            return
        slots = [each for each in pair.saved.slots.values() if "momentum" in each]
        if self._like is not None:
            keys = (each["momentum"] for each in slots)
            whole = (key for k in keys for key in pair.parts.get(k, (k,)))
            self.may_stay |= dict.fromkeys(whole, why)
        else:
            momentum = {each["rms"]: each["momentum"] for each in slots}
            self._rules = [_with_zeros(rule, momentum) for rule in self._rules]

    def _add_scalars(self) -> None:
        """Add rules for what is remembered of no variable."""
        saved = self._pair.saved
        own = dict(self._pair.into.hyperparameters)
        last = {key: key.split("/")[-3] for key in own.values()}
        for name, goal in saved.scalars.items():
            self._add_scalar([k for k in last if last[k] == name], goal)
        for name, goal in saved.scaling.items():
            self._add_scalar([k for k in last if last[k] in SCALING[name]], goal)
        why = "a setting, which TF1 does not save, or has its own of"
        taken = {rule.source for rule in self._rules if isinstance(rule, Split)}
        rest = (key for key in own.values() if key not in taken)
        self._drops += [Drop(key, reason=why) for key in rest]
        stays = "a setting of TF1; what Keras had is judged by its verdict"
        self.may_stay |= dict.fromkeys(saved.settings.values(), stays)

    def _add_scalar(self, keys: Sequence[str], goal: str) -> None:
        if not keys:
            self.may_stay[goal] = "the optimizer of Keras has none"
            return
        how = None
        if self._like is not None:
            wanted = self._like.specs[goal].dtype
            how = Cast(wanted) if self._reader.specs[keys[0]].dtype != wanted else None
        self._rules.append(Split(keys[0], {goal: how}))


def _with_zeros(rule: Split | Combine, beside: Mapping[str, str]) -> Split | Combine:
    """Return a rule that makes zeros as well, beside some of its targets."""
    goals = dict(rule.targets)
    for target, how in rule.targets:
        if target in beside:
            zeros = Fill(0.0)
            goals[beside[target]] = zeros if how is None else Chain((how, zeros))
    if isinstance(rule, Split):
        return Split(rule.source, goals)
    return Combine(rule.sources, {to: how for to, how in goals.items() if how})
