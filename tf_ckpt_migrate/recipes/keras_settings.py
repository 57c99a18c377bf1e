"""The settings of an optimizer of Keras, live or on file: what verdicts stand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor

__all__ = ["KerasSettings"]


class KerasSettings(NamedTuple):
    """The settings of an optimizer of Keras.

    Attributes:
      keras_class: Its class.
      flavor: Of which Keras it is.
      values: Its configuration, by Keras's names.
      learning_rate: What it is now; None under a schedule.
      supposed: Which of its settings nobody knows, as those of one on file; where
        ``values`` has them they are as TF1 had them.
      dense_gradients: Whether the gradient of an embedding has all rows, as with every
        backend but TensorFlow.
    """

    keras_class: str
    flavor: Flavor
    values: Mapping[str, Any]
    learning_rate: float | None
    supposed: tuple[str, ...] = ()
    dense_gradients: bool = False
