"""How many steps an optimizer has taken, by all that tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.names.verdict import STEPS_AHEAD
from tf_ckpt_migrate.transforms.steps import PowerCount, steps_of_power

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Counted", "bias_left", "counted_steps", "likely_beta"]


class Counted(NamedTuple):
    """What powers of beta tell.

    Attributes:
      steps: The count; None if the powers are 0, which says no more than: many.
      notes: Where something disagrees.
    """

    steps: int | None
    notes: tuple[str, ...] = ()


def likely_beta(power: NDArray[Any], candidates: Iterable[float]) -> float:
    """Return the first of some betas that a power is one of, else the first.

    Example:
      >>> import numpy as np
      >>> likely_beta(np.float32(0.5) * np.float32(0.5), [0.9, 0.5])
      0.5
    """
    listed = list(candidates)
    for beta in listed:
        count = steps_of_power(power, beta)
        if count and count.fits:
            return beta
    return listed[0]


def counted_steps(
    beta1_power: NDArray[Any],
    beta2_power: NDArray[Any],
    betas: tuple[float, float],
    global_step: int | None,
) -> Counted:
    """Return how many steps the powers tell, and where they disagree.

    Args:
      beta1_power: As TF1 saved it.
      beta2_power: The same of beta2; it lasts longer, and decides.
      betas: beta1 and beta2.
      global_step: What counts the steps of everything, if there is any.

    Example:
      >>> import numpy as np
      >>> powers = np.float32(0.9), np.float32(0.999)
      >>> counted_steps(*powers, (0.9, 0.999), 5).steps
      0
    """
    first = steps_of_power(beta1_power, betas[0])
    second = steps_of_power(beta2_power, betas[1])
    notes = [
        f"{name} is no power of {beta!r}; the nearest is that of {count.steps:,} "
        "steps, which is off unless that is what TF1 had"
        for name, beta, count in (
            ("beta1_power", betas[0], first),
            ("beta2_power", betas[1], second),
        )
        if count and not count.fits
    ]
    count = second or first
    if first and second and first.steps != second.steps:
        notes.append(
            f"beta1_power says {first.steps:,} steps, beta2_power {second.steps:,}; "
            "the latter is taken"
        )
    if count is None:
        return Counted(None, tuple(notes))
    return Counted(count.steps, (*notes, *_of_step(count, global_step)))


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


def _of_step(count: PowerCount, global_step: int | None) -> Iterable[str]:
    if global_step is not None and global_step != count.steps:
        yield (
            f"the optimizer has taken {count.steps:,} steps, global_step says "
            f"{global_step:,}: another optimizer, accumulated gradients or a new start "
            "may be why; iterations get the former"
        )
