"""A BERT-style encoder of TF1 becomes one of Keras, and its training goes on.

::

    python -m examples.bert_encoder [FOLDER]

The names are BERT's. Its kernels of attention are matrices, where Keras has heads: a
recipe for each layer knows that. Another takes over moments and steps of Adam.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from examples.story import apart, check, run, tell

__all__ = ["main"]

v1 = tf.compat.v1
layers = tf.keras.layers
WORDS, LENGTH, SIZE, HEADS, LAYERS = 20, 6, 16, 4, 2
IDS = np.random.default_rng(0).integers(WORDS, size=(32, LENGTH)).astype(np.int32)
LABELS = (IDS[:, 0] > IDS[:, -1]).astype(np.int32)  # which needs a look at both ends


def dense(x: Any, units: int, scope: str) -> Any:
    """Make a layer of the names that ``tf.layers.dense`` gave."""
    with v1.variable_scope(scope):
        kernel = v1.get_variable("kernel", [x.shape[-1], units])
        return x @ kernel + v1.get_variable("bias", initializer=tf.zeros([units]))


def norm(x: Any) -> Any:
    """Normalize over the last axis."""
    with v1.variable_scope("LayerNorm"):
        beta = v1.get_variable("beta", initializer=tf.zeros([SIZE]))
        gamma = v1.get_variable("gamma", initializer=tf.ones([SIZE]))
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-12)


def attention(x: Any) -> Any:
    """Attend as BERT's ``attention_layer`` does."""
    with v1.variable_scope("self"):
        query, key, value = (
            tf.transpose(
                tf.reshape(dense(x, SIZE, name), [-1, LENGTH, HEADS, SIZE // HEADS]),
                [0, 2, 1, 3],
            )
            for name in ("query", "key", "value")
        )
        scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(SIZE / HEADS)
        found = tf.transpose(tf.nn.softmax(scores) @ value, [0, 2, 1, 3])
    with v1.variable_scope("output"):
        return norm(dense(tf.reshape(found, [-1, LENGTH, SIZE]), SIZE, "dense") + x)


def in_tf1() -> Any:
    """Build the graph; return its logits."""
    with v1.variable_scope("bert/embeddings"):
        words = v1.get_variable("word_embeddings", [WORDS, SIZE])
        places = v1.get_variable("position_embeddings", [LENGTH, SIZE])
        x = norm(tf.gather(tf.convert_to_tensor(words), IDS) + places)
    for n in range(LAYERS):
        with v1.variable_scope(f"bert/encoder/layer_{n}"):
            with v1.variable_scope("attention"):
                x = attention(x)
            middle = tf.nn.gelu(dense(x, 32, "intermediate/dense"), approximate=True)
            with v1.variable_scope("output"):
                x = norm(dense(middle, SIZE, "dense") + x)
    return dense(x[:, 0], 2, "classes")


class Places(layers.Layer):
    """What is added to a word for where it stands."""

    def build(self, shape: Any) -> None:
        """Make the variable."""
        self.table = self.add_weight(name="table", shape=shape[1:])

    def call(self, x: Any) -> Any:
        """Add it."""
        return x + self.table


def in_keras() -> Any:
    """Return the model."""

    def norm(name: str) -> Any:
        return layers.LayerNormalization(epsilon=1e-12, name=name)

    ids = tf.keras.Input([LENGTH], dtype="int32")
    x = Places(name="places")(layers.Embedding(WORDS, SIZE, name="words")(ids))
    x = norm("norm")(x)
    for n in range(LAYERS):
        attend = layers.MultiHeadAttention(HEADS, SIZE // HEADS, name=f"attention_{n}")
        x = norm(f"attention_norm_{n}")(attend(x, x) + x)
        gelu = layers.Activation(lambda x: tf.nn.gelu(x, approximate=True))
        middle = gelu(layers.Dense(32, name=f"intermediate_{n}")(x))
        x = norm(f"norm_{n}")(layers.Dense(SIZE, name=f"output_{n}")(middle) + x)
    return tf.keras.Model(ids, layers.Dense(2, name="classes")(x[:, 0]))


RULES = [
    ("bert/embeddings/word_embeddings", "words/embeddings"),
    ("bert/embeddings/position_embeddings", "places/table"),
    ("bert/embeddings/LayerNorm/", "norm/"),
    *(
        tcm.Recipe("attention", f"bert/encoder/layer_{n}/attention/", f"attention_{n}/")
        for n in range(LAYERS)
    ),
    tcm.RenameRegex(
        r"bert/encoder/layer_(\d)/attention/output/LayerNorm/(\w+)",
        r"attention_norm_\1/\2",
    ),
    tcm.RenameRegex(r"bert/encoder/layer_(\d)/output/LayerNorm/(\w+)", r"norm_\1/\2"),
    tcm.RenameRegex(
        r"bert/encoder/layer_(\d)/(intermediate|output)/dense/(\w+)", r"\2_\1/\3"
    ),
    ("classes/", "classes/"),
    # Both make the gradient of the words dense: see docs/optimizers.md.
    tcm.Recipe("optimizer", "Adam", "optimizer", learning_rate=0.01, sparse=False),
]


def main(folder: str) -> None:
    """Train in TF1, go over to Keras, and train on in both."""
    prefix = os.path.join(folder, "bert.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        logits = in_tf1()
        loss = mean_loss(logits)
        step = v1.train.get_or_create_global_step()
        minimize = v1.train.AdamOptimizer(0.01).minimize(loss, step)
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, minimize])[0] for _ in range(8)]
        tell(f"TF1 trains 8 steps: loss {losses[0]:.4f}, then {losses[-1]:.4f}")
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        expected = session.run(logits)
        on_in_tf1 = [session.run([loss, minimize])[0] for _ in range(5)]

    model = in_keras()
    adam = tf.keras.optimizers.Adam(0.01, epsilon=1e-8)
    adam.build(model.trainable_variables)
    training = tf.train.Checkpoint(model=model, optimizer=adam)
    report = tcm.restore(prefix, training, RULES)
    tell(f"Keras gets {len(report.restored)} tensors, among them:")
    for move in report.restored:
        if "layer_0/attention" in move.sources[0] and "/kernel" in move.sources[0][-8:]:
            old = tcm.load_checkpoint(prefix)[move.sources[0]].shape
            print(f"  {move.sources[0]} {old} -> {move.target} {move.spec.shape}")
    for verdict in report.verdicts:
        print(f"  {verdict.what}: {verdict.kind}, {verdict.why}")

    off = apart(model(IDS), expected)
    check(off < 1e-5, f"logits differ by up to {off:.1e}, of {np.ptp(expected):.1f}")
    on_in_keras = train_on(model, adam, steps=5)
    tell("Both train on:")
    for one, other in zip(on_in_tf1, on_in_keras, strict=True):
        print(f"  loss in TF1 {one:.7f}, in Keras {other:.7f}")
    off = apart(on_in_tf1, on_in_keras)
    check(off < 1e-5, f"losses differ by up to {off:.1e}")


def train_on(model: Any, adam: Any, steps: int) -> list[float]:
    """Train in Keras; return the loss before each step."""
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = mean_loss(model(IDS))
        slopes = tape.gradient(loss, model.trainable_variables)
        dense_slopes = map(tf.convert_to_tensor, slopes)
        adam.apply_gradients(zip(dense_slopes, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses


def mean_loss(logits: Any) -> Any:
    """Return the loss of logits."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=LABELS, logits=logits)
    )


if __name__ == "__main__":
    run(main)
