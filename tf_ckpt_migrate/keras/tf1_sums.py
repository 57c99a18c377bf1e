"""Optimizers of TF1 that add up gradients or their squares, or take steps that shrink.

Each is named as in ``tf.compat.v1.train`` or ``tf.contrib.opt``, with the arguments and
defaults that it has there but for the learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_ckpt_migrate.keras.tf1_rule import Now, Rule, ratio
from tf_ckpt_migrate.live.framework import tensorflow

__all__ = [
    "LARS",
    "AdagradDA",
    "Momentum",
    "ProximalAdagrad",
    "ProximalGradientDescent",
]

_tf = tensorflow()


@dataclass
class Momentum(Rule):
    """Adds up gradients, and multiplies their sum by the learning rate of the step.

    SGD of Keras multiplies each gradient by the rate of its own step, which is another
    optimizer when the rate changes.

    Args:
      momentum: What is left of the sum at each step.
      use_nesterov: Whether a step looks ahead.
    """

    kind: ClassVar[str] = "Momentum"
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: float
    use_nesterov: bool = False

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        total = self.momentum * slots[0] + g
        change = g + self.momentum * total if self.use_nesterov else total
        return w - now.rate * change, total


@dataclass
class LARS(Rule):
    """Momentum, and the norm of each variable scales its rate; that of contrib.

    As there, a gradient of some rows is neither scaled nor decayed.

    Args:
      momentum: What is left of the sum at each step.
      weight_decay: How much of the variable is added to its gradient.
      eeta: How far a step goes, as a fraction of the norm of the variable.
      epsilon: Keeps a divisor from 0.
      skip_list: Parts of the names of variables that are neither scaled nor decayed.
      use_nesterov: Whether a step looks ahead.
    """

    kind: ClassVar[str] = "LARSOptimizer"
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: float = 0.9
    weight_decay: float = 0.0001
    eeta: float = 0.001
    epsilon: float = 0.0
    skip_list: Sequence[str] | None = None
    use_nesterov: bool = False

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        follow = Momentum(self.momentum, self.use_nesterov)
        if now.is_sparse:
            return follow.step(now, g, w, *slots)
        rate = now.rate
        if not any(part in now.variable for part in self.skip_list or ()):
            of_w, of_g = _tf.norm(w), _tf.norm(g)
            divisor = of_g + self.weight_decay * of_w + self.epsilon
            rate *= ratio(self.eeta * of_w, divisor, of_w, of_g)
            g += self.weight_decay * w
        return follow.step(now._replace(rate=1.0), g * rate, w, *slots)


@dataclass
class AdagradDA(Rule):
    """Dual averaging: the variable is made anew from the sum of its gradients.

    Args:
      initial_gradient_squared_accumulator_value: What the squares are added to.
      l1_regularization_strength: Of regularization by the absolute value.
      l2_regularization_strength: Of regularization by the square.
    """

    kind: ClassVar[str] = "AdagradDA"
    slots: ClassVar[tuple[str, ...]] = (
        "gradient_accumulator",
        "gradient_squared_accumulator",
    )

    initial_gradient_squared_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0

    def first(self, slot: str) -> float:
        """Return what a slot begins with."""
        value = self.initial_gradient_squared_accumulator_value
        return value if slot == "gradient_squared_accumulator" else 0.0

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        del w  # it counts for nothing
        total, squares = slots[0] + g, slots[1] + g * g
        left = _shrunk(total, self.l1_regularization_strength * now.count)
        divisor = self.l2_regularization_strength * now.count * now.rate
        return -now.rate * left / (divisor + _tf.sqrt(squares)), total, squares


@dataclass
class ProximalGradientDescent(Rule):
    """Gradient descent, and what regularization leaves of each step.

    Args:
      l1_regularization_strength: Of regularization by the absolute value.
      l2_regularization_strength: Of regularization by the square.
    """

    kind: ClassVar[str] = "ProximalGradientDescent"

    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        del slots
        return (self.proximal(w, g, now.rate),)

    def proximal(self, w: Any, g: Any, rate: Any) -> Any:
        """Return the variable after a step at a rate, each element's own or one."""
        left = _shrunk(w - g * rate, rate * self.l1_regularization_strength)
        return left / (1 + rate * self.l2_regularization_strength)


@dataclass
class ProximalAdagrad(Rule):
    """Adagrad, and what regularization leaves of each step.

    Args:
      initial_accumulator_value: What the squares are added to.
      l1_regularization_strength: Of regularization by the absolute value.
      l2_regularization_strength: Of regularization by the square.
    """

    kind: ClassVar[str] = "ProximalAdagrad"
    slots: ClassVar[tuple[str, ...]] = ("accumulator",)

    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0

    def first(self, slot: str) -> float:
        """Return what the slot begins with."""
        del slot
        return self.initial_accumulator_value

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        follow = ProximalGradientDescent(
            self.l1_regularization_strength, self.l2_regularization_strength
        )
        squares = slots[0] + g * g
        return follow.proximal(w, g, now.rate * _tf.math.rsqrt(squares)), squares


def _shrunk(value: Any, by: Any) -> Any:
    """Return what is left of a value that is moved towards 0, and stops there."""
    return _tf.sign(value) * _tf.maximum(_tf.abs(value) - by, 0)
