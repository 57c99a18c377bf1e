"""Layers that keep ``get_variable`` in TF2: ``track_tf1_style_variables``."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError

VALUES = {
    "net/w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "net/dense/kernel": np.eye(3, dtype=np.float32),
    "net/dense/bias": np.float32([1, 2, 3]),
}
BATCH = np.ones((1, 2), np.float32)
RESULT = [[4.0, 7.0, 10.0]]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*layers.dense:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*layer.updates:UserWarning"),
]


@pytest.fixture
def source():
    with example_checkpoint(VALUES) as prefix:
        yield prefix


def shims(tf):
    """A layer and a module; Keras 3 has no such thing."""
    if keras3(tf):
        return []
    v1 = tf.compat.v1
    decorate = v1.keras.utils.track_tf1_style_variables

    def net(inputs):
        zeros = v1.zeros_initializer()
        with v1.variable_scope("net"):
            w = v1.get_variable("w", (2, 3), initializer=zeros)
            return v1.layers.dense(
                inputs @ w, 3, name="dense", kernel_initializer=zeros
            )

    class Layer(tf.keras.layers.Layer):
        @decorate
        def call(self, inputs):
            return net(inputs)

    class Module(tf.Module):
        @decorate
        def __call__(self, inputs):
            return net(inputs)

    return [Layer(), Module()]


def test_after_their_first_call_names_find_them(tf, source):
    for shim in shims(tf):
        shim(BATCH)
        report = tcm.restore(source, shim)
        assert {move.target for move in report.restored} == set(VALUES)
        assert shim(BATCH).numpy().tolist() == RESULT


def test_before_it_they_do_not_look_complete(tf, source):
    for shim in shims(tf):
        with pytest.raises(PlanError, match="3 source keys have no place"):
            tcm.restore(source, shim)
        with pytest.raises(AssertionError, match=r"3 keys of .* have not been read"):
            tcm.Checkpoint(shim).restore(source).expect_partial().assert_consumed()


@pytest.mark.parametrize("function", [False, True])
def test_a_checkpoint_waits_for_it(tf, source, function):
    for shim in shims(tf):
        status = tcm.Checkpoint(shim=shim).restore(source)
        call = tf.function(shim) if function else shim
        assert call(BATCH).numpy().tolist() == RESULT
        status.assert_consumed()


def test_what_they_save_objects_have_by_those_names(tf, tmp_path):
    for number, shim in enumerate(shims(tf)):
        shim(BATCH)
        path = tcm.Checkpoint(shim).save(str(tmp_path / f"m{number}"))
        named = tcm.convert_tf2_to_tf1(path, path + "-tf1")
        assert set(VALUES) <= set(tcm.load_checkpoint(named))
