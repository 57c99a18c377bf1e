"""A rule of TF1 as an optimizer of Keras 3, or of tf-keras.

An optimizer is subclassed as its Keras means it: ``build`` makes the slots,
``update_step`` takes a step. What the two want differently is in a class each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, ClassVar

from tf_ckpt_migrate.keras.tf1_rule import Now, Rule
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.variables import name_of

__all__ = ["OfKeras3", "OfTfKeras", "TF1Optimizer"]


class TF1Optimizer:
    """An optimizer of Keras with the arguments, the slots and the steps of one of TF1.

    Args:
      learning_rate: A number or a schedule.
      *settings: Those of the rule, in its order.
      name: As of any optimizer of Keras; by default what TF1 calls it.
      **others: Settings of the rule, and what any optimizer of Keras takes.

    Attributes:
      rule: Whose steps it takes.
      tf1_kind: What the recipes call that; by this they tell such an optimizer.
      keras: The package that it is made for.
      tf1: The rule, with its settings.
    """

    rule: ClassVar[type[Rule]]
    tf1_kind: ClassVar[str]
    keras: ClassVar[Any]

    def __init__(
        self,
        learning_rate: Any,
        *settings: Any,
        name: str | None = None,
        **others: Any,
    ) -> None:
        """Have Keras make the optimizer."""
        names = [each.name for each in fields(self.rule)]
        own = {each: others.pop(each) for each in names if each in others}
        rule = self.rule(*settings, **own)
        rate = float(learning_rate) if isinstance(learning_rate, int) else learning_rate
        self._begin(rate, name or self.tf1_kind, others)
        self.tf1 = rule

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        base: Any = super()
        return {**base.get_config(), **asdict(self.tf1)}

    def _begin(self, rate: Any, name: str, others: Mapping[str, Any]) -> None:
        """Let Keras begin."""
        base: Any = super()
        base.__init__(learning_rate=rate, name=name, **others)

    def _new_slot(self, variable: Any, slot: str, first: float) -> Any:
        raise NotImplementedError

    def _make_slots(self, variables: Sequence[Any]) -> None:
        """Make the slots, all of a variable before those of the next."""
        first = {slot: self.tf1.first(slot) for slot in self.rule.slots}
        self._names = tuple(map(name_of, variables))
        self._slots = [
            [self._new_slot(each, slot, value) for slot, value in first.items()]
            for each in variables
        ]

    def _take_step(
        self, gradient: Any, kept: Sequence[Any], rate: Any, count: Any, index: int
    ) -> None:
        """Change what is kept: a variable, and behind it its slots.

        A sparse gradient has each row once.
        """
        tf, dtype = tensorflow(), kept[0].dtype
        rows = gradient.indices if isinstance(gradient, tf.IndexedSlices) else None
        by_rows = rows is not None and self.rule.sparse == "rows"
        gradient = gradient.values if by_rows else tf.convert_to_tensor(gradient)
        old = [tf.gather(v, rows) if by_rows else tf.convert_to_tensor(v) for v in kept]
        now = Now(
            tf.convert_to_tensor(tf.cast(rate, dtype)),
            tf.cast(count, dtype) + 1,
            self._names[index],
            rows is not None,
        )
        new = self.tf1.step(now, tf.cast(gradient, dtype), *old)
        by_row = {"rows": len(kept), "variable": 1, "all": 0}[self.rule.sparse]
        for number, (each, value) in enumerate(zip(kept, new, strict=True)):
            if rows is None or number >= by_row:
                each.assign(value)
            else:
                changed = value if by_rows else tf.gather(value, rows)
                each.scatter_update(tf.IndexedSlices(changed, rows))


class OfKeras3(TF1Optimizer):
    """As Keras 3 wants it, which must have TensorFlow as its backend."""

    def _begin(self, rate: Any, name: str, others: Mapping[str, Any]) -> None:
        backend = self.keras.backend.backend()
        if backend != "tensorflow":
            raise ValueError(
                f"{type(self).__name__} computes with TensorFlow, but Keras has the "
                f"backend {backend!r}; set KERAS_BACKEND=tensorflow before Keras is "
                "imported"
            )
        super()._begin(rate, name, others)

    def build(self, variables: Sequence[Any]) -> None:
        """Make the slots, if there are none yet."""
        own: Any = self
        base: Any = super()
        if not own.built:
            base.build(variables)
            self._make_slots(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change a variable and its slots."""
        own: Any = self
        index = own._get_variable_index(variable)
        if isinstance(gradient, tensorflow().IndexedSlices):
            gradient = _summed(gradient)  # tf-keras does so by itself
        kept = [variable, *(slot.value for slot in self._slots[index])]
        count = tensorflow().convert_to_tensor(own.iterations)
        self._take_step(gradient, kept, learning_rate, count, index)

    def _new_slot(self, variable: Any, slot: str, first: float) -> Any:
        own: Any = self
        begin = self.keras.initializers.Constant(first)
        return own.add_variable_from_reference(variable, name=slot, initializer=begin)


class OfTfKeras(TF1Optimizer):
    """As tf-keras wants it, and Keras 2.11 to 2.15."""

    def _begin(self, rate: Any, name: str, others: Mapping[str, Any]) -> None:
        base: Any = super(TF1Optimizer, self)
        base.__init__(name, **{"weight_decay": None, **others})
        own: Any = self
        self._learning_rate = own._build_learning_rate(rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        own: Any = self
        rate = own._serialize_hyperparameter(self._learning_rate)
        return {"learning_rate": rate, **super().get_config()}

    def build(self, var_list: Sequence[Any]) -> None:
        """Make the slots, if there are none yet."""
        base: Any = super()
        base.build(var_list)
        if not getattr(self, "_built", False):
            self._built = True
            self._make_slots(var_list)

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Change a variable and its slots."""
        own: Any = self
        index = own._index_dict[own._var_key(variable)]
        kept = [variable, *self._slots[index]]
        self._take_step(gradient, kept, own.learning_rate, own.iterations, index)

    def _new_slot(self, variable: Any, slot: str, first: float) -> Any:
        own: Any = self
        begin = tensorflow().fill(variable.shape, first)
        # With its kind, by which a checkpoint tells the class.
        return own.add_variable_from_reference(
            variable,
            f"{self.tf1_kind}/{slot}",
            initial_value=tensorflow().cast(begin, variable.dtype),
        )


def _summed(gradient: Any) -> Any:
    """Return a gradient that has each row once."""
    tf = tensorflow()
    rows, place = tf.unique(gradient.indices)
    sums = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
    return tf.IndexedSlices(sums, rows, gradient.dense_shape)
