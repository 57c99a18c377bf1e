"""An Estimator saves for both worlds, and goes on from what TF2 has trained.

::

    python -m examples.estimator [FOLDER]

The one new line in its model function is the scaffold. TensorFlow has Estimators up to
2.15; ``monitored_session.py`` does the same without them, in all versions.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from examples.story import apart, check, run, tell

__all__ = ["main"]

v1 = tf.compat.v1
X = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
Y = np.where(X > 0, 3 * X, X / 2)


def net(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """Be the model function of an Estimator."""
    with v1.variable_scope("hidden"):
        x = features["x"] @ v1.get_variable("w", [1, 16])
        x = tf.nn.relu(x + v1.get_variable("b", [16]))
    with v1.variable_scope("out"):
        x = x @ v1.get_variable("w", [16, 1]) + v1.get_variable("b", [1])
    made: dict[str, Any] = {"predictions": {"y": x}}
    if mode != tf.estimator.ModeKeys.PREDICT:
        made["loss"] = tf.reduce_mean(tf.square(x - labels))
        adam = v1.train.AdamOptimizer(0.02)
        step = v1.train.get_or_create_global_step()
        made["train_op"] = adam.minimize(made["loss"], step)
    made["scaffold"] = tcm.estimator.scaffold(**params)  # this is new
    return tf.estimator.EstimatorSpec(mode, **made)


class Net(tf.Module):
    """The same in TF2."""

    def __init__(self) -> None:
        """Make the variables."""
        super().__init__()
        shapes = {"w": [1, 16], "b": [16], "out_w": [16, 1], "out_b": [1]}
        for name, shape in shapes.items():
            setattr(self, name, tf.Variable(tf.zeros(shape), name=name))

    def __call__(self, x: Any) -> Any:
        return tf.nn.relu(x @ self.w + self.b) @ self.out_w + self.out_b


TO_TF2 = [
    # TF2 goes on by gradient descent, so Adam's state is left behind on purpose.
    tcm.Drop(role="slot"),
    tcm.Drop(role="optimizer"),
    tcm.RenameScope("hidden/", "net/"),
    tcm.RenameRegex(r"out/([wb])", r"net/out_\1"),
    ("global_step", "step"),
]
TO_TF1 = [
    tcm.RenameRegex(r"net/([wb])", r"hidden/\1"),
    tcm.RenameRegex(r"net/out_([wb])", r"out/\1"),
    ("step", "global_step"),
]


def estimator(folder: str, **params: Any) -> Any:
    """Return an Estimator that trains in a folder."""
    config = tf.estimator.RunConfig(tf_random_seed=0, log_step_count_steps=1000)
    return tf.estimator.Estimator(net, folder, config, params)


def batches() -> Any:
    """Return features and labels, over and over."""
    return tf.data.Dataset.from_tensors(({"x": X}, Y)).repeat()


def features() -> Any:
    """Return features, once."""
    return tf.data.Dataset.from_tensors({"x": X})


def main(folder: str) -> None:
    """Train by an Estimator, in TF2, and by an Estimator again."""
    if not hasattr(tf, "estimator"):
        sys.exit(
            f"TensorFlow {tf.__version__} has no Estimators, 2.15 is the last to have "
            "them; see examples/monitored_session.py"
        )
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    trained = estimator(first).train(batches, steps=100)
    found = predicted(trained)
    loss = float(np.mean(np.square(found - Y)))
    saved = tcm.load_checkpoint(trained.latest_checkpoint())
    tell(f"An Estimator trains 100 steps, to a loss of {loss:.4f}: {saved.format}")

    model, step = Net(), tf.Variable(0, dtype=tf.int64)
    training = tf.train.Checkpoint(net=model, step=step)
    tcm.restore(saved, training, TO_TF2)
    off = apart(model(X), found)
    check(off < 1e-6, f"TF2 predicts the same from it, to {off:.1e}")
    for _ in range(100):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X) - Y))
        weights = model.trainable_variables
        for weight, slope in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(0.05 * slope)
        step.assign_add(1)
    in_tf2 = training.write(os.path.join(folder, "tf2"))
    kind = tcm.load_checkpoint(in_tf2).format
    tell(f"TF2 trains on to step {int(step)}, to a loss of {loss:.4f}: {kind}")

    going_on = estimator(
        second,
        init_from=in_tf2,
        assignment_map=TO_TF1,
        missing=["slot", "optimizer"],  # Adam begins anew
    ).train(batches, steps=1)
    reader = tcm.load_checkpoint(going_on.latest_checkpoint())
    tell(f"Another Estimator starts from that: {reader.format}")
    check(reader["global_step"] == int(step) + 1, "it goes on from the step of TF2")
    names = {"hidden/w": model.w, "hidden/b": model.b}
    names |= {"out/w": model.out_w, "out/b": model.out_b}
    off = max(apart(reader[name], weight) for name, weight in names.items())
    check(off < 0.0201, f"no weight is farther off than one step of Adam: {off:.4f}")


def predicted(trained: Any) -> Any:
    """Return what an Estimator predicts."""
    return np.stack([each["y"] for each in trained.predict(features)])


if __name__ == "__main__":
    run(main)
