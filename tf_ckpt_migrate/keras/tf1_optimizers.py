"""A rule of TF1 as an optimizer of Keras 3, or of tf-keras.

An optimizer is subclassed as its Keras means it: ``build`` makes the slots,
``update_step`` takes a step. What the two want differently is in a class each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.variables import name_of

__all__ = [
    "LAMB",
    "LARS",
    "AdagradDA",
    "AdamWeightDecay",
    "Momentum",
    "Nadam",
    "Now",
    "OfKeras3",
    "OfTfKeras",
    "ProximalAdagrad",
    "ProximalGradientDescent",
    "Rule",
    "Sparse",
    "TF1Optimizer",
    "ratio",
]


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
