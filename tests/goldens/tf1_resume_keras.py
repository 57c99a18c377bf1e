"""Training that goes on with optimizers of tf.keras in a graph of TF1."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf1_graph import tf1
from tf1_resume import register

_OPTIMIZERS = tf.keras.optimizers


class InGraph:
    """An optimizer of tf.keras; it has a count of steps of its own."""

    use_resource = True

    def __init__(self, name: str, scope: str = "") -> None:
        self._name, self._scope = name, scope

    def __call__(self, **settings: Any) -> Any:
        self._optimizer = getattr(_OPTIMIZERS, self._name)(**settings)
        return self

    def minimize(self, loss: Any, global_step: Any) -> Any:
        """Return one step."""
        with tf1.name_scope(self._scope):  # as a model that is compiled has it
            updates = self._optimizer.get_updates(loss, tf1.trainable_variables())
        return tf.group(tf1.assign_add(global_step, 1), *updates)


register("keras_adam", InGraph("Adam"), learning_rate=0.1, epsilon=1e-4)
register("keras_compiled", InGraph("Adam", "training/"), learning_rate=0.1)
register("keras_amsgrad", InGraph("Adam"), learning_rate=0.1, amsgrad=True, name="ams")
register("keras_adamax", InGraph("Adamax"), learning_rate=0.1, beta_1=0.8)
register("keras_nadam", InGraph("Nadam"), learning_rate=0.1)
register("keras_adagrad", InGraph("Adagrad"), learning_rate=0.5)
register("keras_adadelta", InGraph("Adadelta"), learning_rate=1.0, epsilon=1e-4)
register("keras_rmsprop", InGraph("RMSprop"), learning_rate=0.05, epsilon=0.5)
register(
    "keras_rmsprop_centered",
    InGraph("RMSprop"),
    learning_rate=0.01,
    momentum=0.9,
    centered=True,
    epsilon=1e-3,
)
register("keras_sgd", InGraph("SGD"), learning_rate=0.05, momentum=0.9, nesterov=True)
register("keras_sgd_decay", InGraph("SGD"), learning_rate=0.05, decay=0.1)
register(
    "keras_ftrl", InGraph("Ftrl"), learning_rate=0.5, l1_regularization_strength=0.01
)
