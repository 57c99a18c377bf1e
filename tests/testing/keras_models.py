"""Models of every Keras, and what their variables are called in it."""

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3


def sequential(tf, *layers):
    return tf.keras.Sequential(list(layers), name="net")


def rules(tf):
    """From the names of layers to those of such a model's variables."""
    return [tcm.RenameScope("/", "net/")] if keras3(tf) else None
