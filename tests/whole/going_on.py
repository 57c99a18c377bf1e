"""A network that TF1 has trained, and Keras trains on: what both do is compared."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tf_ckpt_migrate as tcm

GOLDENS = Path(__file__).parent.parent / "goldens" / "tf1_15"
PROGRAM = Path(__file__).with_name("tf1_trains_on.py")


class Record(NamedTuple):
    """What TensorFlow 1.15 did after the checkpoint."""

    data: dict[str, Any]
    losses: Any
    values: dict[str, Any]


class Network(NamedTuple):
    """A network of Keras, to be trained on.

    Attributes:
      checkpoint: Its layers and its optimizer, by attribute.
      loss: Returns the loss of a step.
      weights: Returns what is trained.
    """

    checkpoint: Any
    loss: Callable[[], Any]
    weights: list[Any]


def prefix_of(name):
    return str(GOLDENS / f"whole_{name}" / ("run" if name == "dnn" else "model.ckpt"))


def record_of(name):
    with np.load(GOLDENS / f"whole_{name}" / "continued.npz") as file:
        arrays = dict(file)

    def below(scope):
        return {k.removeprefix(scope): v for k, v in arrays.items() if scope in k}

    return Record(below("data/"), arrays["losses"], below("values/"))


def optimizers(tf):
    """The modules of optimizers there are, by what they are."""
    new = tf.keras.optimizers
    if hasattr(new.Adam, "stateless_apply"):
        return {"keras_3": new}
    return {"tf_keras": new, "legacy": new.legacy}


def with_slots(optimizer, weights):
    """The optimizer, after it has made its slots."""
    if hasattr(optimizer, "get_slot"):  # legacy: they come with the first step
        import tensorflow as tf

        pairs = zip([tf.zeros_like(w) for w in weights], weights, strict=True)
        optimizer.apply_gradients(pairs)
    else:
        optimizer.build(weights)
    return optimizer


def train_on(tf, network, steps=20):
    """Take steps; return the loss before each."""
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = network.loss()
        # Of an embedding they have a row for each word, and Keras 3 squares repeated
        # ones each by itself where TF1 squares their sum.
        found = tape.gradient(loss, network.weights)
        gradients = list(map(tf.convert_to_tensor, found))
        pairs = zip(gradients, network.weights, strict=True)
        network.checkpoint.optimizer.apply_gradients(pairs)
        losses.append(float(loss))
    return losses


def saved_like(name, network, rules, path):
    """What TF1 would have saved; also the values by their names there."""
    made = tcm.save_like(
        prefix_of(name), network.checkpoint, rules, output_prefix=path / "model.ckpt-27"
    )
    return made.prefix, dict(tcm.load_checkpoint(made))


def apart(known, found):
    """How far each of the known tensors is off, as a fraction of its largest value."""
    return {
        name: np.abs(value - found[name]).max() / np.abs(value).max()
        for name, value in known.items()
    }


def tf1_trains_on(tf1_python, name, prefix, folder):
    """Let TensorFlow 1.15 take 20 steps more; return the losses and the values."""
    output = folder / "later.npz"
    done = subprocess.run(
        [tf1_python, "-W", "ignore", str(PROGRAM), name, prefix, str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(output) as file:
        arrays = dict(file)
    return arrays.pop("losses"), arrays
