"""An optimizer of TF1 and the one of Keras that is to go on: do they fit?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.errors import PlanError, RuleError, nearest
from tf_ckpt_migrate.live.optimizers import embeddings_of, live_optimizer
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.names.keys import ATTRIBUTES, VARIABLE_VALUE
from tf_ckpt_migrate.names.rules import Recipe
from tf_ckpt_migrate.recipes.epsilon import Epsilons, is_outside, step_fraction
from tf_ckpt_migrate.recipes.iterations import likely_beta
from tf_ckpt_migrate.recipes.judging import judged
from tf_ckpt_migrate.recipes.keras_kinds import KINDS_OF_KERAS
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, kind_for
from tf_ckpt_migrate.recipes.optimizers import keras_scope, saved_optimizer
from tf_ckpt_migrate.recipes.verdicts import Verdict, without_counterpart

__all__ = ["OptimizerPair"]

_BESIDE = (
    "instance",
    "like",
    "sparse",
)  # what a recipe takes besides the settings of TF1


class OptimizerPair:
    """What a recipe names, found on both sides.

    Args:
      reader: The checkpoint.
      live: The target.
      recipe: What names them.

    Attributes:
      recipe: What names them.
      saved: What the checkpoint has.
      into: The optimizer that goes on.
      betas: By the setting, the betas of the powers: as told, or as these fit.
      verdicts: How well it goes on, by its settings.

    Raises:
      PlanError: If there is no such optimizer on one of the sides.
      RuleError: If the recipe takes no such option.
    """

    def __init__(
        self, reader: CheckpointReader, live: LiveTarget, recipe: Recipe
    ) -> None:
        """Find both, and judge."""
        self._reader = reader
        self.recipe = recipe
        self.into = live_optimizer(live, recipe.target)
        self._told = dict(recipe.options)
        instance, like, sparse = (self._told.pop(name, None) for name in _BESIDE)
        self._is_of_keras = keras_scope(recipe.source, reader.specs) is not None
        name = self._kind(like)
        self.saved = saved_optimizer(recipe.source, name, reader.specs, instance)
        self._check_options(name)
        saved = self._known_from_the_checkpoint()
        known = Known(name, self.saved.kind, self._told, saved, self._is_of_keras)
        self.betas = {
            beta: wanted.value
            for beta in self.saved.powers
            if (wanted := known.wanted(beta, self.into.settings))
        }
        step = self.saved.step or self.saved.global_step
        known = known._replace(
            epsilon_fraction=self._epsilon_fraction(known),
            steps=0 if step is None else int(reader[step]),
            is_sparse=sparse is not False,
            embeddings=self._embeddings(live),
        )
        self.verdicts = tuple(map(self.named, judged(known, self.into.settings)))

    def named(self, verdict: Verdict) -> Verdict:
        """Return a verdict with the names of the optimizers that it is about."""
        return verdict._replace(optimizer=self.recipe.source, into=self.into.path)

    def slot_names(self) -> dict[str, str]:
        """Return what the live optimizer calls its slots, by the slots of TF1."""
        flavor = self.into.settings.flavor
        slots = self.saved.kind.slots
        return {tf1: by_flavor[flavor] for tf1, by_flavor in slots.items()}

    def slot_keys(self, live: LiveTarget) -> dict[str, dict[str, str]]:
        """Return the keys of live slots: by the key of a variable, by TF1's slot.

        Raises:
          PlanError: If there are none yet.
        """
        names = self.slot_names()
        found = self.into.slot_keys(live, names)
        if any(self.saved.slots.values()) and not found:
            raise PlanError(
                f"the optimizer at {self.into.path!r} has no slots yet: call "
                "optimizer.build(model.trainable_variables), or apply gradients once "
                "if it is a legacy one"
            )
        return found

    def _embeddings(self, live: LiveTarget) -> tuple[str, ...]:
        trained = self.into.slot_keys(live, self.slot_names())
        ends = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"
        keys = (key for key in embeddings_of(live) if key in trained)
        return tuple(key.removesuffix(ends) for key in keys)

    def _kind(self, like: str | None) -> str:
        name = like or self.recipe.source.rpartition("/")[2]
        kinds = KINDS_OF_KERAS if self._is_of_keras else KINDS
        why = None if self._is_of_keras else without_counterpart(name)
        if why:
            raise PlanError(
                f"the state of {name} cannot go on in Keras: {why}; keep the optimizer "
                "of TF1, or begin anew with tcm.Drop(role='slot')"
            )
        kind = kind_for(name, self.into.settings.keras_class, kinds)
        if kind is None or (like and kind != like):
            raise PlanError(
                f"{self.recipe!r}: no optimizer of TF1 is known that goes on in "
                f"{self.into.settings.keras_class}; say like=… with one of "
                f"{', '.join(kinds)}"
            )
        return kind

    def _check_options(self, name: str) -> None:
        settings = self.saved.kind.settings
        known = [each for each, setting in settings.items() if setting.is_told]
        known.append("learning_rate")
        for each in self._told:
            if each in self.saved.settings:
                raise RuleError(
                    f"{self.recipe!r}: {each} need not be told, the checkpoint has it "
                    f"in {self.saved.settings[each]!r}"
                )
            if each not in known:
                hint = nearest(each, known, 1)
                meant = f"; did you mean {hint[0]!r}?" if hint else ""
                raise RuleError(
                    f"{self.recipe!r}: of {name} can be told "
                    f"{', '.join((*known, *_BESIDE))}, not {each!r}{meant}"
                )

    def _fitting_betas(self) -> dict[str, float]:
        """Return the betas that powers prove; a power of 0 proves none."""
        settings, values = self.saved.kind.settings, self.into.settings.values
        found: dict[str, float | None] = {}
        for name, key in self.saved.powers.items():
            told, setting = self._told.get(name), settings[name]
            candidates = (
                [told] if told else [values.get(setting.keras), setting.default]
            )
            found[name] = likely_beta(self._reader[key], filter(None, candidates))
        return {name: beta for name, beta in found.items() if beta}

    def _known_from_the_checkpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: float(f"{float(self._reader[key]):.7g}")
            for name, key in self.saved.settings.items()
        }
        slots = {name for each in self.saved.slots.values() for name in each}
        for setting, slot in (("centered", "mg"), ("amsgrad", "vhat")):
            if slot in self.saved.kind.slots:
                found[setting] = slot in slots
        return found | self._fitting_betas()

    def _epsilon_fraction(self, known: Known) -> float:
        """Return by how much of itself a step differs for another epsilon."""
        live, keras = self.into.settings, known.kind.keras
        have = live.values.get("epsilon")
        if "epsilon" not in known.kind.settings or have is None:
            return 0.0
        wanted = known.wanted("epsilon", live)
        flavor, momentum = live.flavor, live.values.get("momentum") or 0.0
        # Within TF1, its own optimizers of these kinds add epsilon below the root.
        outside = is_outside(keras, "legacy" if known.is_of_keras else "keras_3",
                             known.saved.get("momentum", 0.0))  # fmt: skip
        epsilons = Epsilons(
            wanted.value if wanted else have,
            have,
            float(live.values.get("beta_2") or live.values.get("rho") or 1),
            outside,
            is_outside(keras, flavor, momentum),
        )
        if epsilons.tf1 == have and epsilons.live_outside == outside:
            return 0.0
        if keras == "Adamax":  # its v is no square
            epsilons = epsilons._replace(decay=epsilons.decay**2)
        slots = self.saved.slots.values()
        return max((self._fraction(each, epsilons) for each in slots), default=0.0)

    def _fraction(self, slots: Mapping[str, str], epsilons: Epsilons) -> float:
        values = {name: self._reader[key] for name, key in slots.items()}
        if self.saved.kind.keras == "Adamax":
            values["v"] = values["v"].astype("float64") ** 2
        return step_fraction(values, epsilons)
