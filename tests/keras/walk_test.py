"""The walk through Keras' attributes finds what TensorFlow's own walk finds."""

import pytest

from tests.keras.objects_test import functional, subclassed
from tf_ckpt_migrate.keras.objects import saved_by_keras
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import name_of


@pytest.mark.parametrize("make", [functional, subclassed])
def test_the_same_variables(tf, make):
    if not hasattr(tf.keras, "ops"):
        pytest.skip("it is for Keras 3")
    model = make(tf.keras)
    model.compile(tf.keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    import keras

    found = {name_of(each.owner) for each in saved_by_keras(model, keras).tensors}
    known = {
        name_of(each) for each in LiveTarget(model, counted=False).variables.values()
    }
    # A variable without an attribute, which TensorFlow does not reach.
    assert found == known | ({"net/scale"} if make is subclassed else set())


def test_paths_of_attributes_are_the_keys_of_tensorflow(tf):
    if not hasattr(tf.keras, "ops"):
        pytest.skip("it is for Keras 3")
    import keras

    model = keras.layers.Bidirectional(keras.layers.LSTM(2))
    model.build((None, None, 3))
    found = {each.key for each in saved_by_keras(model, keras).tensors}
    assert found == {*LiveTarget(model, counted=False).variables}
