"""An optimizer of TF1 and the one of Keras that is to go on: do they fit?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.keras import keras_optimizer
from tf_ckpt_migrate.conversion.optimizers.settings import completed, saved_settings
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.names.rules import Recipe
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.epsilon import Epsilons, step_fraction
from tf_ckpt_migrate.recipes.iterations import likely_beta
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, kind_for
from tf_ckpt_migrate.recipes.optimizers import saved_optimizer
from tf_ckpt_migrate.recipes.verdicts import LiveSettings, judged, without_counterpart

__all__ = ["OptimizerPair", "SettingsOf"]

# Tells the settings of a live optimizer by its path.
SettingsOf: TypeAlias = Callable[[str], LiveSettings]

_BESIDE = ("instance", "like")  # what a recipe takes besides the settings of TF1


class OptimizerPair:
    """What a recipe names, found on both sides.

    Args:
      reader: The checkpoint.
      target: What has the optimizer of Keras.
      recipe: What names them.
      settings_of: Tells the settings of live ones; None for those on file.

    Attributes:
      recipe: What names them.
      kind: Which of `KINDS`.
      saved: What the checkpoint has.
      into: The optimizer that goes on.
      settings: Its settings.
      betas: beta1 and beta2, as told or as the powers fit; none where there are none.
      verdicts: How well it goes on.

    Raises:
      PlanError: If there is no such optimizer on one of the sides.
      RuleError: If the recipe takes no such option.
    """

    def __init__(
        self,
        reader: CheckpointReader,
        target: CheckpointView,
        recipe: Recipe,
        settings_of: SettingsOf | None = None,
    ) -> None:
        """Find both, and judge."""
        self._reader = reader
        self.recipe = recipe
        self.into = keras_optimizer(target, recipe.target)
        have = saved_settings(target, self.into)
        if settings_of is not None:
            have = settings_of(recipe.target)
        told = dict(recipe.options)
        instance, like = (told.pop(name, None) for name in _BESIDE)
        self.kind = self._kind(like, have.keras_class)
        self._check_options(told)
        whole = settings_of is not None
        self.settings = completed(self.kind, have, told, is_whole=whole)
        told = {k: v for k, v in told.items() if k in KINDS[self.kind].settings}
        self.saved = saved_optimizer(recipe.source, self.kind, reader.specs, instance)
        self.betas = self._betas(told)
        told |= dict(zip(("beta1", "beta2"), self.betas, strict=False))
        self.verdicts = self._judged(told)

    def slot_keys(self) -> dict[str, dict[str, str]]:
        """Return the keys of Keras's slots: by the key of a variable, by TF1's slot.

        Raises:
          PlanError: If there are none yet.
        """
        flavor = self.into.flavor
        slots = KINDS[self.kind].slots
        names = {tf1: by_flavor[flavor] for tf1, by_flavor in slots.items()}
        found = self.into.slot_keys(names)
        if slots and not found:
            raise PlanError(
                f"the optimizer at {self.into.path!r} has no slots yet: call "
                "optimizer.build(model.trainable_variables), or apply gradients once "
                "if it is a legacy one"
            )
        return found

    def _kind(self, like: str | None, keras_class: str) -> str:
        name = like or self.recipe.source.rpartition("/")[2]
        why = without_counterpart(name)
        if why:
            raise PlanError(
                f"the state of {name} cannot go on in Keras: {why}; keep the optimizer "
                "of TF1, or begin anew with tcm.Drop(role='slot')"
            )
        kind = kind_for(name, keras_class)
        if kind is None or (like and kind != like):
            raise PlanError(
                f"{self.recipe!r}: no optimizer of TF1 is known that goes on in "
                f"{keras_class or 'such slots'}; say like=… with one of "
                f"{', '.join(KINDS)}"
            )
        return kind

    def _check_options(self, told: dict[str, Any]) -> None:
        settings = KINDS[self.kind].settings
        known = [name for name, setting in settings.items() if setting.is_told]
        for name in told:
            if name not in known:
                hint = nearest(name, known, 1)
                meant = f"; did you mean {hint[0]!r}?" if hint else ""
                raise RuleError(
                    f"{self.recipe!r}: of {self.kind} can be told "
                    f"{', '.join((*known, *_BESIDE))}, not {name!r}{meant}"
                )

    def _betas(self, told: dict[str, Any]) -> tuple[float, ...]:
        powers = self.saved.powers
        if powers is None:
            return ()
        settings, values = KINDS[self.kind].settings, self.settings.values
        found: list[float] = []
        for name, key in zip(("beta1", "beta2"), powers, strict=True):
            keras, default, _ = settings[name]
            candidates = [values.get(keras, default), default]
            found.append(told.get(name) or likely_beta(self._reader[key], candidates))
        return tuple(found)

    def _judged(self, told: dict[str, Any]) -> tuple[Verdict, ...]:
        is_centered = any("mg" in slots for slots in self.saved.slots.values())
        return judged(
            self.kind,
            self.settings,
            told,
            is_centered=is_centered,
            epsilon_fraction=self._epsilon_fraction(told),
        )

    def _epsilon_fraction(self, told: dict[str, Any]) -> float:
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
            step_fraction(
                self.kind, {n: self._reader[k] for n, k in slots.items()}, epsilons
            )
            for slots in self.saved.slots.values()
        ]
        return max(fractions, default=0.0)
