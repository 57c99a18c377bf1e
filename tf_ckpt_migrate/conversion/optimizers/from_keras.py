"""Keras optimizers in a checkpoint, as what another Keras optimizer continues from."""

from __future__ import annotations

from tf_ckpt_migrate.conversion.optimizers.keras import KerasOptimizer
from tf_ckpt_migrate.naming.optimizer_names import SCALING
from tf_ckpt_migrate.recipes.optimizer_kinds import Kind
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer

__all__ = ["keras_saved"]


def keras_saved(found: KerasOptimizer, kind: Kind) -> SavedOptimizer:
    """Return a Keras optimizer of a checkpoint in the form of one of TF1.

    Args:
      found: The optimizer.
      kind: What it is; slots go by the names that the kind has for all Kerases.
    """
    names = {name: each[found.flavor] for name, each in kind.slots.items()}
    own = dict(found.hyperparameters)
    last = {key: key.split("/")[-3] for key in own.values()}
    settings = {name.lstrip("_"): key for name, key in own.items()}
    wanted = ("learning_rate", "decay", *kind.settings)
    return SavedOptimizer(
        kind,
        found.path,
        found.slot_keys(names),
        {},
        step=found.iterations,
        settings={name: settings[name] for name in wanted if name in settings},
        scalars={last[k]: k for k in last if last[k] in kind.scalars},
        scaling={
            name: key
            for name, words in SCALING.items()
            for key, word in last.items()
            if word in words
        },
    )
