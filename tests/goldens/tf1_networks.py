"""Whole networks of TF1 code, small: each function returns a loss and a training step.

Names and layouts are those of the real ones: BERT's, of ``tf.layers``, of stacked
bidirectional RNNs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tf1_graph import tf1
from tf1_resume import AdamWeightDecay

__all__ = ["DATA", "NETWORKS"]

train = tf1.train


def _waves(*shape: int, rate: float = 1.0) -> np.ndarray:
    size = int(np.prod(shape))
    return np.sin(np.arange(size, dtype=np.float32) * rate).reshape(shape)


# What each network is trained with, at every step the same.
DATA: dict[str, dict[str, Any]] = {
    "bert": {
        "ids": (np.arange(20) * 7 % 11).reshape(4, 5),
        "labels": np.array([0, 1, 1, 0]),
    },
    "convnet": {"x": _waves(4, 6, 6, 2), "labels": np.array([0, 2, 1, 2])},
    "bidirectional": {"x": _waves(3, 5, 4), "y": _waves(3, 2, rate=2.0)},
}


def _normal() -> Any:
    return tf1.truncated_normal_initializer(stddev=0.2, seed=3)


def _norm(value: Any) -> Any:
    """Normalize over the last axis, with BERT's epsilon."""
    size = value.shape.as_list()[-1]
    with tf1.variable_scope("LayerNorm"):
        beta = tf1.get_variable("beta", [size], initializer=tf1.zeros_initializer())
        gamma = tf1.get_variable("gamma", [size], initializer=tf1.ones_initializer())
    mean, variance = tf.nn.moments(value, [-1], keepdims=True)
    return tf.nn.batch_normalization(value, mean, variance, beta, gamma, 1e-12)


def _dense(value: Any, units: int, name: str, activation: Any = None) -> Any:
    return tf1.layers.dense(
        value, units, activation, kernel_initializer=_normal(), name=name
    )


def _gelu(x: Any) -> Any:
    return x * 0.5 * (1.0 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _heads(value: Any) -> Any:
    batch, length, size = value.shape.as_list()
    return tf.transpose(tf.reshape(value, [batch, length, 2, size // 2]), [0, 2, 1, 3])


def _attention(value: Any) -> Any:
    """Attend with two heads, as BERT's ``attention_layer``."""
    shape = value.shape.as_list()
    with tf1.variable_scope("self"):
        query, key, values = (
            _heads(_dense(value, shape[-1], name)) for name in ("query", "key", "value")
        )
        scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(shape[-1] / 2)
        context = tf.matmul(tf.nn.softmax(scores), values)
    context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), shape)
    with tf1.variable_scope("output"):
        return _norm(_dense(context, shape[-1], "dense") + value)


def _layer(value: Any) -> Any:
    with tf1.variable_scope("attention"):
        value = _attention(value)
    with tf1.variable_scope("intermediate"):
        middle = _dense(value, 12, "dense", _gelu)
    with tf1.variable_scope("output"):
        return _norm(_dense(middle, value.shape.as_list()[-1], "dense") + value)


def _embeddings(ids: Any) -> Any:
    words, places = (
        tf1.get_variable(name, [rows, 8], initializer=_normal())
        for name, rows in (("word_embeddings", 11), ("position_embeddings", 6))
    )
    return _norm(tf.nn.embedding_lookup(words, ids) + places[: ids.shape[1]])


def _bert() -> Any:
    """BERT, with one layer for classes, and what it is trained with."""
    data = DATA["bert"]
    with tf1.variable_scope("bert"):
        with tf1.variable_scope("embeddings"):
            value = _embeddings(data["ids"])
        for number in range(2):
            with tf1.variable_scope(f"encoder/layer_{number}"):
                value = _layer(value)
        with tf1.variable_scope("pooler"):
            pooled = _dense(value[:, 0], 8, "dense", tf.tanh)
    weights = tf1.get_variable("output_weights", [2, 8], initializer=_normal())
    bias = tf1.get_variable("output_bias", [2], initializer=tf1.zeros_initializer())
    logits = tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=data["labels"], logits=logits
        )
    )
    optimizer = AdamWeightDecay(
        learning_rate=1e-3, weight_decay=0.01, epsilon=1e-6, without_decay=_SPARED
    )
    return loss, optimizer.minimize(loss, train.get_or_create_global_step())


_SPARED = ("LayerNorm/gamma", "LayerNorm/beta", "bias")


def _convnet() -> Any:
    """Convolutions with batch normalization, RMSProp, and averages of all of it."""
    data = DATA["convnet"]
    value = tf.constant(data["x"])
    for filters in (3, 4):
        value = tf1.layers.conv2d(
            value, filters, 3, padding="same", kernel_initializer=_normal()
        )
        value = tf1.layers.batch_normalization(value, training=True, momentum=0.9)
        value = tf.nn.relu(value)
    logits = _dense(tf.reduce_mean(value, [1, 2]), 3, "logits")
    loss = tf1.losses.sparse_softmax_cross_entropy(data["labels"], logits)
    step = train.get_or_create_global_step()
    optimizer = train.RMSPropOptimizer(0.01, momentum=0.9, epsilon=1e-3)
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        minimize = optimizer.minimize(loss, step)
    moving = [v for v in tf1.global_variables() if "/moving_" in v.name]
    averages = train.ExponentialMovingAverage(0.9)
    with tf.control_dependencies([minimize]):
        return loss, averages.apply(tf1.trainable_variables() + moving)


def _bidirectional() -> Any:
    """Two layers of LSTM cells in both directions, and Adam."""
    data = DATA["bidirectional"]
    forward, backward = (
        [tf1.nn.rnn_cell.LSTMCell(units, initializer=_normal()) for units in (3, 2)]
        for _ in range(2)
    )
    outputs, _, _ = tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
        forward, backward, tf.constant(data["x"]), dtype=tf.float32
    )
    found = _dense(outputs[:, -1], 2, "head")
    loss = tf.reduce_mean(tf.square(found - data["y"]))
    step = train.get_or_create_global_step()
    return loss, train.AdamOptimizer(0.01).minimize(loss, step)


NETWORKS = {"bert": _bert, "convnet": _convnet, "bidirectional": _bidirectional}
