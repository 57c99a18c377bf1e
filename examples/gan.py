"""A GAN has two optimizers; each goes on in Keras with its own moments and steps.

::

    python -m examples.gan [FOLDER]

In TF1 each is an ``AdamOptimizer``. Their powers of beta have one name, with numbers in
the order in which they were made: ``beta1_power`` and ``beta1_power_1``.
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
keras = tf.keras
random = np.random.default_rng(0)
NOISE = random.normal(size=(64, 4)).astype(np.float32)
REAL = (random.normal(size=(64, 2)) * [0.3, 1.0] + [2, -1]).astype(np.float32)
SIZES = {"G": (4, 16, 2), "D": (2, 16, 1)}


def net(x: Any, scope: str) -> Any:
    """Build a generator or a discriminator of TF1."""
    _, hidden, out = SIZES[scope]
    with v1.variable_scope(scope, reuse=v1.AUTO_REUSE):
        for name, units in (("hidden", hidden), ("out", out)):
            with v1.variable_scope(name):
                w = v1.get_variable("w", [x.shape[-1], units])
                x = x @ w + v1.get_variable("b", [units])
            x = tf.nn.leaky_relu(x, 0.2) if name == "hidden" else x
    return x


def cross_entropy(logits: Any, label: float) -> Any:
    """Return the mean loss of logits that should tell a label."""
    labels = tf.fill(tf.shape(logits), label)
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def losses_of(generator: Any, discriminator: Any) -> dict[str, Any]:
    """Return what each of the two makes less."""
    fake = discriminator(generator(NOISE))
    real = discriminator(REAL)
    return {
        "G": cross_entropy(fake, 1.0),
        "D": cross_entropy(fake, 0.0) + cross_entropy(real, 1.0),
    }


RATES = {"G": 0.002, "D": 0.004}
RULES = [
    tcm.RenameRegex(r"([GD])/(hidden|out)/w", r"\1_\2/kernel"),
    tcm.RenameRegex(r"([GD])/(hidden|out)/b", r"\1_\2/bias"),
    *(
        tcm.Recipe(
            "optimizer",
            f"Adam_{net}",
            f"adam_{net}",
            like="Adam",
            instance=n,
            beta1=0.5,
        )
        for n, net in enumerate("DG")
    ),
]


def main(folder: str) -> None:
    """Train in TF1, and on in both."""
    prefix = os.path.join(folder, "gan.ckpt")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(0)
        losses = losses_of(lambda x: net(x, "G"), lambda x: net(x, "D"))
        # D is trained twice as often, so the two have taken different numbers of steps.
        train = {
            each: v1.train.AdamOptimizer(
                RATES[each], beta1=0.5, name=f"Adam_{each}"
            ).minimize(losses[each], var_list=v1.trainable_variables(each + "/"))
            for each in "DG"
        }
        session.run(v1.global_variables_initializer())

        def rounds(count: int) -> list[Any]:
            found = []
            for _ in range(count):
                for each in "DDG":
                    session.run(train[each])
                found.append(session.run([losses["D"], losses["G"]]))
            return found

        tell(f"TF1 trains: losses of D, G {np.round(rounds(30)[-1], 4)}")
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        expected = session.run(net(NOISE, "G"))
        on_in_tf1 = rounds(10)
    powers = [n for n, _ in tcm.list_variables(prefix) if "power" in n]
    print(f"  the checkpoint has {', '.join(powers)}")

    models = {each: in_keras(each) for each in "DG"}
    adams = {
        each: keras.optimizers.Adam(RATES[each], beta_1=0.5, epsilon=1e-8)
        for each in "DG"
    }
    for each in "DG":
        adams[each].build(models[each].trainable_variables)
    training = tf.train.Checkpoint(
        **models, **{f"adam_{each}": adams[each] for each in "DG"}
    )
    report = tcm.restore(prefix, training, RULES)
    tell(f"Keras gets {len(report.restored)} tensors:")
    for verdict in report.verdicts:
        print(f"  {verdict}")
    off = apart(models["G"](NOISE), expected)
    check(off < 1e-5, f"what G makes differs by up to {off:.1e}")
    off = apart(rounds_in_keras(models, adams, 10), on_in_tf1)
    check(off < 1e-5, f"10 rounds on: losses of both are TF1's, to {off:.1e}")


def in_keras(each: str) -> Any:
    """Return one of the networks."""
    size, hidden, out = SIZES[each]
    inputs = keras.Input((size,))
    x = keras.layers.Dense(hidden, name=f"{each}_hidden")(inputs)
    x = keras.layers.Activation(lambda x: tf.nn.leaky_relu(x, 0.2))(x)
    return keras.Model(inputs, keras.layers.Dense(out, name=f"{each}_out")(x))


def rounds_in_keras(models: Any, adams: Any, count: int) -> list[Any]:
    """Train as TF1 does; return the losses of D and G after each round."""
    found = []
    for _ in range(count):
        for each in "DDG":
            weights = models[each].trainable_variables
            with tf.GradientTape() as tape:
                loss = losses_of(models["G"], models["D"])[each]
            slopes = tape.gradient(loss, weights)
            adams[each].apply_gradients(zip(slopes, weights, strict=True))
        losses = losses_of(models["G"], models["D"])
        found.append([float(losses["D"]), float(losses["G"])])
    return found


if __name__ == "__main__":
    run(main)
