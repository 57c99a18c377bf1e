"""Rules that carry an optimizer of TF1 over into one of Keras.

The slots of a variable go where the variable goes, by the roles they have, and change
as it does: a transposed kernel has transposed slots. Steps come from the powers of the
betas where there are such, else from ``global_step``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.pair import Named, OptimizerPair
from tf_ckpt_migrate.conversion.optimizers.slots import Change, slot_rules
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.recipes.iterations import counted_steps
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.optimizers import Powers, saved_optimizer
from tf_ckpt_migrate.recipes.verdicts import STEPS_WITHOUT_BIAS
from tf_ckpt_migrate.transforms import (
    Cast,
    Chain,
    Scale,
    Shift,
    StepsOfPowers,
    Transform,
)

__all__ = ["OptimizerMoves"]


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
      verdicts: How well it goes on.
      notes: Where what the checkpoint says disagrees.

    Raises:
      PlanError: If it is not there, or cannot go on; if slots cannot follow their
        variables, or nothing tells the steps.
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
        self._reader, self._target, self._weights = reader, target, weights
        self._owns_step = owns_step
        self._pair = pair = OptimizerPair(names, target)
        self._saved = saved_optimizer(
            names.name, pair.kind, reader.specs, names.instance
        )
        self._betas = pair.betas(self._saved, reader)
        self.verdicts = pair.verdicts(
            self._saved, reader, self._saved.slots, self._betas
        )
        self.rules: list[Split | Combine] = []
        self.drops: list[Drop] = []
        self.notes: tuple[str, ...] = ()
        why = "a setting of the optimizer, of which TF1 saved none"
        self.may_stay = dict.fromkeys(pair.into.hyperparameters.values(), why)
        if all(verdict.kind != "impossible" for verdict in self.verdicts):
            self._add_slots()
            self._add_iterations()

    def _add_slots(self) -> None:
        pair, rate = self._pair, self._pair.settings.learning_rate
        is_scaled = pair.kind == "Momentum" and rate is not None
        change = Change(pair.names.name, Scale(-(rate or 0)) if is_scaled else None)
        self.rules, self.drops = slot_rules(
            self._weights, self._saved.slots, pair.slots, change
        )
        if pair.kind == "GradientDescent":
            self._leave_momentum()

    def _add_iterations(self) -> None:
        powers, step = self._saved.powers, self._saved.global_step
        steps = None
        if powers is not None:
            count = None if step is None else int(self._reader[step])
            first, second = (self._reader[key] for key in powers)
            beta1, beta2 = self._betas
            steps, self.notes = counted_steps(first, second, (beta1, beta2), count)
        if step is None and steps is None:
            raise PlanError(
                f"nothing in {self._reader.prefix!r} tells how many steps "
                f"{self._pair.names.name!r} has taken: there is no global_step, and "
                "no power of beta2 that is not 0"
            )
        if powers is None:
            self._from_step(str(step))
        else:
            self._from_powers(powers, steps)

    def _from_powers(self, powers: Powers, steps: int | None) -> None:
        """Take iterations from powers, and from a count of steps that agrees."""
        step = self._saved.global_step
        sources = [powers.beta2, powers.beta1]
        if step is not None and not any(step in m.sources for m in self._weights):
            if steps in (None, int(self._reader[step])) and self._owns_step:
                sources.append(step)
            else:
                why = f"the optimizer has counted {steps or 0:,} steps of its own"
                self.drops.append(Drop(step, reason=why))
        if steps is None:
            self.notes += (
                "the powers of the betas are 0; global_step tells the steps",
            )
        if steps is None and step not in sources:  # it goes elsewhere too
            why = "it is 0, which tells no steps any more"
            self.drops += [Drop(key, reason=why) for key in sources]
            self._from_step(str(step))
            return
        beta1, beta2 = self._betas
        how = self._as_iterations(StepsOfPowers((beta2, beta1)))
        self.rules.append(Combine(sources, {self._pair.into.iterations: how}))

    def _from_step(self, step: str) -> None:
        """Take iterations from ``global_step``, which may go elsewhere too."""
        moves = (move for move in self._weights if move.sources == (step,))
        goals = {move.target: move.transform for move in moves}
        is_bert = self._pair.kind == "AdamWeightDecay"
        shift = Shift(STEPS_WITHOUT_BIAS) if is_bert else None
        goals[self._pair.into.iterations] = self._as_iterations(shift)
        self.rules.append(Split(step, goals))

    def _as_iterations(self, how: Transform | None) -> Any:
        """Return what makes iterations, which Keras may hold as int32."""
        spec = self._target.specs[self._pair.into.iterations]
        if spec.dtype.name == "int64":
            return how
        cast = Cast(spec.dtype)
        return cast if how is None else Chain((how, cast))

    def _leave_momentum(self) -> None:
        """Let slots stay that SGD of tf-keras has without using them."""
        flavor = self._pair.into.flavor
        names = {"momentum": KINDS["Momentum"].slots["momentum"][flavor]}
        for slots in self._pair.into.slot_keys(names).values():
            why = "without momentum it is never used"
            self.may_stay |= dict.fromkeys(slots.values(), why)
