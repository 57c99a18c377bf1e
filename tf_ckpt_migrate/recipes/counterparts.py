"""Which optimizers of TF1 no optimizer of Keras itself goes on with, and why."""

from __future__ import annotations

__all__ = ["without_counterpart"]

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


def without_counterpart(name: str) -> str | None:
    """Return why no optimizer of Keras goes on with one of TF1; None if one does.

    Example:
      >>> without_counterpart("AdagradDA"), without_counterpart("Adam")
      ('Keras has no dual averaging', None)
    """
    return _NO_COUNTERPART.get(name)
