"""A small classifier, written once for TF1 and once for TF2, and its data."""

from __future__ import annotations

import os
from itertools import pairwise

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import of TensorFlow

import numpy as np
import tensorflow as tf

__all__ = [
    "Network",
    "accuracy",
    "new_checkpoint",
    "serve_in_tf1",
    "serve_in_tf2",
    "train_in_tf1",
    "train_in_tf2",
]

tf1 = tf.compat.v1
tf.get_logger().setLevel("ERROR")

WIDTHS = (2, 64, 64)
CLASSES = 3


def spirals(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points on three noisy spiral arms, and the arm of each."""
    random = np.random.default_rng(seed)
    arm = np.repeat(np.arange(CLASSES), 300)
    radius = random.uniform(0.1, 1, arm.size)
    angle = 7 * radius + 2 * np.pi * arm / CLASSES + random.normal(0, 0.4, arm.size)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points.astype(np.float32), arm


def tf1_logits(points: tf.Tensor) -> tf.Tensor:
    """Build the network as it was written for TF1."""
    signal = points
    for i, (wide, next_wide) in enumerate(pairwise(WIDTHS)):
        with tf1.variable_scope(f"tower/layer_{i}"):
            weights = tf1.get_variable("weights", (wide, next_wide))
            biases = tf1.get_variable("biases", initializer=tf.zeros(next_wide))
            signal = tf.nn.relu(signal @ weights + biases)
    with tf1.variable_scope("head/logits"):
        kernel = tf1.get_variable("kernel", (WIDTHS[-1], CLASSES))
        bias = tf1.get_variable("bias", initializer=tf.zeros(CLASSES))
        return signal @ kernel + bias


def train_in_tf1(prefix: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Train and save in TF1; return the logits of test points before and after."""
    points, arms = spirals(seed=0)
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(0)
        inputs = tf1.placeholder(tf.float32, (None, WIDTHS[0]))
        logits = tf1_logits(inputs)
        step = tf1.train.get_or_create_global_step()
        loss = tf1.losses.sparse_softmax_cross_entropy(arms, logits)
        train = tf1.train.AdamOptimizer(0.01).minimize(loss, step)
        session.run(tf1.global_variables_initializer())
        before = session.run(logits, {inputs: spirals(seed=1)[0]})
        for _ in range(steps):
            session.run(train, {inputs: points})
        tf1.train.Saver().save(session, prefix, write_meta_graph=False)
        after = session.run(logits, {inputs: spirals(seed=1)[0]})
    return before, after


def serve_in_tf1(prefix: str) -> np.ndarray:
    """Return the logits of the TF1 pipeline, which knows nothing of TF2."""
    with tf.Graph().as_default(), tf1.Session() as session:
        logits = tf1_logits(tf.constant(spirals(seed=1)[0]))
        tf1.train.get_or_create_global_step()
        tf1.train.Saver().restore(session, prefix)
        return session.run(logits)


class Linear(tf.Module):
    """A layer whose variables are called otherwise than in TF1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Make the variables."""
        super().__init__()
        self.kernel = tf.Variable(tf.zeros((inputs, outputs)), name="kernel")
        self.bias = tf.Variable(tf.zeros(outputs), name="bias")

    def __call__(self, signal: tf.Tensor) -> tf.Tensor:
        return signal @ self.kernel + self.bias


class Network(tf.Module):
    """The same network, written for TF2."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.hidden = [Linear(*w) for w in pairwise(WIDTHS)]
        self.head = Linear(WIDTHS[-1], CLASSES)

    @tf.function
    def __call__(self, signal: tf.Tensor) -> tf.Tensor:
        """Return the logits."""
        for layer in self.hidden:
            signal = tf.nn.relu(layer(signal))
        return self.head(signal)


def new_checkpoint() -> tf.train.Checkpoint:
    """Return the objects that TF2 saves, untrained."""
    return tf.train.Checkpoint(
        model=Network(), step=tf.Variable(0, dtype=tf.int64, name="step")
    )


def train_in_tf2(checkpoint: tf.train.Checkpoint, steps: int) -> None:
    """Train on, by plain gradient descent."""
    points, arms = spirals(seed=0)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                arms, checkpoint.model(points)
            )
            loss = tf.reduce_mean(losses)
        variables = checkpoint.model.trainable_variables
        for variable, slope in zip(
            variables, tape.gradient(loss, variables), strict=True
        ):
            variable.assign_sub(0.1 * slope)
        checkpoint.step.assign_add(1)


def serve_in_tf2(checkpoint: tf.train.Checkpoint) -> np.ndarray:
    """Return the logits of the TF2 model."""
    return checkpoint.model(spirals(seed=1)[0]).numpy()


def accuracy(logits: np.ndarray) -> float:
    """Return the share of the test points that logits get right."""
    return float(np.mean(logits.argmax(axis=1) == spirals(seed=1)[1]))
