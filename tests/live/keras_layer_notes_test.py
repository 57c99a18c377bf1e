"""What restore and suggest note on layers that take the weights and differ."""

import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3
from tf_ckpt_migrate.conversion.example import example_checkpoint

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(0)
SHAPES = {
    "lstm/kernel": (3, 16),
    "lstm/recurrent_kernel": (4, 16),
    "lstm/bias": (16,),
    "gru/kernel": (4, 12),
    "gru/recurrent_kernel": (4, 12),
    "gru/bias": (12,),
}
VALUES = {
    name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()
}


def model_of(tf, **gru):
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input([5, 3]),
            layers.LSTM(4, return_sequences=True, name="lstm"),
            layers.GRU(4, name="gru", **gru),
        ],
        name="net",
    )


def rules(tf):
    net = "net/" if keras3(tf) else ""
    return {f"{name}/": f"{net}{name}/{name}_cell/" for name in ("lstm", "gru")}


def test_activation_of_gates(tf):
    with example_checkpoint(VALUES) as source:
        model = model_of(tf, reset_after=False)
        report = tcm.restore(source, model, rules(tf))
        suggestion = tcm.suggest_assignment_map(source, model)
    for notes in (report.plan.notes, suggestion.notes):
        (note,) = (each for each in notes if "recurrent_activation" in each)
        assert re.search(r"'hard_sigmoid' by default, '\w+', '\w+' have sigmoid", note)
        assert not any("reset_after" in each for each in notes)
    assert "note: TF1's tf.keras LSTM and GRU" in str(report)
    # To the letter what the note says:
    _, _, value = note.partition("recurrent_activation=")[2].partition(
        "recurrent_activation="
    )
    value = value.partition(", as hard_sigmoid")[0]
    function = eval(value, {"keras": tf.keras})
    hard = tf.keras.layers.LSTM(1, recurrent_activation=function).recurrent_activation
    np.testing.assert_allclose(hard(tf.constant([1.0])), [0.7])


def test_reset_after_of_a_gru(tf):
    with example_checkpoint(VALUES) as source:
        model = model_of(tf)
        with pytest.raises(tcm.errors.PlanError, match="reset_after=False by default"):
            tcm.restore(source, model, rules(tf))
        notes = tcm.suggest_assignment_map(source, model).notes
    assert any("build the layers with reset_after=False" in each for each in notes)


def test_no_notes_on_what_tf2_has_written(tf, tmp_path):
    model = model_of(tf)
    path = tf.train.Checkpoint(model).write(str(tmp_path / "ckpt"))
    assert tcm.restore(path, model).plan.notes == ()
    notes = tcm.suggest_assignment_map(path, model).notes
    assert not any("recurrent_activation" in each for each in notes)
