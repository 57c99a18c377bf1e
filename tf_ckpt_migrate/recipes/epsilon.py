"""What another epsilon, or epsilon at another place, does to the next steps.

Every step is a quotient, whose divisor has the root of a mean of squares. That mean
falls at each step by no more than its decay, whatever the gradients; that bounds what
epsilon can do beside it for any number of steps ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tf_ckpt_migrate.names.moves import STEPS_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor

    Array: TypeAlias = NDArray[Any]

__all__ = ["Epsilons", "has_squares", "is_outside", "step_fraction"]


class Epsilons(NamedTuple):
    """How each side keeps its divisor from 0.

    Attributes:
      tf1: The epsilon of TF1.
      live: That of the optimizer of Keras.
      decay: What a mean of squares is multiplied by at each step.
      tf1_outside: Whether TF1 adds it to the root, not below.
      live_outside: Whether Keras does.
    """

    tf1: float
    live: float
    decay: float = 1.0
    tf1_outside: bool = False
    live_outside: bool = False


def is_outside(keras_class: str, flavor: Flavor, momentum: float = 0.0) -> bool:
    """Return whether an optimizer of Keras adds epsilon to a root, not below it.

    Args:
      keras_class: Its class.
      flavor: Of which Keras it is.
      momentum: What it was given, if it takes any.

    Example:
      >>> is_outside("Adam", "keras_3"), is_outside("RMSprop", "legacy", 0.9)
      (True, False)
    """
    if keras_class == "RMSprop":
        return flavor == "legacy" and not momentum
    if keras_class == "Adagrad":
        return flavor == "legacy"
    return keras_class != "Adadelta"


def has_squares(slots: Iterable[str]) -> bool:
    """Return whether epsilon is added to, or below, the root of one of the slots.

    Example:
      >>> has_squares(["m", "v"]), has_squares(["momentum"])
      (True, False)
    """
    return any(name in _SQUARES for name in slots)


def step_fraction(slots: Mapping[str, Array], epsilons: Epsilons) -> float:
    """Return by which fraction of itself any of the next steps differs at most.

    Args:
      slots: What it remembers of a variable. Elements that never had a gradient count
        for nothing.
      epsilons: How each side keeps its divisor from 0.

    Returns:
      0 for the same step, to the rounding of float32.

    Example:
      >>> import numpy as np
      >>> slots = {"v": np.float32([1e-4, 0])}
      >>> adam = Epsilons(1e-8, 1e-7, tf1_outside=True, live_outside=True)
      >>> round(step_fraction(slots, adam), 7)
      9e-06
    """
    import numpy as np

    lowest = epsilons.decay**STEPS_AHEAD
    values = {name: np.asarray(slot, np.float64) for name, slot in slots.items()}
    squares = [value for name, value in values.items() if name in _SQUARES]
    if not squares:
        return 0.0
    if "mg" in values:
        squares[0] = np.maximum(squares[0] - values["mg"] ** 2, 0)
    used = squares[0] > 0
    ratio: Any = 1.0
    for square in squares:
        ratio *= 1 + _fraction(square * lowest, epsilons)[used].max(initial=0.0)
    fraction = float(ratio - 1)
    return fraction if fraction > 2.0**-24 else 0.0


# Means of squares, and sums of such: of TF1, and of tf.keras within it.
_SQUARES = (
    *("accum", "accum_update", "accum_grad", "accum_var", "accumulator"),
    *("rms", "v", "vhat"),
)


def _fraction(square: Array, epsilons: Epsilons) -> Array:
    import numpy as np

    root = np.sqrt(square)
    pair = [
        root + epsilon if outside else np.sqrt(square + epsilon)
        for epsilon, outside in (
            (epsilons.tf1, epsilons.tf1_outside),
            (epsilons.live, epsilons.live_outside),
        )
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.abs(pair[0] / pair[1] - 1), np.abs(pair[1] / pair[0] - 1))
