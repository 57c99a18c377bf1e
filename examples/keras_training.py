"""Train with Keras, and let a TF1 program follow: one checkpoint for both.

::

    python -m examples.keras_training [FOLDER]

Trains a model in two sittings, the second of which resumes the first, and restores what
the callback wrote by TF1's ``Saver`` in a session and by ``tf.train.Checkpoint``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import of TensorFlow

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from examples.spirals import spirals

__all__ = ["main"]


def new_model() -> Any:
    """Return a classifier of points, compiled."""
    layers = [
        tf.keras.layers.Dense(32, "relu", name="hidden"),
        tf.keras.layers.Dense(3, name="logits"),
    ]
    model = tf.keras.Sequential(layers, name="net")
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = tf.keras.optimizers.Adam(0.01, name="adam")
    model.compile(adam, loss, metrics=["accuracy"])
    return model


def predicted_in_tf1(path: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the predictions of a TF1 program: a graph, a session, a Saver."""
    v1 = tf.compat.v1
    names = [name for name, _ in tf.train.list_variables(path)]
    scope = "net/" if "net/hidden/kernel" in names else ""  # Keras 3 has the model's
    with tf.Graph().as_default(), v1.Session() as session:

        def dense(inputs: Any, layer: str, shape: list[int]) -> Any:
            kernel = v1.get_variable(f"{scope}{layer}/kernel", shape)
            return inputs @ kernel + v1.get_variable(f"{scope}{layer}/bias", shape[1:])

        logits = dense(tf.nn.relu(dense(x, "hidden", [2, 32])), "logits", [32, 3])
        step = v1.get_variable("global_step", [], tf.int64)
        v1.train.Saver().restore(session, path)
        print(f"TF1's Saver restores step {session.run(step)}")
        return session.run(logits)


def main(folder: str) -> None:
    """Run the story in a folder."""
    x, y = spirals(seed=0)
    template = os.path.join(folder, "ckpt-{epoch:02d}")
    for first, last in ((0, 4), (4, 8)):
        model = new_model()
        saving = tcm.keras.DualModelCheckpoint(
            template, max_to_keep=2, load_weights_on_restart=True
        )
        history = model.fit(
            x, y, epochs=last, initial_epoch=first, verbose=0, callbacks=[saving]
        ).history
        print(
            f"Keras trains from epoch {first + 1} to {last}: "
            f"loss {history['loss'][0]:.2f} to {history['loss'][-1]:.2f}"
        )
    path = tf.train.latest_checkpoint(folder)
    kept = ", ".join(map(os.path.basename, saving.checkpoints))
    print(f"kept: {kept}; the latest is {os.path.basename(path)}")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        predicted_in_tf1(path, x), expected, rtol=1e-4, atol=1e-5
    )
    print("checked: its predictions are those of the Keras model")
    other = new_model()
    other.build((None, 2))
    tf.train.Checkpoint(other).read(path).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.predict(x, verbose=0), expected)
    print("checked: tf.train.Checkpoint restores the same")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(temporary)
