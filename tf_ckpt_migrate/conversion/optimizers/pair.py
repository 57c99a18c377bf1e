"""An optimizer of TF1 and the one of Keras that it is to be, or was: do they fit?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.from_keras import keras_saved
from tf_ckpt_migrate.conversion.optimizers.keras import (
    KerasOptimizer,
    embeddings_of,
    keras_optimizer,
)
from tf_ckpt_migrate.conversion.optimizers.named import Named
from tf_ckpt_migrate.conversion.optimizers.other_epsilon import epsilon_fraction
from tf_ckpt_migrate.conversion.optimizers.settings import (
    OF_KERAS,
    completed,
    live_settings,
    saved_settings,
)
from tf_ckpt_migrate.conversion.optimizers.slots import Slots, slot_parts
from tf_ckpt_migrate.conversion.optimizers.told_by_tf1 import settings_told
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.naming.keys import ATTRIBUTES, VARIABLE_VALUE
from tf_ckpt_migrate.naming.optimizer_names import SLOT_STARTS
from tf_ckpt_migrate.recipes.judging import judged
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor, Kind
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer, keras_scope
from tf_ckpt_migrate.transforms import StorePart

__all__ = ["OptimizerPair"]


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
      parts: Where the parts of its slots lie that are stored in parts.
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
        live = live_settings(keras, names.path)
        self.into: KerasOptimizer = keras_optimizer(keras, names.path)
        have = live or saved_settings(keras, self.into)
        source = names.source_in(tf1)
        flavor: Flavor | None = None if source is None else source.flavor
        if flavor is None and tf1 is not None and keras_scope(names.name, tf1.specs):
            flavor = "legacy"
        name, kinds = names.kind(have.keras_class, self.into, flavor, source)
        self.settings_of_source: tuple[str, ...] = ()
        if source is None or tf1 is None:
            self.saved: SavedOptimizer = saved_of(name, kinds, self.into)
        else:
            self.saved = keras_saved(source, kinds[name])
            self.settings_of_source = tuple(source.hyperparameters.values())
        names.check_options(name, self.saved)
        self.parts: dict[str, dict[str, StorePart]] = (
            {} if tf1 is None else slot_parts(tf1, self.saved.parts)
        )
        have = have._replace(keras_class=have.keras_class or names.told_class)
        told = {k: v for k, v in names.told.items() if not k.startswith(OF_KERAS)}
        self._known = Known(
            name,
            self.saved.kind,
            told,
            settings_told(self.saved, tf1, told, have.values),
            flavor,
            names.source_text if source is not None else "TF1",
            is_sparse=names.is_sparse,
            embeddings=self._embeddings(keras),
        )
        self.settings: KerasSettings = completed(
            self._known, have, names.told, is_whole=live is not None
        )
        self.betas: dict[str, float] = {
            beta: wanted.value
            for beta in self.saved.powers
            if (wanted := self._known.wanted(beta, self.settings))
        }

    def named(self, verdict: Verdict) -> Verdict:
        """Return a verdict with the names of the optimizers that it is about."""
        ends = self.names.name, self.into.path
        optimizer, into = reversed(ends) if self.names.is_back else ends
        saved_by = "" if self.saved_by == "TF1" else self.saved_by
        return verdict._replace(optimizer=optimizer, into=into, saved_by=saved_by)

    @property
    def saved_by(self) -> str:
        """Who had the settings of the optimizer to continue, for messages."""
        return self._known.saved_by

    def verdicts(
        self, source: CheckpointReader, slots: Slots, steps: int
    ) -> tuple[Verdict, ...]:
        """Return how well it goes on, by its settings.

        Args:
          source: The checkpoint that it goes on from.
          slots: Those of the source.
          steps: How many it has taken, where someone counted.
        """
        fraction = epsilon_fraction(
            self._known, self.settings, source, slots, self.parts
        )
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
