"""Rules that carry an optimizer of TF1 over into one of Keras.

The slots of a variable go where the variable goes, by the roles they have, and change
as it does: a transposed kernel has transposed slots. Steps come from the powers of the
betas where there are such, else from ``global_step``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.recipes.following import Unfollowable, slot_transform
from tf_ckpt_migrate.recipes.iterations import counted_steps
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.optimizers import Powers
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
      weights: Where the weights go, by the keys of variables.
      pair: The optimizer on both sides; it can go on.
      owns_step: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What moves: slots and iterations.
      drops: What is left behind unless other rules want it.
      may_stay: The keys that keep what they have, and why.
      notes: Where what the checkpoint says disagrees.

    Raises:
      PlanError: If slots cannot follow their variables, or nothing tells the steps.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        target: CheckpointView,
        weights: Sequence[Move],
        pair: OptimizerPair,
        *,
        owns_step: bool = True,
    ) -> None:
        """Make the rules."""
        self._reader, self._target, self._pair = reader, target, pair
        self._weights, self._slots = weights, pair.slot_keys()
        self._owns_step = owns_step
        self.rules: list[Split | Combine] = []
        self.drops: list[Drop] = []
        self.notes: tuple[str, ...] = ()
        why = "a setting of the optimizer, of which TF1 saved none"
        self.may_stay = dict.fromkeys(pair.into.hyperparameters.values(), why)
        for moves in self._by_sources().values():
            self._add_slots(moves)
        self._add_iterations()
        if pair.kind == "GradientDescent":
            self._leave_momentum()

    def _by_sources(self) -> Mapping[tuple[str, ...], list[Move]]:
        found: dict[tuple[str, ...], list[Move]] = defaultdict(list)
        for move in self._weights:
            if any(source in self._pair.saved.slots for source in move.sources):
                found[move.sources].append(move)
        return found

    def _add_slots(self, moves: Sequence[Move]) -> None:
        """Add rules for the slots of what makes these moves."""
        sources, saved = moves[0].sources, self._pair.saved.slots
        for name in saved.get(sources[0], {}):
            keys = [saved.get(source, {}).get(name) for source in sources]
            goals = {
                self._slots[move.target][name]: self._transform(move)
                for move in moves
                if name in self._slots.get(move.target, {})
            }
            present = [key for key in keys if key]
            if not goals:
                why = f"the optimizer has no such slot of {moves[0].target!r}"
                self.drops += [Drop(key, reason=why) for key in present]
            elif len(present) < len(keys):
                raise PlanError(
                    f"of {', '.join(map(repr, sources))}, which become one variable, "
                    f"only {len(present)} have the slot {name!r}"
                )
            elif len(keys) == 1:
                self.rules.append(Split(present[0], goals))
            else:
                joined = {to: how for to, how in goals.items() if how}
                self.rules.append(Combine(present, joined))

    def _transform(self, move: Move) -> Transform | None:
        """Return what is done to a slot: what was done to the variable, and more."""
        try:
            followed = slot_transform(move.transform)
        except Unfollowable as error:
            raise PlanError(
                f"{move}: what follows for the slots of {self._pair.recipe.source!r} "
                f"is not known, as {error}; restore without the recipe and with "
                "tcm.Drop(role='slot'), tcm.Drop(role='optimizer') to begin it anew"
            ) from None
        rate = self._pair.settings.learning_rate
        if self._pair.kind != "Momentum" or rate is None:
            return followed
        scale = Scale(-rate)
        return scale if followed is None else Chain((followed, scale))

    def _add_iterations(self) -> None:
        powers, step = self._pair.saved.powers, self._pair.saved.global_step
        steps = None
        if powers is not None:
            count = None if step is None else int(self._reader[step])
            first, second = (self._reader[key] for key in powers)
            beta1, beta2 = self._pair.betas
            steps, self.notes = counted_steps(first, second, (beta1, beta2), count)
        if step is None and steps is None:
            raise PlanError(
                f"nothing in {self._reader.prefix!r} tells how many steps "
                f"{self._pair.recipe.source!r} has taken: there is no global_step, and "
                "no power of beta2 that is not 0"
            )
        if powers is None:
            self._from_step(str(step))
        else:
            self._from_powers(powers, steps)

    def _from_powers(self, powers: Powers, steps: int | None) -> None:
        """Take iterations from powers, and from a count of steps that agrees."""
        step = self._pair.saved.global_step
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
        beta1, beta2 = self._pair.betas
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
