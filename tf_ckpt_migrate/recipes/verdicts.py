"""What a verdict on an optimizer stands on: the settings of that of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor

__all__ = [
    "LiveSettings",
    "without_counterpart",
]

_LAMB = (
    "Keras 3's Lamb corrects bias, decays weights outside of the trust ratio and gives "
    "every variable one"
)
_NO_COUNTERPART = {
    "AdagradDA": "Keras has no dual averaging",
    "ProximalAdagrad": "Keras has no proximal steps",
    "ProximalGradientDescent": "Keras has no proximal steps",
    "Nadam": "that of Keras has a schedule of momentum, which TF1's has not",
    "AddSignOptimizer": "Keras has none",
    "PowerSignOptimizer": "Keras has none",
    "LARSOptimizer": "Keras has none",
    "LAMB": _LAMB,
    "LAMBOptimizer": _LAMB,
    "NadamOptimizer": "that of Keras has a schedule of momentum, which TF1's has not",
    "Shampoo": "Keras has none",
    "GGT": "Keras has none",
}


class LiveSettings(NamedTuple):
    """The settings of an optimizer of Keras.

    Attributes:
      keras_class: Its class.
      flavor: Of which Keras it is.
      values: Its configuration, by Keras's names.
      learning_rate: What it is now; None under a schedule.
      supposed: Which of its settings nobody knows, as those of one on file; where
        ``values`` has them they are as TF1 had them.
    """

    keras_class: str
    flavor: Flavor
    values: Mapping[str, Any]
    learning_rate: float | None
    supposed: tuple[str, ...] = ()


def without_counterpart(name: str) -> str | None:
    """Return why no optimizer of Keras goes on with one of TF1; None if one does.

    Example:
      >>> without_counterpart("AdagradDA"), without_counterpart("Adam")
      ('Keras has no dual averaging', None)
    """
    return _NO_COUNTERPART.get(name)
