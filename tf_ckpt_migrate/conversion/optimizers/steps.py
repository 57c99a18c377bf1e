"""Rules that tell an optimizer of Keras how many steps TF1 had taken.

They come from the optimizer's own count if it has one, from the powers of its betas
where there are such, else from ``global_step``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.pair import OptimizerPair
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.recipes.iterations import Counted, Power, counted_steps
from tf_ckpt_migrate.recipes.limits import STEPS_WITHOUT_BIAS
from tf_ckpt_migrate.transforms import Chain, Shift, StepsOfPowers, Transform
from tf_ckpt_migrate.transforms.steps import CastSteps

__all__ = ["StepCounter", "StepRules"]

_ANY = float("inf")


class StepCounter(NamedTuple):
    """Where a Keras optimizer counts its steps.

    Attributes:
      iterations: The key of the count.
      more: How many more steps it counts than were taken.
    """

    iterations: str
    more: int = 0


class StepRules:
    """The rules for the count of steps of one optimizer.

    Args:
      reader: The checkpoint.
      target: What has the optimizer of Keras.
      weights: Where the weights go, by the keys of variables.
      pair: The optimizer on both sides.
      is_alone: Whether no other optimizer is there that global_step might count.

    Attributes:
      global_step: The key of the count of all steps, or None.
      counter: Where the Keras optimizer counts its steps.
      is_global_step: Whether that count is the one in ``global_step``.
      rules: What makes ``iterations``.
      drops: What is left behind unless other rules want it.
      may_stay: The key of ``iterations`` and why, if nothing makes them.
      notes: Where what the checkpoint says disagrees.
      verdict: Whether the count is certain.

    Raises:
      PlanError: If nothing tells the steps.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        target: CheckpointView,
        weights: Sequence[Move],
        pair: OptimizerPair,
        *,
        is_alone: bool,
    ) -> None:
        """Make the rules."""
        self._reader, self._target, self._pair = reader, target, pair
        self._weights, self._is_alone = weights, is_alone
        self._saved = pair.saved
        # A schedule has to read the steps as they are.
        is_free = pair.settings.learning_rate is not None
        corrects_bias = pair.saved.kind.corrects_bias
        self._more = STEPS_WITHOUT_BIAS if is_free and not corrects_bias else 0
        self.global_step: str | None = pair.saved.global_step
        self.counter: StepCounter = StepCounter(pair.into.iterations, self._more)
        self.is_global_step: bool = False
        self.rules: list[Split | Combine] = []
        self.drops: list[Drop] = []
        self.may_stay: dict[str, str] = {}
        self.notes: tuple[str, ...] = ()
        self.verdict: Verdict
        if self._saved.step is not None:
            self.verdict = self._from_its_own(self._saved.step)
        elif self._saved.powers:
            self.verdict = self._from_powers()
        else:
            self.verdict = self._from_step()

    def _from_its_own(self, step: str) -> Verdict:
        """Take what an optimizer of tf.keras counted."""
        self._move(step)
        count = int(self._reader[step])
        if self.global_step is not None:
            why = f"the optimizer counts its own steps, in {step!r}"
            self.drops.append(Drop(self.global_step, reason=why))
            self.is_global_step = count == int(self._reader[self.global_step])
        return self._exact(count, repr(step))

    def _from_powers(self) -> Verdict:
        """Take iterations from powers, and from a count of steps that agrees."""
        step, keys = self.global_step, self._saved.powers
        powers = [
            Power(key, self._reader[key], self._pair.betas[name])
            for name, key in keys.items()
        ]
        count = None if step is None else int(self._reader[step])
        told = counted_steps(powers, count)
        self.notes = told.notes
        if told.steps is None:
            self.notes += (
                "the powers of the betas are 0; global_step tells the steps",
            )
        ordered = sorted(powers, key=lambda power: -power.beta)
        sources = [power.key for power in ordered]
        if told.steps is None or not told.agree:
            if step is None or count is None:
                raise self._nothing_tells(told)
            self.is_global_step = not self.has_moved(step)
        elif step is not None and not self.has_moved(step):
            self.is_global_step = told.steps == count
            if not self.is_global_step or not self._is_alone:
                why = f"the optimizer has counted {told.steps:,} steps of its own"
                self.drops.append(Drop(step, reason=why))
        is_one = self.is_global_step and self._is_alone
        if not told.agree or (told.steps is None and not is_one):
            why = "it tells no steps: it is 0, or no power of a known beta"
            self.drops += [Drop(key, reason=why) for key in sources]
            self._move(str(step))
        else:
            sources += [str(step)] if is_one else []
            how = StepsOfPowers(tuple(power.beta for power in ordered))
            goal = {self._pair.into.iterations: self._as_iterations(how)}
            self.rules.append(Combine(sources, goal))
        return self._of_powers(told, count)

    def _of_powers(self, told: Counted, count: int | None) -> Verdict:
        if told.steps is None:
            return self._exact(count, "global_step: powers of that many are 0")
        keys = self._saved.powers.values()
        names = " and ".join(key.rpartition("/")[2] for key in keys)
        if told.fits:
            agrees = "; global_step agrees" if count == told.steps else ""
            return self._exact(told.steps, f"{names}{agrees}")
        betas = ", ".join(f"{name}=…" for name in self._saved.powers)
        steps = f"{told.steps:,}" if told.agree else f"{count:,}, by global_step"
        return Verdict(
            "",
            "iterations",
            "approximate",
            f"{steps}, as {names} are no powers of the betas",
            f"say {betas} as TF1 had them",
            _ANY,
        )

    def _from_step(self) -> Verdict:
        """Take iterations from ``global_step``, which may go elsewhere too."""
        step, kind = self.global_step, self._saved.kind
        needs_betas = kind.corrects_bias_by_steps
        if step is None and not needs_betas and not kind.counts:
            return self._from_nothing()
        if step is None:
            raise self._nothing_tells()
        self._move(step)
        self.is_global_step = True
        count = int(self._reader[step])
        if not kind.corrects_bias:
            more = f" and {self._more:,}, so that no bias is corrected"
            return self._exact(f"{count:,}{more if self._more else ''}", "global_step")
        if kind.counts:
            return self._exact(count, "global_step, if that was what it was given")
        if not needs_betas:
            return self._exact(count, "global_step; only a schedule would read them")
        if self._is_alone:
            verdict = self._exact(count, "global_step, there being no powers of beta")
            if not kind.powers:
                return verdict
            return verdict._replace(assumes="taken as many steps as global_step says")
        return Verdict(
            "",
            "iterations",
            "approximate",
            f"{count:,}, by global_step, which may count steps of another optimizer",
            "restore it alone, or assign what it counted to optimizer.iterations",
            _ANY,
        )

    def _from_nothing(self) -> Verdict:
        """Leave iterations as they are, which only a schedule would read."""
        why = "nothing in the checkpoint counts steps"
        self.may_stay[self._pair.into.iterations] = why
        if self._pair.settings.learning_rate is not None:
            why = f"as they were: {why}, and only a schedule would read them"
            return Verdict("", "iterations", "exact", why)
        instead = "assign what TF1 had taken to optimizer.iterations"
        why = f"{why}, and a schedule reads them"
        return Verdict("", "iterations", "approximate", why, instead, _ANY)

    def _exact(self, count: object, source: str) -> Verdict:
        number = f"{count:,}" if isinstance(count, int) else count
        return Verdict("", "iterations", "exact", f"{number}, by {source}")

    def _move(self, step: str) -> None:
        moves = (move for move in self._weights if move.sources == (step,))
        goals = {move.target: move.transform for move in moves}
        shift = Shift(self._more) if self._more else None
        goals[self._pair.into.iterations] = self._as_iterations(shift)
        self.rules.append(Split(step, goals))

    def has_moved(self, step: str) -> bool:
        """Return whether a rule of the caller takes the count somewhere."""
        return any(step in move.sources for move in self._weights)

    def _as_iterations(self, how: Transform | None) -> Any:
        """Return what makes iterations, which Keras may hold as int32."""
        spec = self._target.specs[self._pair.into.iterations]
        if spec.dtype.name == "int64":
            return how
        cast = CastSteps(spec.dtype)
        return cast if how is None else Chain((how, cast))

    def _nothing_tells(self, told: Counted | None = None) -> PlanError:
        if told is not None and told.steps is not None:
            betas = ", ".join(f"{name}=…" for name in self._saved.powers)
            return PlanError(
                f"{self._reader.prefix!r} has no global_step, and "
                f"{' and '.join(map(repr, self._saved.powers.values()))} are no powers "
                f"of the betas that are known; say {betas} in the recipe"
            )
        return PlanError(
            f"nothing in {self._reader.prefix!r} tells how many steps "
            f"{self._pair.names.name!r} has taken: there is no global_step, and "
            "no power of beta2 that is not 0"
        )
