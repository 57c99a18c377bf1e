"""Rules that tell an optimizer of TF1 how many steps Keras has taken.

The count goes where TF1 keeps it: to an optimizer's own count, or to the powers of its
betas, and to ``global_step``.
"""

from __future__ import annotations

from collections.abc import Sequence

from tf_ckpt_migrate.bundle.dtypes import DType
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import name_of_key
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.names.rules import Drop, Split
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

    Attributes:
      count: How many steps it has taken.
      global_step: The key of TF1's count of all steps, or None.
      is_global_step: Whether that counts the steps of this optimizer, as far as
        ``like`` tells.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        like: CheckpointReader | None,
        weights: Sequence[Move],
        pair: OptimizerPair,
    ) -> None:
        """Make the rules."""
        self._reader, self._like, self._pair = reader, like, pair
        self._saved, self._iterations = pair.saved, pair.into.iterations
        self._steps = int(reader[self._iterations])
        more = STEPS_WITHOUT_BIAS if self._is_shifted() else 0
        self.count: int = self._steps - more
        self.global_step: str | None = pair.saved.global_step
        self.is_global_step: bool = self.global_step is not None and self._is_own_count(
            self.global_step
        )
        self._targets = self._goals(weights)

    @property
    def rules(self) -> list[Split]:
        """What iterations become."""
        goals = self._targets
        return [Split(self._iterations, goals)] if goals else []

    @property
    def drops(self) -> list[Drop]:
        """What is left behind unless other rules want it."""
        why = "TF1 has nothing that counts steps"
        return [] if self._targets else [Drop(self._iterations, reason=why)]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Whether TF1 continues at that step."""
        names = ", ".join(self._targets) or "nothing"
        why = f"{self._steps:,}, which becomes {names}"
        counted = Verdict("", "iterations", "exact", why)
        return (counted, *self._of_bias())

    def fill_step(self, step: str) -> None:
        """Have the count fill ``global_step`` too."""
        self._targets[step] = self._as_step(step)

    def _goals(self, weights: Sequence[Move]) -> dict[str, Transform | None]:
        own = name_of_key(self._iterations)  # which it may keep, by no rule
        goals = {
            move.target: move.transform
            for move in weights
            if move.sources == (self._iterations,) and move.target != own
        }
        for name, key in self._saved.powers.items():
            dtype = self._dtype(key, DType.float32)
            goals[key] = PowerOfSteps(self._pair.betas[name], dtype)
        if self._saved.step is not None:
            goals[self._saved.step] = self._as_step(self._saved.step)
        return goals

    def _is_own_count(self, step: str) -> bool:
        """Whether global_step counts what the optimizer does, as far as TF1 tells."""
        like = self._like
        if like is None:
            return True
        if self._saved.step is not None:
            return int(like[self._saved.step]) == int(like[step])
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
