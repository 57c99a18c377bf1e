"""A MonitoredTrainingSession trains for both worlds, is resumed, and starts another.

::

    python -m examples.monitored_session FOLDER

The program is one of TF1; what is new in it is the scaffold.
"""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from examples.story import run

__all__ = ["main", "train"]

v1 = tf.compat.v1


def main(folder: str) -> None:
    """Train, go on where that ended, and start a renamed model from the result."""
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    print("begins:", train(first, steps=50))
    print("is resumed:", train(first, steps=50))
    latest = tf.train.latest_checkpoint(first)
    print(f"{os.path.basename(latest)} is {tcm.load_checkpoint(latest).format}")
    restore_by_object(latest)
    started = train(
        second,
        steps=50,
        scope="tower",
        init_from=first,
        assignment_map={"net/": "tower/"},
    )
    print("another, its variables renamed, is started from it:", started)


def train(
    folder: str, steps: int, scope: str = "net", **init: str | dict[str, str]
) -> str:
    """Train in a graph; return the steps and losses at begin and end."""
    with tf.Graph().as_default():
        step = v1.train.get_or_create_global_step()
        x = tf.constant(np.arange(8, dtype=np.float32)[:, None] / 8)
        with v1.variable_scope(scope):
            w = v1.get_variable("w", [1, 1], initializer=v1.zeros_initializer())
            b = v1.get_variable("b", [1], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(tf.square(x @ w + b - (3 * x + 1)))
        minimize = v1.train.AdamOptimizer(0.1).minimize(loss, global_step=step)
        with v1.train.MonitoredTrainingSession(
            checkpoint_dir=folder,
            scaffold=tcm.estimator.scaffold(**init),
            save_checkpoint_steps=25,
        ) as session:
            begin = session.run([step, loss])
            for _ in range(steps):
                session.run(minimize)
            end = session.run([step, loss])
    return "step {}, loss {:.4f} to step {}, loss {:.4f}".format(*begin, *end)


def restore_by_object(prefix: str) -> None:
    """Restore in eager mode, by TensorFlow's own Checkpoint."""
    w, b = tf.Variable([[0.0]]), tf.Variable([0.0])
    checkpoint = tf.train.Checkpoint(vars={"net/w": w, "net/b": b})
    checkpoint.restore(prefix).assert_existing_objects_matched()
    same = w.numpy() == tf.train.load_variable(prefix, "net/w")
    print("by object as by name:", bool(same.all()))


if __name__ == "__main__":
    run(main)
