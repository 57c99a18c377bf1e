"""Layers of every Keras compute what the cells of TensorFlow 1.15 did."""

import os
from importlib import import_module

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden
from tests.kerases import KERASES
from tests.recipes.rnn_test import CELLS


@pytest.fixture(params=KERASES)
def keras(request, tf):
    return tf.keras if request.param == "tf.keras" else import_module("tf_keras")


def layer_for(keras, scope):
    kind, _ = CELLS[scope]
    layers = keras.layers
    if kind == "gru":
        after = scope.startswith("cudnn")
        return layers.GRU(3, return_sequences=True, reset_after=after, name="layer")
    made = layers.LSTM if kind == "lstm" else layers.SimpleRNN
    return made(3, return_sequences=True, name="layer")


@pytest.mark.parametrize("scope", CELLS)
def test_a_layer_computes_what_the_cell_did(keras, scope):
    reader = golden("tf1_15/rnn_outputs")
    kind, options = CELLS[scope]
    layer = layer_for(keras, scope)
    layer.build((None, None, 4))
    names = [tcm_name(weight) for weight in layer.weights]
    target = names[0].rpartition("/")[0] + "/"
    rules = [tcm.Recipe(kind, scope, target, **options), tcm.Drop("/")]
    report = tcm.restore(reader, layer, rules)
    assert report.totals["weight"].variables == 3
    found = np.asarray(layer(reader["inputs"]))
    expected = reader[scope.partition("/")[0] + "/outputs"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_unit_forget_bias_is_of_no_account(keras):
    """It says how a bias begins; what is restored takes its place."""
    reader, found = golden("tf1_15/rnn_outputs"), []
    for unit in (True, False):
        layer = keras.layers.LSTM(3, unit_forget_bias=unit, name="layer")
        layer.build((None, None, 4))
        scope = tcm_name(layer.weights[0]).rpartition("/")[0] + "/"
        rules = [tcm.Recipe("lstm", "basic_lstm/", scope), tcm.Drop("/")]
        tcm.restore(reader, layer, rules)
        found.append(np.asarray(layer(reader["inputs"])))
    np.testing.assert_array_equal(*found)


def tcm_name(weight):
    from tf_ckpt_migrate.live.variables import name_of

    return name_of(weight)


def test_two_directions(tf, keras):
    """A layer of two cells is two recipes; the golden has no outputs of it."""
    reader = golden("tf1_15/rnn_bidirectional")
    layer = keras.layers.Bidirectional(keras.layers.LSTM(2, name="l"), name="both")
    layer.build((None, None, 4))
    scopes = sorted({tcm_name(each).rpartition("/")[0] + "/" for each in layer.weights})
    assert len(scopes) == 2
    rules = [
        *(
            tcm.Recipe("lstm", f"bidirectional_rnn/{way}/basic_lstm_cell/", scope)
            for way, scope in zip(("bw", "fw"), scopes, strict=True)
        ),
        tcm.Drop(role="slot"),
        tcm.Drop(role="optimizer"),
    ]
    tcm.restore(reader, layer, rules)
    forward = layer.forward_layer.cell.kernel.numpy()
    i, j, f, o = np.split(reader["bidirectional_rnn/fw/basic_lstm_cell/kernel"], 4, 1)
    np.testing.assert_array_equal(forward, np.concatenate([i, f, j, o], axis=1)[:4])


@pytest.mark.parametrize(
    "scope",
    [s for s in CELLS if not s.startswith(("lstm_block", "gru_block", "cudnn"))],
)
def test_what_keras_saves_is_a_cell_again(tf, tmp_path, keras, scope):
    """From a layer, by name, to the names of TF1: what was there before."""
    reader = golden("tf1_15/rnn_outputs")
    kind, options = CELLS[scope]
    layer = layer_for(keras, scope)
    layer.build((None, None, 4))
    target = tcm_name(layer.weights[0]).rpartition("/")[0] + "/"
    there = [tcm.Recipe(kind, scope, target, **options), tcm.Drop("/")]
    tcm.restore(reader, layer, there)
    path = tcm.Checkpoint(layer=layer).write(str(tmp_path / "keras"), keys="name")
    back = [tcm.Recipe(kind, target, scope, **options)]
    made = tcm.convert(tcm.plan_migration(path, None, back), tmp_path / "tf1")
    again = tf.train.load_checkpoint(os.fspath(made))
    for name in again.get_variable_to_shape_map():
        found = again.get_tensor(name)
        np.testing.assert_allclose(found, reader[name], rtol=0, atol=1e-7)


def test_slots_follow_the_gates(tf, keras):
    reader = golden("tf1_15/rnn_bidirectional")
    layer = keras.layers.Bidirectional(keras.layers.LSTM(2, name="l"), name="both")
    layer.build((None, None, 4))
    optimizer = keras.optimizers.Adam(0.1, epsilon=1e-8, name="adam")
    optimizer.build(layer.trainable_variables)
    scopes = sorted({tcm_name(each).rpartition("/")[0] + "/" for each in layer.weights})
    cells = (f"bidirectional_rnn/{way}/basic_lstm_cell/" for way in ("bw", "fw"))
    rules = [
        *(tcm.Recipe("lstm", c, s) for c, s in zip(cells, scopes, strict=True)),
        tcm.Recipe("optimizer", "Adam", "optimizer"),
    ]
    target = tf.train.Checkpoint(layer=layer, optimizer=optimizer)
    report = tcm.restore(reader, target, rules)
    assert {verdict.kind for verdict in report.verdicts} == {"exact"}
    variables = optimizer.variables
    variables = variables() if callable(variables) else variables
    found = {tcm_name(variable): variable.numpy() for variable in variables}
    slots = [v for n, v in found.items() if "forward" in n and "bias" in n]
    assert len(slots) == 2  # the forget_bias is in neither
    for value, slot in zip(slots, ("Adam", "Adam_1"), strict=True):
        i, f, j, o = np.split(value, 4)
        key = f"bidirectional_rnn/fw/basic_lstm_cell/bias/{slot}"
        np.testing.assert_array_equal(np.concatenate([i, j, f, o]), reader[key])
