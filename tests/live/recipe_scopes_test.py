"""Recipes take a scope of object paths where variables have other names."""

import numpy as np

import tf_ckpt_migrate as tcm


def test_a_cell_by_its_path_and_by_its_variables(tf, tmp_path):
    module = tf.Module()
    module.cell = tf.Module()
    shapes = {"kernel": (2, 12), "recurrent_kernel": (3, 12), "bias": (12,)}
    for number, (name, shape) in enumerate(shapes.items()):
        value = np.full(shape, number, "f")
        setattr(module.cell, name, tf.Variable(value, name=f"lstm/{name}"))
    for number, scope in enumerate(("cell/", "lstm/")):
        rules = [tcm.Recipe("lstm", scope, "rnn/basic_lstm_cell/")]
        path = tcm.Checkpoint(module).save(
            str(tmp_path / f"{number}"), keys="both", names=rules
        )
        reader = tcm.load_checkpoint(path)
        kernel = reader["rnn/basic_lstm_cell/kernel"]
        assert kernel[:2].max() == 0
        assert kernel[2:].min() == 1
        assert reader["rnn/basic_lstm_cell/bias"].shape == (12,)
