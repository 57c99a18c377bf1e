"""Several tensors become one, and one becomes several: fused attention, shared words.

::

    python -m examples.fan_in_fan_out [FOLDER]

TF1 had three kernels, for query, key and value, and one table of words for two towers.
The new code has one kernel for the three, and words of its own for each tower.
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
WORDS, SIZE = 12, 8
random = np.random.default_rng(0)
ASKED, ANSWERED = random.integers(WORDS, size=(2, 16, 5))
FITS = (ASKED[:, 0] == ANSWERED[:, 0]).astype(np.float32)
THREE = ("query", "key", "value")


def attend(query: Any, key: Any, value: Any) -> Any:
    """Return what the first place of each row looks up."""
    weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / SIZE**0.5)
    return (weights @ value)[:, 0]


def in_tf1() -> Any:
    """Build the graph: two towers, with all their variables in common."""
    words = v1.get_variable("words", [WORDS, SIZE])
    kernels = [v1.get_variable(f"attention/{each}", [SIZE, SIZE]) for each in THREE]

    def tower(ids: Any) -> Any:
        x = tf.nn.embedding_lookup(words, ids)
        return attend(*(x @ kernel for kernel in kernels))

    return tf.reduce_sum(tower(ASKED) * tower(ANSWERED), axis=1)


class Towers(tf.Module):
    """The new code."""

    def __init__(self) -> None:
        """Make the variables."""
        super().__init__()
        self.asked = tf.Variable(tf.zeros([WORDS, SIZE]))
        self.answered = tf.Variable(tf.zeros([WORDS, SIZE]))
        self.qkv = tf.Variable(tf.zeros([SIZE, 3 * SIZE]))

    def __call__(self) -> Any:
        def tower(words: Any, ids: Any) -> Any:
            return attend(*tf.split(tf.gather(words, ids) @ self.qkv, 3, axis=-1))

        one, other = tower(self.asked, ASKED), tower(self.answered, ANSWERED)
        return tf.reduce_sum(one * other, axis=1)


KERNELS = [f"attention/{each}" for each in THREE]
FUSED = tcm.Combine(KERNELS, "qkv", tcm.transforms.Concat(axis=1))
SHARED = tcm.Split("words", ["asked", "answered"])


def main(folder: str) -> None:
    """Train in TF1, convert, and go back as far as that is possible."""
    prefix = os.path.join(folder, "model.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        found = in_tf1()
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=FITS, logits=found)
        loss = tf.reduce_mean(losses)
        minimize = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(v1.global_variables_initializer())
        before = session.run(loss)
        for _ in range(100):
            session.run(minimize)
        tell(f"TF1 trains: loss {before:.4f}, then {session.run(loss):.4f}")
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        expected = session.run(found)

    try:
        rules = [FUSED, ("words", "asked"), ("words", "answered")]
        tcm.plan_migration(prefix, None, rules)
    except tcm.errors.PlanError as error:
        tell("Two rules for the words are refused, as the first takes them:", error)

    plan = tcm.plan_migration(prefix, None, [FUSED, SHARED])
    tell("The map:", plan)
    model = Towers()
    tcm.restore(prefix, model, [FUSED, SHARED])
    off = apart(model(), expected)
    check(off < 1e-5, f"the new code predicts the same, to {off:.1e}")

    by_name = os.path.join(folder, "fused.ckpt")
    tell("As a file; what only has two names is linked:", tcm.convert(plan, by_name))
    back = os.path.join(folder, "back.ckpt")
    tcm.convert(plan.reversed(), back, source=by_name)
    left = [f"{key} is left: {why}" for key, why in plan.reversed().dropped]
    tell("And back, the words from the first of the two:", *left)
    difference = tcm.diff_checkpoints(prefix, back)
    tell("What went and what came:", difference)
    check(difference.equal, "nothing was lost, as the two have not parted since")


if __name__ == "__main__":
    run(main)
