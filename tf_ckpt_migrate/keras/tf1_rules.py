"""Optimizers of TF1 that Keras has no equal of: what a step makes of what there is.

Each is named as in ``tf.compat.v1.train``, ``tf.contrib.opt``, BERT or ALBERT, with
the arguments and defaults it has there, but for the learning rate. A step is written
as TF1 rounds it; nothing here knows of Keras.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["LAMB", "LARS", "RULES", "AdagradDA", "AdamWeightDecay", "Momentum",
           "Nadam", "Now", "ProximalAdagrad", "ProximalGradientDescent", "Rule"]  # fmt: skip

_tf = tensorflow()


class Now(NamedTuple):
    """What a step knows besides the gradient, the variable and its slots.

    Attributes:
      rate: The learning rate, a scalar of the variable's dtype.
      count: The number of the step, from 1, as such a scalar too.
      variable: The name of the variable.
      is_sparse: Whether only some rows have a gradient.
    """

    rate: Any
    count: Any
    variable: str
    is_sparse: bool = False


@dataclass
class Rule:
    """An optimizer of TF1.

    Attributes:
      kind: What the recipes call it.
      slots: What TF1 calls its slots, in its order, and by which setting each begins;
        None for 0.
      sparse: What changes when only some rows have a gradient: those ``"rows"`` of
        variable and slots, those of the ``"variable"`` and all of the slots, or
        ``"all"`` of both.
    """

    kind: ClassVar[str]
    slots: ClassVar[Mapping[str, str | None]] = {}
    sparse: ClassVar[Literal["rows", "variable", "all"]] = "rows"

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return the variable and its slots as a step leaves them.

        Args:
          now: What else there is to know.
          g: The gradient.
          w: The variable; as the gradient and the slots, the rows that change.
          *slots: Its slots.
        """
        raise NotImplementedError


@dataclass
class Momentum(Rule):
    """Adds up gradients, and multiplies their sum by the learning rate of the step.

    SGD of Keras multiplies each gradient by the rate of its own step, which is another
    optimizer when the rate changes.

    Args:
      momentum: What is left of the sum at each step.
      use_nesterov: Whether a step looks ahead.
    """

    kind = "Momentum"
    slots = {"momentum": None}

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

    kind = "LARSOptimizer"
    slots = {"momentum": None}

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
            rate *= _ratio(self.eeta * of_w, divisor, of_w, of_g)
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

    kind = "AdagradDA"
    slots = {
        "gradient_accumulator": None,
        "gradient_squared_accumulator": "initial_gradient_squared_accumulator_value",
    }

    initial_gradient_squared_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0

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

    kind = "ProximalGradientDescent"

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

    kind = "ProximalAdagrad"
    slots = {"accumulator": "initial_accumulator_value"}

    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        follow = ProximalGradientDescent(
            self.l1_regularization_strength, self.l2_regularization_strength
        )
        squares = slots[0] + g * g
        return follow.proximal(w, g, now.rate * _tf.math.rsqrt(squares)), squares


@dataclass
class Nadam(Rule):
    """Adam that looks ahead; that of contrib, whose momentum has no schedule.

    Args:
      beta1: Of the mean of gradients, what is left at each step.
      beta2: Of the mean of their squares.
      epsilon: Keeps a divisor from 0.
    """

    kind = "Nadam"
    slots = {"m": None, "v": None}
    sparse = "variable"

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        # As of g's dtype: 1 - 0.999 is another number there.
        beta1, beta2 = (_tf.constant(each, g.dtype) for each in (self.beta1, self.beta2))
        unbiased = _tf.sqrt(1 - beta2**now.count) / (1 - beta1**now.count)
        m = beta1 * slots[0] + (1 - beta1) * g
        v = beta2 * slots[1] + (1 - beta2) * g * g
        ahead = beta1 * m + (1 - beta1) * g
        return w - now.rate * unbiased * ahead / (_tf.sqrt(v) + self.epsilon), m, v


@dataclass
class AdamWeightDecay(Rule):
    """Adam that corrects no bias, with a decay beside it; that of BERT and ALBERT.

    Args:
      weight_decay_rate: How much of a variable is added to its change.
      beta_1: Of the mean of gradients, what is left at each step.
      beta_2: Of the mean of their squares.
      epsilon: Keeps a divisor from 0.
      exclude_from_weight_decay: Patterns that are searched in the names of variables:
        ``["LayerNorm", "layer_norm", "bias"]`` in BERT.
    """

    kind = "AdamWeightDecay"
    slots = {"m": None, "v": None}
    sparse = "all"

    weight_decay_rate: float = 0.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    exclude_from_weight_decay: Sequence[str] | None = None

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        m = self.beta_1 * slots[0] + (1 - self.beta_1) * g
        v = self.beta_2 * slots[1] + (1 - self.beta_2) * g * g
        change = m / (_tf.sqrt(v) + self.epsilon)
        if not _is_one_of(now.variable, self.exclude_from_weight_decay):
            change += self.weight_decay_rate * w
        return w - now.rate * self.rescaled(change, w, now.variable), m, v

    def rescaled(self, change: Any, w: Any, variable: str) -> Any:
        """Return the change as it is, before the learning rate."""
        del w, variable
        return change


@dataclass
class LAMB(AdamWeightDecay):
    """AdamWeightDecay whose changes have the norm of their variable; that of ALBERT.

    Args:
      weight_decay_rate: How much of a variable is added to its change.
      beta_1: Of the mean of gradients, what is left at each step.
      beta_2: Of the mean of their squares.
      epsilon: Keeps a divisor from 0.
      exclude_from_weight_decay: Patterns that are searched in the names of variables.
      exclude_from_layer_adaptation: Patterns of those whose changes stay as they are;
        by default those excluded from weight decay.
    """

    kind = "LAMB"

    exclude_from_layer_adaptation: Sequence[str] | None = None

    def rescaled(self, change: Any, w: Any, variable: str) -> Any:
        """Return the change with the norm of the variable."""
        excluded = self.exclude_from_layer_adaptation or self.exclude_from_weight_decay
        if _is_one_of(variable, excluded):
            return change
        of_w, of_change = _tf.norm(w), _tf.norm(change)
        return _ratio(of_w, of_change, of_w, of_change) * change


RULES: tuple[type[Rule], ...] = (
    Momentum,
    AdagradDA,
    ProximalAdagrad,
    ProximalGradientDescent,
    Nadam,
    AdamWeightDecay,
    LAMB,
    LARS,
)


def _shrunk(value: Any, by: Any) -> Any:
    """Return what is left of a value that is moved towards 0, and stops there."""
    return _tf.sign(value) * _tf.maximum(_tf.abs(value) - by, 0)


def _ratio(over: Any, under: Any, *norms: Any) -> Any:
    """Return a ratio; 1 if one of the norms is 0."""
    is_usable = _tf.reduce_min(_tf.stack(norms)) > 0
    return _tf.where(is_usable, over / under, _tf.ones_like(over))


def _is_one_of(name: str, patterns: Sequence[str] | None) -> bool:
    return any(re.search(pattern, name) for pattern in patterns or ())
