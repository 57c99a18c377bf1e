"""Notes on defaults that differ between TF1 and Keras: only where they matter."""

import pytest

from tf_ckpt_migrate.recipes.layer_defaults import LayerSettings, layer_notes


def layer(kind="Dense", name="x", keras_3=False, **values):
    return LayerSettings(name, kind, keras_3, values)


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        (
            "net/lstm/recurrent_kernel",
            {"recurrent_activation": "sigmoid"},
            ["'hard_sigmoid' by default, 'x' has sigmoid"],
        ),
        (
            "gru/recurrent_kernel",
            {"recurrent_activation": "hard_sigmoid", "reset_after": True},
            ["reset_after=False by default, 'x' has True"],
        ),
        (
            "conv/BatchNorm/moving_mean",
            {"epsilon": 0.001, "momentum": 0.99},
            ["decay=0.999", "the target has epsilon=0.001 and momentum=0.99"],
        ),
        (
            "bert/LayerNorm_1/gamma",
            {"epsilon": 0.001},
            ["epsilon=1e-12, 'x' has 0.001; no checkpoint stores it"],
        ),
        ("a/GroupNorm/gamma", {"epsilon": 0.001}, ["epsilon=1e-06, 'x' has 0.001"]),
        ("a/layer_norm_scale", {"epsilon": 0.001}, ["epsilon=1e-06"]),
    ],
)
def test_a_default_that_differs_is_one_note(source, settings, words):
    (note,) = layer_notes([(source, layer(**settings))] * 3)
    for each in words:
        assert each in note


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        ("lstm/recurrent_kernel", {"recurrent_activation": "hard_sigmoid"}),
        ("gru/recurrent_kernel", {"recurrent_activation": "tanh"}),
        ("rnn/basic_lstm_cell/kernel", {"recurrent_activation": "sigmoid"}),
        ("batch_normalization/moving_mean", {"epsilon": 1e-3, "momentum": 0.99}),
        ("layer_normalization/gamma", {"epsilon": 1e-3}),
        ("LayerNorm/gamma", {"epsilon": 1e-12}),
        ("LayerNorm/gamma", {}),
    ],
)
def test_what_agrees_has_no_note(source, settings):
    assert layer_notes([(source, layer(**settings))]) == []


def test_what_a_checkpoint_does_not_tell_is_named_by_its_default():
    (note,) = layer_notes([("lstm/recurrent_kernel", None)])
    assert "those of TF2 sigmoid" in note
    (note,) = layer_notes([("LayerNorm/gamma", None)])
    assert "epsilon=1e-12, those of TF2 0.001" in note


def test_layers_without_variables():
    (note,) = layer_notes([], [layer("LeakyReLU", negative_slope=0.3)])
    assert "alpha=0.2 by default, 'x' 0.3" in note
    assert layer_notes([], [layer("LeakyReLU", negative_slope=0.2)]) == []
    (note,) = layer_notes([], [layer("Activation", activation="gelu")])
    assert "by tanh, 'x' by erf" in note
    assert layer_notes([], [layer("Activation", activation="relu")]) == []


def test_hard_sigmoid_of_keras_3_is_another_function():
    hard = {"recurrent_activation": "hard_sigmoid"}
    (note,) = layer_notes([("l/recurrent_kernel", layer("LSTM", keras_3=True, **hard))])
    assert (
        "clip(x / 6 + 0.5, 0, 1), TF1's is clip(0.2 * x + 0.5, 0, 1): for 'x'" in note
    )
    soft = {"recurrent_activation": "sigmoid"}
    (note,) = layer_notes([("l/recurrent_kernel", layer("LSTM", keras_3=True, **soft))])
    assert "recurrent_activation=lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)" in note
