"""Rules that carry an optimizer of Keras back into one of TF1.

They are the reverse of those that `OptimizerMoves` makes: what was multiplied is
divided, and iterations become the powers of the betas and ``global_step``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.pair import Named, OptimizerPair
from tf_ckpt_migrate.conversion.optimizers.slots import Change, slot_rules
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.iterations import bias_left, counted_steps
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.optimizers import (
    SavedOptimizer,
    made_optimizer,
    saved_optimizer,
)
from tf_ckpt_migrate.recipes.verdicts import STEPS_WITHOUT_BIAS
from tf_ckpt_migrate.transforms import (
    Cast,
    Chain,
    Fill,
    PowerOfSteps,
    Scale,
    Shift,
    Transform,
)

__all__ = ["OptimizerReturn"]


class OptimizerReturn:
    """The rules for one optimizer.

    Args:
      reader: The checkpoint, of Keras.
      like: A checkpoint of TF1 that says which tensors there are; None for those that
        TF1 would make.
      names: What names the optimizer on both sides.
      weights: Where the weights go, from keys to names of TF1.
      owns_step: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What moves: slots and iterations.
      drops: What is left behind unless other rules want it.
      may_stay: The tensors of ``like`` that keep what they have, and why.
      verdicts: How well it goes on.
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
        *,
        owns_step: bool = True,
    ) -> None:
        """Find both, judge, and make the rules unless they cannot go on."""
        self._reader, self._like, self._weights = reader, like, weights
        self._pair = pair = OptimizerPair(names, reader)
        self._steps = int(reader[pair.into.iterations])
        self._saved = self._of_tf1(names)
        self._betas = pair.betas(self._saved, like)
        judged = pair.verdicts(self._saved, reader, pair.slots, self._betas)
        self.verdicts = (*judged, *self._of_bias())
        self.rules: list[Split | Combine] = []
        self.notes: tuple[str, ...] = ()
        why = "a setting of the optimizer, of which TF1 saves none"
        self.drops = [Drop(k, reason=why) for k in pair.into.hyperparameters.values()]
        self.may_stay: dict[str, str] = {}
        if all(verdict.kind != "impossible" for verdict in self.verdicts):
            self._add_slots()
            self._add_steps(owns_step=owns_step)

    def _of_tf1(self, names: Named) -> SavedOptimizer:
        kind = self._pair.kind
        if self._like is not None:
            return saved_optimizer(names.name, kind, self._like.specs, names.instance)
        slots = self._pair.slots
        variables = {
            move.target: {name for key in move.sources for name in slots.get(key, {})}
            for move in self._weights
        }
        trained = {name: found for name, found in variables.items() if found}
        return made_optimizer(names.name, kind, trained, names.instance or 0)

    def _add_slots(self) -> None:
        pair, rate = self._pair, self._pair.settings.learning_rate
        is_scaled = pair.kind == "Momentum" and rate is not None
        change = Change(pair.names.name, Scale(-1 / (rate or 1)) if is_scaled else None)
        goals = self._saved.slots
        rules, drops = slot_rules(self._weights, pair.slots, goals, change)
        self.rules += rules
        self.drops += drops
        if pair.kind == "GradientDescent":
            why = "without momentum it is never used"
            names = {"momentum": KINDS["Momentum"].slots["momentum"][pair.into.flavor]}
            unused = pair.into.slot_keys(names).values()
            self.drops += [Drop(k, reason=why) for s in unused for k in s.values()]
        if pair.kind == "RMSProp":
            self._add_unused_momentum()

    def _add_unused_momentum(self) -> None:
        """Give TF1 the slot for momentum that it makes even if it has none."""
        slots = [s for s in self._saved.slots.values() if "momentum" in s]
        if any("momentum" in each for each in self._pair.slots.values()):
            return
        if self._like is not None:
            why = "without momentum it is never used"
            self.may_stay |= {each["momentum"]: why for each in slots}
            return
        momentum = {each["rms"]: each["momentum"] for each in slots}
        self.rules = [_with_zeros(rule, momentum) for rule in self.rules]

    def _add_steps(self, *, owns_step: bool) -> None:
        """Make the powers of betas, and global_step, of iterations."""
        iterations = self._pair.into.iterations
        moves = (move for move in self._weights if move.sources == (iterations,))
        goals = {move.target: move.transform for move in moves}
        if self._saved.powers is not None:
            pairs = zip(self._saved.powers, self._betas, strict=True)
            goals |= {key: PowerOfSteps(b, self._dtype(key)) for key, b in pairs}
        step = self._saved.global_step
        if step is not None and not any(m.target == step for m in self._weights):
            if owns_step and self._is_own_count(step):
                goals[step] = self._as_step(step)
            elif self._like is not None:
                self.may_stay[step] = "it counts other steps than this optimizer"
        if goals:
            self.rules.append(Split(iterations, goals))
        else:
            why = "TF1 has nothing that counts steps"
            self.drops.append(Drop(iterations, reason=why))

    def _is_own_count(self, step: str) -> bool:
        """Whether global_step counts what the optimizer does, as far as TF1 tells."""
        powers, like = self._saved.powers, self._like
        if powers is None or like is None:
            return True
        beta1, beta2 = self._betas
        known = counted_steps(
            like[powers.beta1], like[powers.beta2], (beta1, beta2), None
        )
        return known.steps in (None, int(like[step]))

    def _as_step(self, step: str) -> Transform | None:
        dtype = self._dtype(step, DType.int64)
        spec = self._reader.specs[self._pair.into.iterations]
        cast = [] if spec.dtype is dtype else [Cast(dtype)]
        is_far = self._steps >= STEPS_WITHOUT_BIAS
        is_shifted = self._pair.kind == "AdamWeightDecay" and is_far
        shift = [Shift(-STEPS_WITHOUT_BIAS)] if is_shifted else []
        steps: tuple[Transform, ...] = (*cast, *shift)
        return Chain(steps) if len(steps) > 1 else next(iter(steps), None)

    def _dtype(self, key: str, default: DType = DType.float32) -> DType:
        return default if self._like is None else self._like.specs[key].dtype

    def _of_bias(self) -> tuple[Verdict, ...]:
        """Return what it means that Keras still corrects a bias, as BERT never does."""
        if self._pair.kind != "AdamWeightDecay" or self._steps >= STEPS_WITHOUT_BIAS:
            return ()
        values = self._pair.settings.values
        why = "after so few steps AdamW still corrects a bias, AdamWeightDecay never"
        far = bias_left(self._steps, (values["beta_1"], values["beta_2"]))
        return (Verdict("AdamWeightDecay", "steps", "approximate", why, "", far),)


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
