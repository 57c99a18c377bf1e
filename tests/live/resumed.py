"""Training that began in TF1 and goes on in a Keras of today."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDENS = Path(__file__).parent.parent / "goldens" / "tf1_15"
RULES = {"net/w": "dense/kernel", "net/b": "dense/bias"}


def prefix_of(name):
    return str(GOLDENS / f"resume_{name}" / "model.ckpt")


def continued(name):
    """What TensorFlow 1.15 did after the checkpoint."""
    path = GOLDENS / f"resume_{name}" / "continued.json"
    return json.loads(path.read_text(encoding="utf-8"))


def flavors(tf):
    """The modules of optimizers there are, by what they are."""
    new = tf.keras.optimizers
    if hasattr(new.Adam, "stateless_apply"):
        return {"keras_3": new}
    return {"tf_keras": new, "legacy": new.legacy}


def model_and(tf, optimizer):
    """A dense layer that the optimizer has slots for, in one checkpoint."""
    layer = tf.keras.layers.Dense(2, name="dense")
    layer.build((None, 3))
    if hasattr(optimizer, "get_slot"):  # legacy: they come with the first step
        zeros = [tf.zeros_like(v) for v in layer.trainable_variables]
        optimizer.apply_gradients(zip(zeros, layer.trainable_variables, strict=True))
    else:
        optimizer.build(layer.trainable_variables)
    return tf.train.Checkpoint(dense=layer, optimizer=optimizer)


def train_on(tf, checkpoint, record):
    """Take the steps that TF1 took; return the losses and the weights after each."""
    layer, optimizer = checkpoint.dense, checkpoint.optimizer
    x, y = (tf.constant(record[name], tf.float32) for name in "xy")
    losses, weights = [], {"net/w": [], "net/b": []}
    for _ in record["losses"]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x) - y))
        variables = layer.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        losses.append(float(loss))
        weights["net/w"].append(layer.kernel.numpy())
        weights["net/b"].append(layer.bias.numpy())
    return losses, weights


def apart(record, weights):
    """How far weights are from those of TF1, as a fraction of the largest of these."""
    pairs = [(np.array(record["weights"][key]), weights[key]) for key in weights]
    largest = max(np.abs(known).max() for known, _ in pairs)
    return max(np.abs(known - mine).max() for known, mine in pairs) / largest


def longest_step(record):
    """The longest step of TF1, as a fraction of the largest weight."""
    known = [np.array(each) for each in record["weights"].values()]
    largest = max(np.abs(each).max() for each in known)
    return max(np.abs(np.diff(each, axis=0)).max() for each in known) / largest
