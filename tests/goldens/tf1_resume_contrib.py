"""Training that goes on with optimizers of tf.contrib.opt, and with ALBERT's LAMB."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf1_graph import tf1
from tf1_resume import register

train = tf1.train
contrib = getattr(tf, "contrib", None)


class AfterGradients:
    """An optimizer that decays no weight before its gradients are there.

    ``minimize`` of tf.contrib.opt lets the decay race with the gradients: then they are
    those of the old weights in one run, of decayed ones in another.
    """

    use_resource = True

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, **settings: Any) -> Any:
        self._optimizer = getattr(contrib.opt, self._name)(**settings)
        return self

    def minimize(self, loss: Any, global_step: Any) -> Any:
        """Return one step."""
        pairs = self._optimizer.compute_gradients(loss)
        with tf.control_dependencies([gradient for gradient, _ in pairs]):
            return self._optimizer.apply_gradients(pairs, global_step)


class CountedByStep:
    """AdamGS, which must be given ``global_step``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, **settings: Any) -> Any:
        step = train.get_or_create_global_step()
        return getattr(contrib.opt, self._name)(global_step=step, **settings)


class Lamb:
    """What ALBERT trains with: AdamWeightDecay, its steps as long as the weights."""

    def __init__(
        self, learning_rate: float, weight_decay: float, spared: tuple[str, ...]
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.spared = spared

    def minimize(self, loss: Any, global_step: Any) -> Any:
        """Return one step; it leaves no beta powers."""
        variables = tf1.trainable_variables()
        updates = [tf1.assign_add(global_step, 1)]
        for variable, gradient in zip(variables, tf.gradients(loss, variables)):
            m, v = (
                tf1.get_variable(
                    f"{variable.op.name}/{name}",
                    shape=variable.shape,
                    trainable=False,
                    initializer=tf1.zeros_initializer(),
                )
                for name in ("adam_m", "adam_v")
            )
            new_m = 0.9 * m + 0.1 * gradient
            new_v = 0.999 * v + 0.001 * tf.square(gradient)
            change = new_m / (tf.sqrt(new_v) + 1e-6)
            if not variable.op.name.endswith(self.spared):
                change += self.weight_decay * variable
                ratio = tf.norm(variable) / tf.norm(change)
                change *= tf.where(tf.norm(variable) > 0, ratio, 1.0)
            new = variable - self.learning_rate * change
            # All reads before any write: the order of assignments must not matter.
            with tf.control_dependencies([new, new_m, new_v, gradient]):
                updates += [variable.assign(new), m.assign(new_m), v.assign(new_v)]
        return tf.group(*updates)


def _of_contrib(name: str) -> Any:
    return getattr(getattr(contrib, "opt", None), name, None)


register(
    "adamw", AfterGradients("AdamWOptimizer"), weight_decay=0.01, learning_rate=0.1
)
register(
    "momentumw",
    AfterGradients("MomentumWOptimizer"),
    weight_decay=0.01,
    learning_rate=0.05,
    momentum=0.9,
)
# A large epsilon, so that its place matters.
register("adamax", _of_contrib("AdaMaxOptimizer"), learning_rate=0.1, epsilon=0.1)
register("lazy_adam", _of_contrib("LazyAdamOptimizer"), learning_rate=0.1)
register("adam_gs", CountedByStep("AdamGSOptimizer"), learning_rate=0.1)
register("lazy_adam_gs", CountedByStep("LazyAdamGSOptimizer"), learning_rate=0.1)
register("lamb", Lamb, learning_rate=0.05, weight_decay=0.01, spared=("b",))
register("lamb_plain", Lamb, learning_rate=0.05, weight_decay=0.0, spared=("none",))
