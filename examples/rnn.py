"""A cell of TF1 becomes a Keras LSTM: split and ordered otherwise, with a hidden bias.

::

    python -m examples.rnn [FOLDER]

TF1 has one kernel for input and state, its gates in the order i, j, f, o, and adds
``forget_bias`` when it runs. Keras has two kernels, i, f, j, o, and adds nothing.
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
UNITS, STEPS = 8, 12
START = np.linspace(0, 6, 32, dtype=np.float32)[:, None]
WAVES = np.sin(START + np.arange(STEPS + 1, dtype=np.float32) / 2)
X, Y = WAVES[:, :-1, None], WAVES[:, -1:]


def in_tf1() -> Any:
    """Build what ``dynamic_rnn(BasicLSTMCell(UNITS), X)`` did, which is gone by now."""
    with v1.variable_scope("rnn/basic_lstm_cell"):
        kernel = v1.get_variable("kernel", [1 + UNITS, 4 * UNITS])
        bias = v1.get_variable("bias", initializer=tf.zeros([4 * UNITS]))
    h = c = tf.zeros([len(X), UNITS])
    for step in range(STEPS):
        gates = tf.concat([X[:, step], h], 1) @ kernel + bias
        i, j, f, o = tf.split(gates, 4, axis=1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
    with v1.variable_scope("out"):
        w = v1.get_variable("kernel", [UNITS, 1])
        return h @ w + v1.get_variable("bias", initializer=tf.zeros([1]))


RULES = [
    tcm.Recipe("lstm", "rnn/basic_lstm_cell/", "lstm/lstm_cell/", forget_bias=1.0),
    tcm.RenameScope("out/", "out/"),
    tcm.Recipe("optimizer", "Adam", "optimizer", learning_rate=0.01),
]


def in_a_session(session: Any) -> Any:
    """Build it; return a function that trains, the saver and the count of steps."""
    v1.set_random_seed(0)
    found = in_tf1()
    loss = tf.reduce_mean(tf.square(found - Y))
    step = v1.train.get_or_create_global_step()
    minimize = v1.train.AdamOptimizer(0.01).minimize(loss, step)
    saver = v1.train.Saver()
    session.run(v1.global_variables_initializer())

    def train(steps: int) -> tuple[list[float], Any]:
        losses = [session.run([loss, minimize])[0] for _ in range(steps)]
        return losses, session.run(found)

    return train, saver, step


def main(folder: str) -> None:
    """Train in TF1, train on in Keras, go back, and train on in TF1."""
    prefix = os.path.join(folder, "tf1.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        train, saver, _ = in_a_session(session)
        losses, expected = train(40)
        tell(f"TF1 trains 40 steps: loss {losses[0]:.4f}, then {losses[-1]:.4f}")
        saver.save(session, prefix, write_meta_graph=False)
        in_tf1_alone, _ = train(20)

    layers = tf.keras.layers
    inputs = tf.keras.Input((STEPS, 1))
    state = layers.LSTM(UNITS, name="lstm")(inputs)
    model = tf.keras.Model(inputs, layers.Dense(1, name="out")(state))
    model.compile(tf.keras.optimizers.Adam(0.01, epsilon=1e-8), "mse")
    model.optimizer.build(model.trainable_variables)
    training = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    report = tcm.restore(prefix, training, RULES)
    tell("Keras gets it:")
    for move in report.restored:
        if "Adam" not in move.sources[0]:
            print(f"  {move}"[:100])
    for verdict in report.verdicts:
        print(f"  {verdict.what}: {verdict.kind}, {verdict.why}")
    off = apart(model(X), expected)
    check(off < 1e-5, f"predictions differ by up to {off:.1e}")

    losses = [float(model.train_on_batch(X, Y)) for _ in range(10)]
    off = apart(losses, in_tf1_alone[:10])
    check(off < 1e-5, f"10 steps on in Keras: losses are TF1's, to {off:.1e}")

    back = os.path.join(folder, "back.ckpt")
    tell("Back to TF1:", tcm.save_like(prefix, training, RULES, output_prefix=back))
    with tf.Graph().as_default(), v1.Session() as session:
        train, saver, step = in_a_session(session)
        saver.restore(session, back)
        print(f"  TF1's own Saver restores it, at step {session.run(step)}")
        off = apart(train(10)[0], in_tf1_alone[10:])
    check(off < 1e-5, f"10 steps on in TF1: as if it had never left, to {off:.1e}")


if __name__ == "__main__":
    run(main)
