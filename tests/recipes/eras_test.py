"""Names of older versions become those of today, with their slots."""

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.recipes.eras import name_of_today

SPEC = TensorSpec(DType.float32, (2,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("conv1/weights", "conv1/kernel"),
        ("conv1/biases", "conv1/bias"),
        ("sep/depthwise_weights", "sep/depthwise_kernel"),
        ("sep/pointwise_weights", "sep/pointwise_kernel"),
        ("rnn/nas_rnn/recurrent_weights", "rnn/nas_rnn/recurrent_kernel"),
        ("rnn/gru_cell/gates/weights", "rnn/gru_cell/gates/kernel"),
        ("lstm/BasicLSTMCell/Linear/Matrix", "lstm/basic_lstm_cell/kernel"),
        ("lstm/BasicLSTMCell/Linear/Bias", "lstm/basic_lstm_cell/bias"),
        ("RNN/GRUCell/Gates/Linear/Matrix", "RNN/gru_cell/gates/kernel"),
        ("RNN/BasicRNNCell/Linear/Bias", "RNN/basic_rnn_cell/bias"),
        ("BatchNorm/gamma", "BatchNorm/gamma"),
        ("dense/kernel", "dense/kernel"),
        ("weights_of_all/w", "weights_of_all/w"),
        ("net/Matrix", "net/Matrix"),
    ],
)
def test_names(old, new):
    assert name_of_today(old) == new


def moves(rules, *names):
    found = resolve(rules, dict.fromkeys(names, SPEC))
    return {move.sources[0]: move.target for move in found.moves}


def test_slots_come_along():
    names = ["a/weights", "a/weights/Adam", "train/a/weights/Momentum", "a/gamma"]
    rules = [tcm.Recipe("layer_names", "a/", "b/"), tcm.RenameScope("a/", "b/")]
    assert moves([*rules, tcm.Keep("/")], *names) == {
        "a/weights": "b/kernel",
        "a/weights/Adam": "b/kernel/Adam",
        "train/a/weights/Momentum": "train/a/weights/Momentum",
        "a/gamma": "b/gamma",
    }
    everywhere = [tcm.Recipe("layer_names", "/", "/"), tcm.Keep("/")]
    found = moves(everywhere, *names)
    assert found["train/a/weights/Momentum"] == "train/a/kernel/Momentum"


@pytest.mark.parametrize(
    ("names", "scope", "error", "message"),
    [
        (["a/kernel"], "a/", PlanError, "no name of an older version"),
        (["a/weights", "a/kernel"], "a/", PlanError, "which is there already"),
        (["a/weights"], "a", RuleError, "'a' is no scope"),
    ],
)
def test_what_is_wrong(names, scope, error, message):
    with pytest.raises(error, match=message):
        moves([tcm.Recipe("layer_names", scope, "b/")], *names)
