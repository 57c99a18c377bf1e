"""Objects saved to, and restored from, what only TensorFlow reads: ``ram://``."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.storage.access import names_in

_COUNT = itertools.count()


@pytest.fixture
def far(tf):
    return f"ram://live/{next(_COUNT)}"


@pytest.fixture
def checkpoint(tf):
    module = tf.Module()
    module.kernel = tf.Variable([[1.0, 2.0]], name="net/w")
    module.bias = tf.Variable([3, 4], name="net/b")
    return tcm.Checkpoint(module)


def test_a_checkpoint_of_both_keys_and_its_twin(tf, far, checkpoint):
    checkpoint.saving(keys="both", twin_directory=f"{far}/twins")
    for _ in range(2):
        path = checkpoint.save(f"{far}/run/ckpt")
    assert path == f"{far}/run/ckpt-2"
    assert tf.train.latest_checkpoint(f"{far}/run") == path
    for prefix in (path, f"{far}/twins/ckpt-2"):
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        np.testing.assert_array_equal(reader.get_tensor("net/w"), [[1, 2]])
        assert tcm.verify_checkpoint(prefix).ok
    assert not [name for name in names_in(f"{far}/run") if "staging" in name]
    checkpoint.root.kernel.assign([[0.0, 0.0]])
    tf.train.Checkpoint(checkpoint.root).read(path).expect_partial()
    np.testing.assert_array_equal(checkpoint.root.kernel.numpy(), [[1, 2]])


def test_replacing_one(tf, far, checkpoint):
    for value in (1.0, 2.0):
        checkpoint.root.kernel.assign([[value, value]])
        checkpoint.write(f"{far}/m", keys="both")
    assert tcm.load_checkpoint(f"{far}/m")["net/w"].tolist() == [[2, 2]]


def test_a_manager_and_a_restore_by_names(tf, far, checkpoint):
    manager = tf.train.CheckpointManager(
        checkpoint.saving(keys="name"), f"{far}/run", max_to_keep=1
    )
    for _ in range(2):
        manager.save()
    checkpoint.root.kernel.assign([[0.0, 0.0]])
    tcm.restore(f"{far}/run", checkpoint.root, unused="drop")
    np.testing.assert_array_equal(checkpoint.root.kernel.numpy(), [[1, 2]])
    assert len([name for name in names_in(f"{far}/run") if "index" in name]) == 1


def test_a_saver(tf, far):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("net/w", initializer=[[1.0, 2.0]])
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(w), [[1, 2]])
        saver = tcm.Saver(keys="both")
        path = saver.save(session, f"{far}/saved")
        session.run(w.assign([[0.0, 0.0]]))
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(w), [[1, 2]])
    assert tcm.load_checkpoint(path).format.value == "dual-keyed"


def test_training_that_keeps_two(tf, far):
    model = tf.keras.Sequential([tf.keras.layers.Dense(1, name="d")])
    model.compile("sgd", "mse")
    saving = tcm.keras.DualModelCheckpoint(f"{far}/ckpt-{{epoch}}", max_to_keep=2)
    fit = {"x": np.ones((4, 2)), "y": np.ones((4, 1)), "verbose": 0}
    model.fit(**fit, epochs=3, callbacks=[saving])
    assert saving.checkpoints == [f"{far}/ckpt-2", f"{far}/ckpt-3"]
    assert tcm.load_checkpoint(far).prefix == f"{far}/ckpt-3"
    weights = model.get_weights()
    again = tf.keras.Sequential([tf.keras.layers.Dense(1, name="d")])
    again.compile("sgd", "mse")
    resuming = tcm.keras.DualModelCheckpoint(
        f"{far}/ckpt-{{epoch}}", load_weights_on_restart=True
    )
    again.build((None, 2))
    again.fit(**fit, epochs=4, initial_epoch=4, callbacks=[resuming])
    for a, b in zip(weights, again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
