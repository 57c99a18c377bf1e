"""Optimizers of TF1 that keep means of gradients and of their squares, as Adam does.

Each is named as in ``tf.contrib.opt``, BERT or ALBERT, with the arguments and defaults
that it has there but for the learning rate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_ckpt_migrate.keras.tf1_rule import Now, Rule, Sparse, ratio
from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["LAMB", "AdamWeightDecay", "Nadam"]

_tf = tensorflow()


@dataclass
class Nadam(Rule):
    """Adam that looks ahead; that of contrib, whose momentum has no schedule.

    Args:
      beta1: Of the mean of gradients, what is left at each step.
      beta2: Of the mean of their squares.
      epsilon: Keeps a divisor from 0.
    """

    kind: ClassVar[str] = "Nadam"
    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    sparse: ClassVar[Sparse] = "variable"

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return what a step leaves."""
        # Of the dtype of g, where 1 - 0.999 is another number.
        beta1 = _tf.constant(self.beta1, g.dtype)
        beta2 = _tf.constant(self.beta2, g.dtype)
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

    kind: ClassVar[str] = "AdamWeightDecay"
    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    sparse: ClassVar[Sparse] = "all"

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

    kind: ClassVar[str] = "LAMB"

    exclude_from_layer_adaptation: Sequence[str] | None = None

    def rescaled(self, change: Any, w: Any, variable: str) -> Any:
        """Return the change with the norm of the variable."""
        excluded = self.exclude_from_layer_adaptation or self.exclude_from_weight_decay
        if _is_one_of(variable, excluded):
            return change
        of_w, of_change = _tf.norm(w), _tf.norm(change)
        return ratio(of_w, of_change, of_w, of_change) * change


def _is_one_of(name: str, patterns: Sequence[str] | None) -> bool:
    return any(re.search(pattern, name) for pattern in patterns or ())
