"""What another epsilon, or epsilon at another place, does to the next steps.

Every step is a quotient, whose divisor has the root of a mean of squares. That mean
falls at each step by no more than its decay, whatever the gradients; that bounds what
epsilon can do beside it for any number of steps ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.names.verdict import STEPS_AHEAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

__all__ = ["Epsilons", "step_fraction"]


class Epsilons(NamedTuple):
    """How each side keeps its divisor from 0.

    Attributes:
      tf1: The epsilon of TF1.
      live: That of the optimizer of Keras.
      decay: What a mean of squares is multiplied by at each step.
      outside: Whether Keras adds it to the root where TF1 adds it below.
    """

    tf1: float
    live: float
    decay: float = 1.0
    outside: bool = False


def step_fraction(kind: str, slots: Mapping[str, Array], epsilons: Epsilons) -> float:
    """Return by which fraction of itself any of the next steps differs at most.

    Args:
      kind: Which optimizer of TF1.
      slots: What it remembers of a variable. Elements that never had a gradient count
        for nothing.
      epsilons: How each side keeps its divisor from 0.

    Returns:
      0 for the same step, to the rounding of float32.

    Example:
      >>> import numpy as np
      >>> slots = {"v": np.float32([1e-4, 0])}
      >>> round(step_fraction("Adam", slots, Epsilons(1e-8, 1e-7)), 7)
      9e-06
    """
    import numpy as np

    lowest = epsilons.decay**STEPS_AHEAD
    values = {name: np.asarray(slot, np.float64) for name, slot in slots.items()}
    squares = [values[name] for name in _SQUARES[kind]]
    if "mg" in values:
        squares[0] = np.maximum(squares[0] - values["mg"] ** 2, 0)
    used = values[_SQUARES[kind][0]] > 0
    ratio: Any = 1.0
    for square in squares:
        least = square * lowest
        ratio *= 1 + _fraction(kind, least, epsilons)[used].max(initial=0.0)
    fraction = float(ratio - 1)
    return fraction if fraction > 2.0**-24 else 0.0


_SQUARES = {
    "Adadelta": ("accum", "accum_update"),
    "Adagrad": ("accumulator",),
    "Adam": ("v",),
    "AdamWeightDecay": ("v",),
    "RMSProp": ("rms",),
}


def _fraction(kind: str, square: Array, epsilons: Epsilons) -> Array:
    import numpy as np

    root, tf1, live = np.sqrt(square), epsilons.tf1, epsilons.live
    if kind in ("Adam", "AdamWeightDecay"):
        pair = root + tf1, root + live
    else:
        new = root + live if epsilons.outside else np.sqrt(square + live)
        pair = np.sqrt(square + tf1), new
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.abs(pair[0] / pair[1] - 1), np.abs(pair[1] / pair[0] - 1))
