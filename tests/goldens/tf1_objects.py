"""Goldens of object-based saving in graph mode, where TF1 code met it first."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, ramp, save, tf1


def _initialized() -> Any:
    session = tf1.Session()
    session.run(tf1.global_variables_initializer())
    return session


@graph_golden
def graph_checkpoint() -> Written:
    """tf.train.Checkpoint over ref variables and a TF1 optimizer with slots."""
    w = tf1.get_variable("net/w", initializer=ramp(2, 3))
    b = tf1.get_variable("net/b", initializer=ramp(3))
    optimizer = tf1.train.AdamOptimizer(0.1)
    minimize = optimizer.minimize(tf.reduce_sum(tf.square(tf.matmul([[1.0, 2.0]], w))))
    saved = tf1.train.Checkpoint(optimizer=optimizer, layer=_tracking(w=w, b=b))
    with _initialized() as session:
        session.run(minimize)
        path = saved.save("model.ckpt", session=session)
        values = {
            "layer/w/.ATTRIBUTES/VARIABLE_VALUE": session.run(w),
            "layer/b/.ATTRIBUTES/VARIABLE_VALUE": session.run(b),
        }
    return Written("object-based", path, values)


def _tracking(**children: Any) -> Any:
    holder = tf.Module()
    for name, child in children.items():
        setattr(holder, name, child)
    return holder


@graph_golden
def graph_keras_weights() -> Written:
    """A Keras model's save_weights in TensorFlow's format, with its optimizer."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Dense(2, input_shape=(3,)), layers.BatchNormalization()]
    )
    model.compile(tf.keras.optimizers.RMSprop(0.1), "mse")
    model.fit(ramp(4, 3), ramp(4, 2), verbose=0)
    model.save_weights("weights", save_format="tf")
    return Written("object-based", "weights")


@graph_golden
def graph_iterator() -> Written:
    """A dataset iterator among the variables: its state has dtype variant."""
    numbers = tf1.data.Dataset.range(5)
    iterator = tf1.data.make_initializable_iterator(numbers)
    state = tf1.data.experimental.make_saveable_from_iterator(iterator)
    tf1.add_to_collection(tf1.GraphKeys.SAVEABLE_OBJECTS, state)
    tf1.get_variable("w", initializer=ramp(2))
    return Written(values=save(iterator.initializer, iterator.get_next()))
