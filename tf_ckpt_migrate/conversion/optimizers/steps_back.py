"""Rules that tell an optimizer of TF1 how many steps Keras has taken.

The count goes where TF1 keeps it: to an optimizer's own count, or to the powers of its
betas, and to ``global_step``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.rules import Drop, Split
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.iterations import Power, bias_left, counted_steps
from tf_ckpt_migrate.recipes.limits import STEPS_WITHOUT_BIAS
from tf_ckpt_migrate.transforms import Cast, Chain, PowerOfSteps, Shift, Transform

__all__ = ["StepRulesBack"]


class StepRulesBack:
    """The rules for the count of steps of one optimizer.

    Args:
      reader: The checkpoint, of Keras.
      like: A checkpoint of TF1 that says which tensors there are, or None.
      weights: Where the weights go, from keys to names of TF1.
      pair: The optimizer on both sides.
      owns_step: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What iterations become.
      drops: What is left behind unless other rules want it.
      may_stay: The tensors of ``like`` that keep what they have, and why.
      verdicts: Whether TF1 goes on at that step.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        like: CheckpointReader | None,
        weights: Sequence[Move],
        pair: OptimizerPair,
        *,
        owns_step: bool,
    ) -> None:
        """Make the rules."""
        self._reader, self._like, self._pair = reader, like, pair
        self._saved, self._iterations = pair.saved, pair.into.iterations
        self._steps = int(reader[self._iterations])
        self.rules: list[Split] = []
        self.drops: list[Drop] = []
        self.may_stay: dict[str, str] = {}
        goals = self._goals(weights, owns_step=owns_step)
        if goals:
            self.rules.append(Split(self._iterations, goals))
        else:
            why = "TF1 has nothing that counts steps"
            self.drops.append(Drop(self._iterations, reason=why))
        names = ", ".join(goals) or "nothing"
        why = f"{self._steps:,}, which becomes {names}"
        counted = Verdict("", "iterations", "exact", why)
        self.verdicts: tuple[Verdict, ...] = (counted, *self._of_bias())

    def _goals(
        self, weights: Sequence[Move], *, owns_step: bool
    ) -> dict[str, Transform | None]:
        moves = (move for move in weights if move.sources == (self._iterations,))
        goals = {move.target: move.transform for move in moves}
        for name, key in self._saved.powers.items():
            dtype = self._dtype(key, DType.float32)
            goals[key] = PowerOfSteps(self._pair.betas[name], dtype)
        if self._saved.step is not None:
            goals[self._saved.step] = self._as_step(self._saved.step)
        step = self._saved.global_step
        if step is None or any(move.target == step for move in weights):
            return goals
        if owns_step and self._saved.step is None and self._is_own_count(step):
            goals[step] = self._as_step(step)
        elif self._like is not None:
            self.may_stay[step] = "it counts other steps than this optimizer"
        return goals

    def _is_own_count(self, step: str) -> bool:
        """Whether global_step counts what the optimizer does, as far as TF1 tells."""
        like = self._like
        if not self._saved.powers or like is None:
            return True
        powers = [
            Power(key, like[key], self._pair.betas[name])
            for name, key in self._saved.powers.items()
        ]
        return counted_steps(powers, None).steps in (None, int(like[step]))

    def _as_step(self, step: str) -> Transform | None:
        dtype = self._dtype(step, DType.int64)
        is_same = self._reader.specs[self._iterations].dtype is dtype
        made: tuple[Transform, ...] = () if is_same else (Cast(dtype),)
        if self._is_shifted():
            made = (*made, Shift(-STEPS_WITHOUT_BIAS))
        return Chain(made) if len(made) > 1 else next(iter(made), None)

    def _is_shifted(self) -> bool:
        """Whether the way there has added steps; a schedule has to read them as is."""
        is_free = self._pair.settings.learning_rate is not None
        is_far = self._steps >= STEPS_WITHOUT_BIAS
        return is_free and is_far and not self._saved.kind.corrects_bias

    def _dtype(self, key: str, default: DType) -> DType:
        return default if self._like is None else self._like.specs[key].dtype

    def _of_bias(self) -> tuple[Verdict, ...]:
        """Return what it means that Keras still corrects a bias, as TF1 never does."""
        if self._saved.kind.corrects_bias or self._steps >= STEPS_WITHOUT_BIAS:
            return ()
        values = self._pair.settings.values
        why = "after so few steps that of Keras still corrects a bias, that of TF1 not"
        far = bias_left(self._steps, (values["beta_1"], values["beta_2"]))
        return (Verdict("", "bias", "approximate", why, "", far),)
