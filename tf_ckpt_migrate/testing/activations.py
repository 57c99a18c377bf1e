"""Activation functions of TF1 and of every Keras, by what to write for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_ckpt_migrate.live.framework import tensorflow

__all__ = ["activations"]


def activations() -> dict[str, Callable[[Any], Any]]:
    """Return the functions that are tried.

    Example:
      >>> import tensorflow as tf
      >>> hard = activations()["hard_sigmoid of TF1's Keras"]
      >>> round(float(hard(tf.constant(1.0))), 2)
      0.7
    """
    tf = tensorflow()
    return {
        "GELU by tanh (approximate=True)": lambda x: tf.nn.gelu(x, approximate=True),
        "GELU by erf (approximate=False)": lambda x: tf.nn.gelu(x, approximate=False),
        "GELU by sigmoid, x * sigmoid(1.702 x)": lambda x: x * tf.sigmoid(1.702 * x),
        "relu": tf.nn.relu,
        "tanh": tf.tanh,
        "sigmoid": tf.sigmoid,
        "hard_sigmoid of TF1's Keras": lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1),
        "hard_sigmoid of Keras 3": lambda x: tf.nn.relu6(x + 3) / 6,
        "no activation": lambda x: x,
        "relu6": tf.nn.relu6,
        "swish": tf.nn.silu,
        "elu": tf.nn.elu,
        "selu": tf.nn.selu,
        "softplus": tf.nn.softplus,
        "softsign": tf.nn.softsign,
        "leaky_relu, slope 0.2": tf.nn.leaky_relu,
        "softmax": tf.nn.softmax,
    }
