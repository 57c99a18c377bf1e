"""Rules that carry an optimizer of TF1 over into one of Keras.

The slots of a variable go where the variable goes, by the roles they have, and change
as it does: a transposed kernel has transposed slots.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.text import counted
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.live.optimizer_pair import OptimizerPair
from tf_ckpt_migrate.live.optimizer_steps import StepRules
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.optimizer_names import SLOT_STARTS
from tf_ckpt_migrate.names.rules import Combine, Drop, Split
from tf_ckpt_migrate.recipes.following import Unfollowable, slot_transform
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.verdicts import Verdict
from tf_ckpt_migrate.transforms import Cast, Chain, Scale, Transform

__all__ = ["OptimizerMoves"]

# What scales the loss is called in Keras 3 and in Keras 2, by what TF1 calls it.
_SCALING = {
    "current_loss_scale": ("dynamic_scale", "current_loss_scale"),
    "good_steps": ("step_counter", "good_steps"),
}


class OptimizerMoves:
    """The rules for one optimizer.

    Args:
      reader: The checkpoint.
      live: The target.
      weights: Where the weights go, by the keys of variables.
      pair: The optimizer on both sides; it can go on.
      owns_step: Whether no other optimizer is there that global_step might count.

    Attributes:
      rules: What moves: slots and iterations.
      drops: What is left behind unless other rules want it.
      may_stay: The keys that keep what they have, and why.
      notes: Where what the checkpoint says disagrees.
      verdicts: How well it goes on: by its slots, its steps, then its settings.

    Raises:
      PlanError: If slots cannot follow their variables, or nothing tells the steps.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        live: LiveTarget,
        weights: Sequence[Move],
        pair: OptimizerPair,
        *,
        owns_step: bool = True,
    ) -> None:
        """Make the rules."""
        self._live, self._pair = live, pair
        self._weights, self._slots = weights, pair.slot_keys(live)
        self._moved: Counter[str] = Counter()
        self.rules: list[Split | Combine] = []
        self.drops: list[Drop] = []
        why = "a setting of the live optimizer; what TF1 had is judged by its verdict"
        self.may_stay = dict.fromkeys(pair.into.hyperparameters, why)
        for moves in self._by_sources().values():
            self._add_slots(moves)
        self._add_scalars()
        steps = StepRules(reader, live, weights, pair, owns_step=owns_step)
        self.rules += steps.rules
        self.drops += steps.drops
        self.may_stay |= steps.may_stay
        self.notes = steps.notes
        if not pair.saved.kind.slots or not pair.saved.slots:
            self._leave_momentum()
        slots = map(pair.named, self._of_slots())
        self.verdicts = (*slots, pair.named(steps.verdict), *pair.verdicts)

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
                self._slots[move.target][name]: self._transform(move, name)
                for move in moves
                if name in self._slots.get(move.target, {})
            }
            present = [key for key in keys if key]
            self._moved[name] += len(goals)
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

    def _transform(self, move: Move, name: str) -> Transform | None:
        """Return what is done to a slot: what was done to the variable, and more."""
        try:
            kind = self._pair.saved.kind
            own = next((n for n, each in KINDS.items() if each is kind), "")
            start = SLOT_STARTS.get((own, name), 0.0)
            followed = slot_transform(move.transform, start)
        except Unfollowable as error:
            raise PlanError(
                f"{move}: what follows for the slots of {self._pair.recipe.source!r} "
                f"is not known, as {error}; restore without the recipe and with "
                "tcm.Drop(role='slot'), tcm.Drop(role='optimizer') to begin it anew"
            ) from None
        rate = self._pair.into.settings.learning_rate
        if not self._pair.saved.kind.by_rate or rate is None:
            return followed
        scale = Scale(-rate)
        return scale if followed is None else Chain((followed, scale))

    def _of_slots(self) -> Iterator[Verdict]:
        """Yield a verdict on each slot."""
        kind, live = self._pair.saved.kind, self._pair.into.settings
        names = self._pair.slot_names()
        for name, count in self._moved.items():
            why = f"becomes {names[name]} of {counted(count, 'variable')}"
            if kind.by_rate:
                why += f", times -{live.learning_rate:.6g}, while that rate stays"
            if not count:
                why = "left behind: without it the live optimizer steps alike"
            yield Verdict("", f"slot {name}", "exact", why)

    def _add_scalars(self) -> None:
        """Add rules for what is remembered of no variable."""
        into, saved = self._pair.into.hyperparameters, self._pair.saved
        for name, key in saved.scalars.items():
            goals = {to: None for to in into if f"/{name}/" in to}
            self.rules.append(Split(key, goals))
            self._moved_scalar(goals)
        for name, key in saved.scaling.items():
            goals = {
                to: Cast(self._live.specs[to].dtype)
                for to in into
                if to.split("/")[-3] in _SCALING[name]
            }
            if goals:
                self.rules.append(Split(key, goals))
                self._moved_scalar(goals)
            else:
                why = "the live optimizer scales no loss"
                self.drops.append(Drop(key, reason=why))
        why = "a setting, compared with that of the live optimizer"
        self.drops += [Drop(key, reason=why) for key in saved.settings.values()]

    def _moved_scalar(self, goals: Mapping[str, object]) -> None:
        for key in goals:
            del self.may_stay[key]

    def _leave_momentum(self) -> None:
        """Let slots stay that SGD of tf-keras has without using them."""
        flavor = self._pair.into.settings.flavor
        names = {"momentum": KINDS["Momentum"].slots["momentum"][flavor]}
        for slots in self._pair.into.slot_keys(self._live, names).values():
            why = "without momentum it is never used"
            self.may_stay |= dict.fromkeys(slots.values(), why)
