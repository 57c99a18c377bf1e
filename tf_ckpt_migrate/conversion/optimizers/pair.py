"""An optimizer of TF1 and the one of Keras that it is to be, or was: do they fit?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.keras import KerasOptimizer, keras_optimizer
from tf_ckpt_migrate.conversion.optimizers.settings import (
    OF_KERAS,
    completed,
    live_settings,
    saved_settings,
)
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.names.rules import Recipe
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.epsilon import Epsilons, step_fraction
from tf_ckpt_migrate.recipes.iterations import likely_beta
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, kind_for
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer
from tf_ckpt_migrate.recipes.verdicts import judged, without_counterpart

__all__ = ["Named", "OptimizerPair", "named"]

_BESIDE = ("instance", "like")  # what a recipe takes besides the settings of TF1


class Named(NamedTuple):
    """What a recipe for an optimizer says.

    Attributes:
      recipe: The recipe itself, for messages.
      name: What TF1 calls the optimizer.
      path: Where it is in Keras.
      instance: Which one of this name in TF1; None for the only one.
      like: Which of `KINDS`, if that is said.
      told: The settings that are told, of both sides.
    """

    recipe: Recipe
    name: str
    path: str
    instance: int | None
    like: str | None
    told: Mapping[str, Any]


def named(recipe: Recipe, *, back: bool = False) -> Named:
    """Return what a recipe says, from TF1 to Keras or back.

    Example:
      >>> named(Recipe("optimizer", "opt", "Adam", instance=1), back=True)[1:4]
      ('Adam', 'opt', 1)
    """
    told = dict(recipe.options)
    instance, like = (told.pop(option, None) for option in _BESIDE)
    name, path = recipe.source, recipe.target
    if back:
        name, path = path, name
    return Named(recipe, name, path, instance, like, told)


class OptimizerPair:
    """What a recipe names, found in Keras, and what TF1 has to do with it.

    Args:
      names: What the recipe says.
      keras: What has the optimizer of Keras.

    Attributes:
      names: What the recipe says.
      kind: Which of `KINDS`.
      into: The optimizer of Keras.
      settings: Its settings.
      told: What TF1 had, as far as that is told.

    Raises:
      PlanError: If there is no such optimizer, or it continues none of TF1.
      RuleError: If the recipe takes no such option.
    """

    def __init__(self, names: Named, keras: CheckpointView) -> None:
        """Find it, and its settings."""
        self.names = names
        live = live_settings(keras, names.path)
        self.into = keras_optimizer(keras, names.path)
        have = live or saved_settings(keras, self.into)
        self.kind = _kind(names, have.keras_class, self.into)
        _check_options(names, self.kind)
        is_whole = live is not None
        self.settings = completed(self.kind, have, names.told, is_whole=is_whole)
        known = KINDS[self.kind].settings
        self.told = {name: v for name, v in names.told.items() if name in known}

    @cached_property
    def slots(self) -> Mapping[str, Mapping[str, str]]:
        """Its slots: by the key of a variable, by TF1's slot.

        Raises:
          PlanError: If there are none yet.
        """
        wanted = KINDS[self.kind].slots
        names = {tf1: each[self.into.flavor] for tf1, each in wanted.items()}
        found = self.into.slot_keys(names)
        if wanted and not found:
            raise PlanError(
                f"the optimizer at {self.into.path!r} has no slots yet: call "
                "optimizer.build(model.trainable_variables), or apply gradients once "
                "if it is a legacy one"
            )
        return found

    def betas(
        self, saved: SavedOptimizer, tf1: CheckpointReader | None
    ) -> tuple[float, ...]:
        """Return beta1 and beta2, as told or as powers fit; nothing without powers.

        Args:
          saved: The optimizer of TF1.
          tf1: A checkpoint that has its powers, or None.
        """
        if saved.powers is None:
            return ()
        settings, values = KINDS[self.kind].settings, self.settings.values
        found: list[float] = []
        for name, key in zip(("beta1", "beta2"), saved.powers, strict=True):
            keras, default, _ = settings[name]
            candidates: list[Any] = [values.get(keras, default), default]
            fits = candidates[0] if tf1 is None else likely_beta(tf1[key], candidates)
            found.append(self.told.get(name) or fits)
        return tuple(found)

    def verdicts(
        self,
        saved: SavedOptimizer,
        source: CheckpointReader,
        slots: Mapping[str, Mapping[str, str]],
        betas: tuple[float, ...],
    ) -> tuple[Verdict, ...]:
        """Return how well it goes on.

        Args:
          saved: The optimizer of TF1.
          source: The checkpoint that it goes on from.
          slots: Those of the source, by variable and by TF1's name.
          betas: Those of TF1.
        """
        told = self.told | dict(zip(("beta1", "beta2"), betas, strict=False))
        return judged(
            self.kind,
            self.settings,
            told,
            is_centered=any("mg" in each for each in saved.slots.values()),
            epsilon_fraction=self._epsilon_fraction(told, source, slots),
        )

    def _epsilon_fraction(
        self,
        told: Mapping[str, Any],
        source: CheckpointReader,
        slots: Mapping[str, Mapping[str, str]],
    ) -> float:
        """Return by how much of itself a step differs for another epsilon."""
        settings, live = KINDS[self.kind].settings, self.settings
        have = live.values.get("epsilon")
        if "epsilon" not in settings or have is None:
            return 0.0
        wanted = told.get("epsilon", settings["epsilon"].default)
        outside = live.flavor == "legacy" and (
            self.kind == "Adagrad"
            or (self.kind == "RMSProp" and not live.values.get("momentum"))
        )
        if have == wanted and not outside:
            return 0.0
        decay = float(live.values.get("beta_2") or live.values.get("rho") or 1)
        epsilons = Epsilons(wanted, have, decay, outside)
        fractions = [
            step_fraction(self.kind, {n: source[k] for n, k in each.items()}, epsilons)
            for each in slots.values()
        ]
        return max(fractions, default=0.0)


def _kind(names: Named, keras_class: str, keras: KerasOptimizer) -> str:
    name = names.like or names.name.rpartition("/")[2]
    why = without_counterpart(name)
    if why:
        raise PlanError(
            f"the state of {name} cannot go on in Keras: {why}; keep the optimizer "
            "of TF1, or begin anew with tcm.Drop(role='slot')"
        )
    kind = kind_for(name, keras_class) if keras_class else _kind_by_slots(name, keras)
    if kind is None or (names.like and kind != names.like):
        raise PlanError(
            f"{names.recipe!r}: no optimizer of TF1 is known that goes on in "
            f"{keras_class or 'one of such slots'}; say like=… with one of "
            f"{', '.join(KINDS)}"
        )
    return kind


def _kind_by_slots(name: str, keras: KerasOptimizer) -> str | None:
    """Return the kind by its name, else the only one that has such slots."""
    if name in KINDS:
        return name
    have = {slot for slots in keras.slots.values() for slot in slots}
    fit = [
        kind
        for kind, each in KINDS.items()
        if {by_flavor[keras.flavor] for by_flavor in each.slots.values()} == have
        and kind != "AdamWeightDecay"  # has no name of its own
    ]
    return fit[0] if len(fit) == 1 else None


def _check_options(names: Named, kind: str) -> None:
    settings = KINDS[kind].settings
    known = [name for name, setting in settings.items() if setting.is_told]
    keras = [OF_KERAS + setting.keras for setting in settings.values()]
    all_known = [*known, *_BESIDE, "learning_rate", *keras]
    for name in names.told:
        if name not in all_known:
            hint = nearest(name, all_known, 1)
            meant = f"; did you mean {hint[0]!r}?" if hint else ""
            raise RuleError(
                f"{names.recipe!r}: of {kind} can be told {', '.join(all_known)}, not "
                f"{name!r}{meant}"
            )
