"""Training that goes on with sparse gradients: of rows that are looked up.

One row is looked up twice each time. One is not looked up for a while: some optimizers
let such a row be, and what they remember of it; others go on with all rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf1_graph import tf1
from tf1_resume import register

train = tf1.train
contrib = getattr(tf, "contrib", None)


def _loss() -> Any:
    """Return the loss on three rows, but for 10 steps without the last of them."""
    with tf1.variable_scope("net"):
        w = tf1.get_variable("w", initializer=np.full([3, 2], 0.5, np.float32))
        b = tf1.get_variable("b", initializer=np.zeros(2, np.float32))
    step = train.get_or_create_global_step()
    is_left_out = tf.logical_and(step >= 7, step < 17)
    rows = tf.concat([[0], tf.range(tf.where(is_left_out, 2, 3))], axis=0)
    wanted = tf.cast(rows, tf.float32)[:, tf.newaxis]
    return tf.reduce_sum(tf.square(tf.gather(w, rows) + b - wanted))


class Sparse:
    """An optimizer that meets sparse gradients of ``net/w``."""

    loss = staticmethod(_loss)

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, **settings: Any) -> Any:
        return self._make(**settings)


def _of_contrib(name: str) -> Any:
    return getattr(getattr(contrib, "opt", None), name, None)


register("sparse_adam", Sparse(train.AdamOptimizer), learning_rate=0.1)
register("sparse_adagrad", Sparse(train.AdagradOptimizer), learning_rate=0.5)
register("sparse_adadelta", Sparse(train.AdadeltaOptimizer), learning_rate=1.0)
register("sparse_ftrl", Sparse(train.FtrlOptimizer), learning_rate=0.5)
register("sparse_adamax", Sparse(_of_contrib("AdaMaxOptimizer")), learning_rate=0.1)
register(
    "sparse_lazy_adam", Sparse(_of_contrib("LazyAdamOptimizer")), learning_rate=0.1
)
register(
    "sparse_momentum", Sparse(train.MomentumOptimizer), learning_rate=0.05, momentum=0.9
)
register("sparse_rmsprop_plain", Sparse(train.RMSPropOptimizer), learning_rate=0.01)
register(
    "sparse_rmsprop", Sparse(train.RMSPropOptimizer), learning_rate=0.05, momentum=0.9
)
