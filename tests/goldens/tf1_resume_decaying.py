"""Training that goes on under a schedule, where Keras would go on differently.

The learning rate halves every 10 steps, by ``global_step``. Beside the kernel and the
bias most of them train a table, of which a step looks up two rows, one of them twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf1_graph import tf1
from tf1_resume import AdamWeightDecay, dense_loss, register
from tf1_resume_contrib import Lamb

train = tf1.train
contrib = getattr(tf, "contrib", None)
# The rows that a step looks up, one for each example, from that of its number on.
_ROWS = np.array([0, 0, 1, 0, 1, 1, 0, 1])


def _loss() -> Any:
    with tf1.variable_scope("net"):
        e = tf1.get_variable("e", initializer=np.full([4, 2], 0.25, np.float32))
    rows = (train.get_or_create_global_step() + _ROWS) % 4
    return dense_loss(tf.gather(e, rows))


class Dense:
    """An optimizer whose learning rate halves every 10 steps."""

    def __init__(self, make: Any, *, counts: bool = False) -> None:
        self._make, self._counts = make, counts

    def __call__(self, **settings: Any) -> Any:
        self._settings = settings
        return self

    def minimize(self, loss: Any, global_step: Any) -> Any:
        """Return one step, which counts when all else has read the count."""
        settings = dict(self._settings)
        if self._counts:
            settings["global_step"] = global_step
        rate = train.exponential_decay(settings["learning_rate"], global_step, 10, 0.5)
        settings["learning_rate"] = rate
        with tf.control_dependencies([loss, rate]):
            return self._make(**settings).minimize(loss, global_step=global_step)


class WithTable(Dense):
    """One that trains a table too."""

    loss = staticmethod(_loss)


def _of_contrib(name: str) -> Any:
    return getattr(getattr(contrib, "opt", None), name, None)


_REGULAR = {"l1_regularization_strength": 0.005, "l2_regularization_strength": 0.01}
_MOMENTUM = WithTable(train.MomentumOptimizer)
register("decaying_momentum", _MOMENTUM, learning_rate=0.05, momentum=0.9)
register(
    "decaying_nesterov",
    WithTable(train.MomentumOptimizer),
    learning_rate=0.05,
    momentum=0.9,
    use_nesterov=True,
)
register(
    "decaying_adagrad_da",
    WithTable(train.AdagradDAOptimizer, counts=True),
    learning_rate=0.5,
    **_REGULAR,
)
register(
    "decaying_proximal_adagrad",
    WithTable(train.ProximalAdagradOptimizer),
    learning_rate=0.5,
    **_REGULAR,
)
register(
    "decaying_proximal_gradient_descent",
    WithTable(train.ProximalGradientDescentOptimizer),
    learning_rate=0.2,
    **_REGULAR,
)
register("decaying_nadam", WithTable(_of_contrib("NadamOptimizer")), learning_rate=0.1)
register(
    "decaying_adam_weight_decay",
    WithTable(AdamWeightDecay),
    learning_rate=0.05,
    weight_decay=0.01,
    epsilon=1e-6,
)
register(
    "decaying_lamb", Dense(Lamb), learning_rate=0.05, weight_decay=0.01, spared=("b",)
)
register(
    "decaying_lars",
    WithTable(_of_contrib("LARSOptimizer")),
    learning_rate=0.1,
    weight_decay=0.01,
    eeta=0.5,
    skip_list=["b:"],
)
