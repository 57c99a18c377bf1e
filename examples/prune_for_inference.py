"""A server needs the weights, or their averages, and no more: a quarter of the bytes.

::

    python -m examples.prune_for_inference [FOLDER]

Adam keeps two slots and the moving averages another copy of each weight. What serves is
the average under the variable's own name; the serving program stays as it is.
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
X = np.linspace(-2, 2, 200, dtype=np.float32)[:, None]


def net(x: Any) -> Any:
    """Build the network, for training and for serving."""
    with v1.variable_scope("net", reuse=v1.AUTO_REUSE):
        for n, units in enumerate((64, 64, 1)):
            w = v1.get_variable(f"w_{n}", [x.shape[-1], units])
            b = v1.get_variable(f"b_{n}", initializer=tf.zeros([units]))
            x = x @ w + b if n == 2 else tf.tanh(x @ w + b)
    return x


def train(prefix: str) -> tuple[Any, Any]:
    """Train and save; return what weights and what averages predict."""
    averages = v1.train.ExponentialMovingAverage(0.9)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        found = net(X)
        loss = tf.reduce_mean(tf.square(found - np.sin(3 * X)))
        step = v1.train.get_or_create_global_step()
        minimize = v1.train.AdamOptimizer(0.01).minimize(loss, step)
        with tf.control_dependencies([minimize]):
            train = averages.apply(v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        for _ in range(100):
            session.run(train)
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        raw = session.run(found)
        v1.train.Saver(averages.variables_to_restore()).restore(session, prefix)
        return raw, session.run(found)


def serve(prefix: str) -> Any:
    """Return what a server predicts, which knows neither Adam nor averages."""
    with tf.Graph().as_default(), v1.Session() as session:
        found = net(X)
        v1.train.Saver().restore(session, prefix)
        return session.run(found)


def main(folder: str) -> None:
    """Train, prune in three ways, and serve each."""
    prefix = os.path.join(folder, "trained.ckpt")
    raw, averaged = train(prefix)
    tell("TF1 has trained and saved:", described(prefix))

    everything = ["slot", "optimizer", "step"]
    linked = os.path.join(folder, "linked.ckpt")
    result = tcm.prune(prefix, linked, roles=[*everything, "average"])
    tell("Without what only training needs; data is linked, no byte moves:", result)
    off = apart(serve(linked), raw)
    check(off == 0, "it serves what the weights predict, bit for bit")

    copied = os.path.join(folder, "weights.ckpt")
    tcm.prune(prefix, copied, roles=[*everything, "average"], compact=True)
    tell("The same, but what is left is copied:", described(copied))
    check(apart(serve(copied), raw) == 0, "it serves the same")

    drops = [tcm.Drop(role=role) for role in everything]
    plan = tcm.plan_migration(
        prefix, None, [*drops, tcm.Keep("net/")], averages="average"
    )
    best = os.path.join(folder, "averaged.ckpt")
    tcm.convert(plan, best, shards=1)
    tell("The averages in place of the weights:", described(best))
    check(apart(serve(best), averaged) == 0, "it serves what the averages predict")
    print(f"  which differs from the weights' by up to {apart(averaged, raw):.4f}")


def described(prefix: str) -> str:
    """Return the number of tensors and bytes."""
    names = [name for name, _ in tcm.list_variables(prefix)]
    folder, base = os.path.split(prefix)
    files = [f for f in os.listdir(folder) if f.startswith(base + ".")]
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in files)
    return f"{base}: {len(names)} tensors, {size:,} bytes"


if __name__ == "__main__":
    run(main)
