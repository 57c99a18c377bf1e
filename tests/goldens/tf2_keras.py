"""Goldens of Keras models: Keras 2, tf-keras and Keras 3, each with its optimizers.

Keras 2 comes with TensorFlow 2.15 and Keras 3 with 2.21, both as ``tf.keras``; these
goldens are named ``keras_…``. The ``tf_keras_…`` ones use the package of that name.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras
from recording import Written, golden
from tf1_graph import ramp

if TYPE_CHECKING:
    from collections.abc import Callable

_KERASES = {"keras": tf.keras, "tf_keras": tf_keras}

_OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adadelta": lambda o: o.Adadelta(0.1),
    "adagrad": lambda o: o.Adagrad(0.1),
    "adam": lambda o: o.Adam(0.1),
    "adam_amsgrad": lambda o: o.Adam(0.1, amsgrad=True),
    "adam_ema": lambda o: o.Adam(0.1, use_ema=True),
    "adamax": lambda o: o.Adamax(0.1),
    "adamw": lambda o: o.AdamW(0.1),
    "ftrl": lambda o: o.Ftrl(0.1),
    "nadam": lambda o: o.Nadam(0.1),
    "rmsprop": lambda o: o.RMSprop(0.1),
    "rmsprop_centered": lambda o: o.RMSprop(0.1, momentum=0.9, centered=True),
    "sgd": lambda o: o.SGD(0.1),
    "sgd_momentum": lambda o: o.SGD(0.1, momentum=0.9),
}
_NOT_LEGACY = ("adam_ema", "adamw")


def _model(keras: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [layers.Dense(2, name="d1"), layers.Dense(1, name="d2")], name="net"
    )


def _train(model: Any, optimizer: Any, steps: int = 2) -> None:
    model(ramp(4, 3))
    variables = model.trainable_variables
    for _ in range(steps):
        gradients = [tf.ones(v.shape) / 8 for v in variables]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))


def _with_optimizer(keras: Any, optimizers: Any, make: Callable[[Any], Any]) -> Written:
    model, optimizer = _model(keras), make(optimizers)
    _train(model, optimizer)
    saved = tf.train.Checkpoint(model=model, optimizer=optimizer)
    return Written("object-based", saved.save("ckpt"))


def _legacy(keras: Any, make: Callable[[Any], Any]) -> Written:
    return _with_optimizer(keras, keras.optimizers.legacy, make)


def _modern(keras: Any, make: Callable[[Any], Any]) -> Written:
    return _with_optimizer(keras, keras.optimizers, make)


def _compiled(keras: Any) -> Any:
    model = _model(keras)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(ramp(4, 3), ramp(4, 1), verbose=0)
    return model


def _tracked_model(keras: Any) -> Written:
    """Save a compiled model: the optimizer is its child."""
    saved = tf.train.Checkpoint(model=_compiled(keras))
    return Written("object-based", saved.save("ckpt"))


def _root_model(keras: Any) -> Written:
    """Save a compiled model as the root."""
    return Written("object-based", tf.train.Checkpoint(_compiled(keras)).write("ckpt"))


def _weights(keras: Any) -> Written:
    """Call save_weights in TensorFlow's format, which Keras 3 no longer has."""
    _compiled(keras).save_weights("weights", save_format="tf")
    return Written("object-based", "weights")


def _layers(keras: Any) -> Written:
    """Save the layers that TF1 cells and layers turn into."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    words = keras.Input([3], dtype="int32")
    net = layers.Embedding(4, 2)(words)
    net = layers.LSTM(2, return_sequences=True)(net)
    net = layers.GRU(2, return_sequences=True)(net)
    net = layers.GRU(2, return_sequences=True, reset_after=False)(net)
    net = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(net)
    net = layers.MultiHeadAttention(1, 2)(net, net)
    net = layers.LayerNormalization()(net)
    net = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])(net)
    net = layers.BatchNormalization()(net)
    model = keras.Model(words, layers.Dropout(0.5)(net))
    return Written("object-based", tf.train.Checkpoint(model=model).save("ckpt"))


def _mixed_precision(keras: Any) -> Written:
    """Save a model whose optimizer scales the loss."""
    policies = keras.mixed_precision
    policies.set_global_policy("mixed_float16")
    try:
        model = _compiled(keras)
    finally:
        policies.set_global_policy("float32")
    return Written("object-based", tf.train.Checkpoint(model=model).save("ckpt"))


def _saved_model(keras: Any) -> Written:
    """Export a model; the graph is not kept, only the variables."""
    model = _model(keras)
    model(ramp(4, 3))
    tf.saved_model.save(model, "model")
    for path in sorted(Path("model").rglob("*"), reverse=True):
        if path.is_file() and path.parent.name != "variables":
            path.unlink()
    Path("model/assets").rmdir()
    return Written("object-based", "model/variables/variables")


_KINDS = {
    "layers": _layers,
    "mixed_precision": _mixed_precision,
    "root_model": _root_model,
    "saved_model": _saved_model,
    "tracked_model": _tracked_model,
    "weights": _weights,
}


def _register(keras_name: str) -> None:
    keras = _KERASES[keras_name]
    for kind, write in _KINDS.items():
        golden(functools.partial(write, keras), f"{keras_name}_{kind}")
    for name, make in _OPTIMIZERS.items():
        modern = functools.partial(_modern, keras, make)
        golden(modern, f"{keras_name}_optimizer_{name}")
        if name not in _NOT_LEGACY:
            legacy = functools.partial(_legacy, keras, make)
            golden(legacy, f"{keras_name}_legacy_{name}")


for _name in _KERASES:
    _register(_name)
