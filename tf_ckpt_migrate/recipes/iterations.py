"""How many steps an optimizer has taken, by all that tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.names.moves import STEPS_AHEAD
from tf_ckpt_migrate.transforms.steps import PowerCount, steps_of_power

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Counted",
    "Power",
    "beta_after",
    "bias_left",
    "counted_steps",
    "likely_beta",
]

_DIGITS = 5  # more than anyone gives a beta


class Power(NamedTuple):
    """A power of beta that TF1 saved.

    Attributes:
      key: Its key.
      value: As it is there.
      beta: What it is a power of.
    """

    key: str
    value: NDArray[Any]
    beta: float


class Counted(NamedTuple):
    """What powers of beta tell.

    Attributes:
      steps: The count; None if the powers are 0, which says no more than: many.
      notes: Where something disagrees.
      fits: Whether each power is one of its beta, so that the count is certain.
      agree: Whether several powers tell the same count, or each one fits.
    """

    steps: int | None
    notes: tuple[str, ...] = ()
    fits: bool = True
    agree: bool = True


def likely_beta(power: NDArray[Any], candidates: Iterable[float]) -> float | None:
    """Return the first of some betas that a power is one of; None if it is of none.

    Example:
      >>> import numpy as np
      >>> likely_beta(np.float32(0.5) * np.float32(0.5), [0.9, 0.5])
      0.5
    """
    for beta in candidates:
        count = steps_of_power(power, beta)
        if count and count.fits:
            return beta
    return None


def beta_after(power: NDArray[Any], steps: int) -> list[float]:
    """Return the beta whose power stands for a count of steps; none if it is no number.

    A beta is a number of few digits, of which the power must be one to its last bit.

    Example:
      >>> import numpy as np
      >>> beta_after(np.float32(0.85) * np.float32(0.85), 1)
      [0.85]
    """
    if not 0 < float(power) < 1 or steps < 0:
        return []
    root = float(power) ** (1 / (steps + 1))
    rounded = (round(root, digits) for digits in range(1, _DIGITS + 1))
    found = (beta for beta in rounded if 0 < beta < 1)
    counts = ((beta, steps_of_power(power, beta)) for beta in found)
    return [beta for beta, count in counts if count == (steps, True)][:1]


def counted_steps(powers: Iterable[Power], global_step: int | None) -> Counted:
    """Return how many steps the powers tell, and where they disagree.

    Args:
      powers: Those of one optimizer; that of the largest beta lasts longest, and
        decides.
      global_step: What counts the steps of everything, if there is any.

    Example:
      >>> import numpy as np
      >>> betas = {"beta1_power": 0.9, "beta2_power": 0.999}
      >>> both = [Power(key, np.float32(beta), beta) for key, beta in betas.items()]
      >>> counted_steps(both, 5).steps
      0
    """
    ordered = sorted(powers, key=lambda power: -power.beta)
    counts = [(power, steps_of_power(power.value, power.beta)) for power in ordered]
    found = [(power, count) for power, count in counts if count]
    notes = [
        f"{_name(power)} is no power of {power.beta!r}; the nearest is that of "
        f"{count.steps:,} steps, which is off unless that is what TF1 had"
        for power, count in found
        if not count.fits
    ]
    if not found:
        return Counted(None)
    fits = not notes
    (best, count), *others = found
    notes += [
        f"{_name(power)} says {other.steps:,} steps, {_name(best)} {count.steps:,}; "
        "the latter is taken"
        for power, other in others
        if other.steps != count.steps
    ]
    notes += _of_step(count, global_step)
    agree = fits or (bool(others) and {o.steps for _, o in others} == {count.steps})
    return Counted(count.steps, tuple(notes), fits, agree)


def bias_left(steps: int, betas: tuple[float, float]) -> float:
    """Return by what fraction Adam's correction of bias changes the steps to come.

    Args:
      steps: How many have been taken.
      betas: beta1 and beta2.

    Example:
      >>> round(bias_left(10_000, (0.9, 0.999)), 7)
      2.26e-05
    """
    after = range(steps + 1, steps + 1 + STEPS_AHEAD)
    beta1, beta2 = betas
    rates = ((1 - beta2**t) ** 0.5 / (1 - beta1**t) for t in after)
    return max(max(rate, 1 / rate) - 1 for rate in rates)


def _name(power: Power) -> str:
    return power.key.rpartition("/")[2]


def _of_step(count: PowerCount, global_step: int | None) -> Iterable[str]:
    if global_step is not None and global_step != count.steps:
        yield (
            f"the optimizer has taken {count.steps:,} steps, global_step says "
            f"{global_step:,}: another optimizer, accumulated gradients or a new start "
            "may be why; iterations get the former"
        )
