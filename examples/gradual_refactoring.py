"""``get_variable`` becomes ``tf.Variable`` in steps; the old checkpoint loads in each.

::

    python -m examples.gradual_refactoring [FOLDER]

After each step a contract test compares the code with the names of the checkpoint: it
catches a name that has changed in the second, and says which rule mends it.
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
X = np.linspace(-1, 1, 40, dtype=np.float32).reshape(20, 2)
Y = np.sin(3 * X[:, :1]) * X[:, 1:]


def get_dense(x: Any, scope: str, shape: list[int]) -> Any:
    """Make a layer as TF1 code does."""
    with v1.variable_scope(scope):
        return x @ v1.get_variable("w", shape) + v1.get_variable("b", shape[1:])


class Dense(tf.Module):
    """Make it as TF2 code does: the object keeps its variables."""

    def __init__(self, shape: list[int], w: str = "w", b: str = "b") -> None:
        """Make the variables."""
        super().__init__()
        self.w = tf.Variable(tf.zeros(shape), name=w)
        self.b = tf.Variable(tf.zeros(shape[1:]), name=b)

    def __call__(self, x: Any) -> Any:
        return x @ self.w + self.b


def as_trained() -> Any:
    """Build the graph that the checkpoint is of."""
    return get_dense(tf.tanh(get_dense(X, "net/hidden", [2, 16])), "net/out", [16, 1])


def step_1() -> Any:
    """Make the first layer an object that gives its variables their old names."""
    hidden = Dense([2, 16], w="net/hidden/w", b="net/hidden/b")
    return get_dense(tf.tanh(hidden(X)), "net/out", [16, 1])


def step_2() -> Any:
    """Make the second one an object too, whose author prefers other names."""
    hidden = Dense([2, 16], w="net/hidden/w", b="net/hidden/b")
    out = Dense([16, 1], w="net/out/kernel", b="net/out/bias")
    return out(tf.tanh(hidden(X)))


class Step3(tf.Module):
    """Let one object hold both: no graph, no session, no names."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.hidden, self.out = Dense([2, 16]), Dense([16, 1])

    def __call__(self, x: Any) -> Any:
        return self.out(tf.tanh(self.hidden(x)))


def train(prefix: str) -> Any:
    """Train and save as ever; return the predictions."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        found = as_trained()
        loss = tf.reduce_mean(tf.square(found - Y))
        minimize = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(v1.global_variables_initializer())
        before = session.run(loss)
        for _ in range(200):
            session.run(minimize)
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        tell(f"TF1 trains: loss {before:.4f}, then {session.run(loss):.4f}")
        return session.run(found)


def main(folder: str) -> None:
    """Train, write the contract, and go the three steps."""
    prefix = os.path.join(folder, "model.ckpt")
    expected = train(prefix)
    names = tcm.testing.NameManifest.from_checkpoint(prefix)
    tell("The contract, which is kept beside the code:", names.to_yaml())

    compatible = tcm.testing.assert_checkpoint_compatible
    compatible(step_1, names)
    tell("Step 1, an object with the old names: the contract holds")
    restores(prefix, step_1, expected, None)

    try:
        compatible(step_2, names)
    except AssertionError as error:
        tell("Step 2, other names for a layer: BROKEN", error)
    else:
        check(False, "the contract catches a name that has changed")
    rules = {"net/out/w": "net/out/kernel", "net/out/b": "net/out/bias"}
    compatible(step_2, names, rules)
    tell("Step 2 with that map: the contract holds")
    restores(prefix, step_2, expected, rules)

    model = Step3()
    compatible(model, names, {"net/": "/"})
    tell("Step 3, object paths in place of names: the contract holds with one rule")
    tcm.restore(prefix, model, {"net/": "/"})
    off = apart(model(X), expected)
    check(off < 1e-6, f"the old checkpoint loads, predictions differ by {off:.1e}")


def restores(prefix: str, build: Any, expected: Any, rules: Any) -> None:
    """Restore the old checkpoint into a graph, and compare what it predicts."""
    with tf.Graph().as_default(), v1.Session() as session:
        found = build()
        tcm.Saver(assignment_map=rules).restore(session, prefix)
        off = apart(session.run(found), expected)
    check(off < 1e-6, f"the old checkpoint loads, predictions differ by {off:.1e}")


if __name__ == "__main__":
    run(main)
