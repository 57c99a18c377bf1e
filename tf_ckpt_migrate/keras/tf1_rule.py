"""What an optimizer of TF1 is: slots, settings, and what a step makes of them.

Nothing here, nor in the rules themselves, knows of Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["Now", "Rule", "Sparse", "ratio"]


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


Sparse = Literal["rows", "variable", "all"]


@dataclass
class Rule:
    """An optimizer of TF1.

    Attributes:
      kind: What the recipes call it.
      slots: What TF1 calls its slots, in its order.
      sparse: What changes when only some rows have a gradient: those ``"rows"`` of
        variable and slots, those of the ``"variable"`` and all of the slots, or
        ``"all"`` of both.
    """

    kind: ClassVar[str]
    slots: ClassVar[tuple[str, ...]] = ()
    sparse: ClassVar[Sparse] = "rows"

    def first(self, slot: str) -> float:
        """Return what a slot begins with."""
        del slot
        return 0.0

    def step(self, now: Now, g: Any, w: Any, *slots: Any) -> Sequence[Any]:
        """Return the variable and its slots as a step leaves them.

        Args:
          now: What else there is to know.
          g: The gradient.
          w: The variable; as the gradient and the slots, the rows that change.
          *slots: Its slots.
        """
        raise NotImplementedError


def ratio(over: Any, under: Any, *norms: Any) -> Any:
    """Return a ratio; 1 if one of the norms that it is of is 0.

    Example:
      >>> import tensorflow as tf
      >>> one, two, nothing = tf.constant(1.0), tf.constant(2.0), tf.constant(0.0)
      >>> float(ratio(one, two, one, two)), float(ratio(one, nothing, one, nothing))
      (0.5, 1.0)
    """
    tf = tensorflow()
    is_usable = tf.reduce_min(tf.stack(norms)) > 0
    return tf.where(is_usable, over / under, tf.ones_like(over))
