"""An optimizer of TF1 and the one of Keras that it is to be, or was: do they fit?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.keras import (
    KerasOptimizer,
    embeddings_of,
    keras_optimizer,
)
from tf_ckpt_migrate.conversion.optimizers.named import Named
from tf_ckpt_migrate.conversion.optimizers.settings import (
    OF_KERAS,
    completed,
    live_settings,
    saved_settings,
)
from tf_ckpt_migrate.conversion.optimizers.slots import Slots
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.keys import ATTRIBUTES, VARIABLE_VALUE
from tf_ckpt_migrate.names.optimizer_names import SLOT_STARTS
from tf_ckpt_migrate.names.verdict import Verdict
from tf_ckpt_migrate.recipes.epsilon import Epsilons, is_outside, step_fraction
from tf_ckpt_migrate.recipes.iterations import likely_beta
from tf_ckpt_migrate.recipes.judging import judged
from tf_ckpt_migrate.recipes.keras_settings import KerasSettings
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.optimizer_kinds import Kind
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer, keras_scope

__all__ = ["OptimizerPair"]

_DECAYS = ("beta_2", "beta2", "rho")  # of means of squares


class OptimizerPair:
    """What a recipe names, found on both sides.

    Args:
      names: What the recipe says.
      keras: What has the optimizer of Keras.
      tf1: A checkpoint of TF1 that has the other, or None.
      saved_of: Finds, or makes, the optimizer of TF1, given its kind, the kinds that
        this is one of, and the optimizer of Keras.

    Attributes:
      names: What the recipe says.
      into: The optimizer of Keras.
      settings: Its settings.
      saved: The optimizer of TF1.
      betas: By the setting, the betas of the powers: as told, or as these fit.

    Raises:
      PlanError: If there is no such optimizer on one of the sides.
      RuleError: If the recipe takes no such option.
    """

    def __init__(
        self,
        names: Named,
        keras: CheckpointView,
        tf1: CheckpointReader | None,
        saved_of: Callable[[str, Mapping[str, Kind], KerasOptimizer], SavedOptimizer],
    ) -> None:
        """Find both, and what is known of them."""
        self.names: Named = names
        self._tf1 = tf1
        live = live_settings(keras, names.path)
        self.into: KerasOptimizer = keras_optimizer(keras, names.path)
        have = live or saved_settings(keras, self.into)
        is_of_keras = tf1 is not None and keras_scope(names.name, tf1.specs) is not None
        name, kinds = names.kind(have.keras_class, self.into, is_of_keras=is_of_keras)
        self.saved: SavedOptimizer = saved_of(name, kinds, self.into)
        names.check_options(name, self.saved)
        is_whole = live is not None
        kind = self.saved.kind
        told = {k: v for k, v in names.told.items() if not k.startswith(OF_KERAS)}
        saved = self._known_from_the_checkpoint(told, have.values)
        self._known = Known(name, kind, told, saved, is_of_keras)
        self.settings: KerasSettings = completed(
            self._known, have, names.told, is_whole=is_whole
        )
        self.betas: dict[str, float] = {
            beta: wanted.value
            for beta in self.saved.powers
            if (wanted := self._known.wanted(beta, self.settings))
        }
        self._known = self._known._replace(
            is_sparse=names.is_sparse, embeddings=self._embeddings(keras)
        )

    def named(self, verdict: Verdict) -> Verdict:
        """Return a verdict with the names of the optimizers that it is about."""
        return verdict._replace(optimizer=self.names.name, into=self.into.path)

    def verdicts(
        self, source: CheckpointReader, slots: Slots, steps: int
    ) -> tuple[Verdict, ...]:
        """Return how well it goes on, by its settings.

        Args:
          source: The checkpoint that it goes on from.
          slots: Those of the source.
          steps: How many it has taken, where someone counted.
        """
        fraction = self._epsilon_fraction(source, slots)
        known = self._known._replace(epsilon_fraction=fraction, steps=steps)
        return tuple(map(self.named, judged(known, self.settings)))

    def starts(self) -> dict[str, float]:
        """Return what slots hold in TF1 before they are trained, if that is not 0."""
        kind = self._known.name
        found = {name: v for (of, name), v in SLOT_STARTS.items() if of == kind}
        return {**found, **self.saved.kind.starts}

    def slot_names(self) -> dict[str, str]:
        """Return what Keras calls the slots, by the slots of TF1."""
        slots = self.saved.kind.slots
        return {tf1: by_flavor[self.into.flavor] for tf1, by_flavor in slots.items()}

    def slots(self) -> Slots:
        """Return the slots of Keras: by the key of a variable, by TF1's slot.

        Raises:
          PlanError: If there are none yet.
        """
        found = self.into.slot_keys(self.slot_names())
        if any(self.saved.slots.values()) and not found:
            raise PlanError(
                f"the optimizer at {self.into.path!r} has no slots yet: call "
                "optimizer.build(model.trainable_variables), or apply gradients once "
                "if it is a legacy one"
            )
        return found

    def _embeddings(self, keras: CheckpointView) -> tuple[str, ...]:
        trained = self.into.slot_keys(self.slot_names())
        end = f"/{ATTRIBUTES}/{VARIABLE_VALUE}"
        keys = (key for key in embeddings_of(keras) if key in trained)
        return tuple(key.removesuffix(end) for key in keys)

    def _fitting_betas(
        self, told: Mapping[str, Any], values: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return the betas that powers prove; a power of 0 proves none."""
        settings = self.saved.kind.settings
        found: dict[str, float | None] = {}
        for name, key in self.saved.powers.items():
            if self._tf1 is None:
                continue
            beta, setting = told.get(name), settings[name]
            candidates = (
                [beta] if beta else [values.get(setting.keras), setting.default]
            )
            found[name] = likely_beta(self._tf1[key], filter(None, candidates))
        return {name: beta for name, beta in found.items() if beta}

    def _known_from_the_checkpoint(
        self, told: Mapping[str, Any], values: Mapping[str, Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._tf1 is not None:
            found = {
                name: float(f"{float(self._tf1[key]):.7g}")
                for name, key in self.saved.settings.items()
            }
        slots = {name for each in self.saved.slots.values() for name in each}
        for setting, slot in (("centered", "mg"), ("amsgrad", "vhat")):
            if slot in self.saved.kind.slots:
                found[setting] = slot in slots
        return found | self._fitting_betas(told, values)

    def _epsilon_fraction(self, source: CheckpointReader, slots: Slots) -> float:
        """Return by how much of itself a step differs for another epsilon."""
        known, live = self._known, self.settings
        keras, have = known.kind.keras, live.values.get("epsilon")
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
            float(next((live.values[n] for n in _DECAYS if live.values.get(n)), 1)),
            outside,
            is_outside(keras, flavor, momentum),
        )
        if epsilons.tf1 == have and epsilons.live_outside == outside:
            return 0.0
        if keras == "Adamax":  # its v is no square
            epsilons = epsilons._replace(decay=epsilons.decay**2)
        found = (self._fraction(source, each, epsilons) for each in slots.values())
        return max(found, default=0.0)

    def _fraction(
        self, source: CheckpointReader, slots: Mapping[str, str], epsilons: Epsilons
    ) -> float:
        values = {name: source[key] for name, key in slots.items()}
        if self.saved.kind.keras == "Adamax":
            values["v"] = values["v"].astype("float64") ** 2
        return step_fraction(values, epsilons)
