"""RNN cells of TF1 as layers of Keras, and back: known answers, refusals, YAML."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve

CELLS = {
    "basic_rnn/basic_rnn_cell/": ("simple_rnn", {}),
    "basic_lstm/basic_lstm_cell/": ("lstm", {}),
    "lstm/lstm_cell/": ("lstm", {"forget_bias": 0.25}),
    "lstm_block/lstm_cell/": ("lstm", {}),
    "cudnn_lstm/cudnn_compatible_lstm_cell/": ("lstm", {"forget_bias": 0.0}),
    "gru/gru_cell/": ("gru", {}),
    "gru_block/gru_cell/": ("gru", {}),
    "cudnn_gru/cudnn_compatible_gru_cell/": ("gru", {}),
}


def made(rules, source):
    """Return the tensors that rules make, by name."""
    found = resolve(rules, {key: source.specs[key] for key in source}, unmatched="drop")
    return {
        move.target: source[move.sources[0]]
        if move.transform is None
        else move.transform(*(source[key] for key in move.sources))
        for move in found.moves
    }


def test_an_lstm_by_hand():
    reader = golden("tf1_15/rnn_basic_lstm")
    found = made([tcm.Recipe("lstm", "rnn/basic_lstm_cell/", "lstm/")], reader)
    kernel, bias = (reader[f"rnn/basic_lstm_cell/{n}"] for n in ("kernel", "bias"))
    i, j, f, o = np.split(kernel, 4, axis=1)
    keras = np.concatenate([i, f, j, o], axis=1)
    np.testing.assert_array_equal(found["lstm/kernel"], keras[:4])
    np.testing.assert_array_equal(found["lstm/recurrent_kernel"], keras[4:])
    i, j, f, o = np.split(bias, 4)
    np.testing.assert_array_equal(found["lstm/bias"], np.concatenate([i, f + 1, j, o]))


def test_a_gru_by_hand():
    reader = golden("tf1_15/rnn_gru")
    found = made([tcm.Recipe("gru", "rnn/gru_cell/", "gru/")], reader)
    read = {
        n: reader[f"rnn/gru_cell/{n}"] for n in ("gates/kernel", "candidate/kernel")
    }
    r, z = np.split(read["gates/kernel"], 2, axis=1)
    keras = np.concatenate([z, r, read["candidate/kernel"]], axis=1)
    np.testing.assert_array_equal(found["gru/kernel"], keras[:4])
    np.testing.assert_array_equal(found["gru/recurrent_kernel"], keras[4:])


@pytest.mark.parametrize("scope", CELLS)
def test_there_and_back(tmp_path, scope):
    kind, options = CELLS[scope]
    reader = golden("tf1_15/rnn_outputs")
    rules = [tcm.Recipe(kind, scope, "k/", **options), tcm.Drop("/")]
    plan = tcm.plan_migration(reader, None, rules)
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()).moves == plan.moves
    keras = tcm.load_checkpoint(tcm.convert(plan, tmp_path / "keras"))
    back = [tcm.Recipe(kind, "k/", scope, **options)]
    if scope.startswith("cudnn_gru"):
        with pytest.raises(PlanError, match="reset_after=True has two biases"):
            tcm.plan_migration(keras, None, back)
        return
    again = tcm.load_checkpoint(
        tcm.convert(tcm.plan_migration(keras, None, back), tmp_path / "again")
    )
    assert set(again) == {k for k in reader if k.startswith(scope)}
    for key in again:
        if key.endswith("bias") and options.get("forget_bias", 1.0):
            np.testing.assert_allclose(again[key], reader[key], rtol=0, atol=1e-7)
        else:
            np.testing.assert_array_equal(again[key], reader[key])


@pytest.mark.parametrize(
    ("name", "scope", "kind", "message"),
    [
        ("rnn_lstm_peepholes", "rnn/lstm_cell/", "lstm", "with peepholes"),
        (
            "rnn_contrib",
            "CoupledInputForgetGateLSTMCell/coupled_input_forget_gate_lstm_cell/",
            "lstm",
            "coupled input and forget gates",
        ),
        (
            "rnn_contrib",
            "LayerNormBasicLSTMCell/layer_norm_basic_lstm_cell/",
            "lstm",
            "layer normalization",
        ),
        ("rnn_contrib", "NASCell/nas_cell/", "lstm", "NASCell"),
        ("rnn_contrib", "UGRNNCell/ugrnn_cell/", "gru", "UGRNNCell"),
        ("rnn_gru", "rnn/gru_cell/", "lstm", "'lstm' needs 'rnn/gru_cell/bias'"),
        ("rnn_gru", "nowhere/", "gru", "in the scope are no tensors"),
    ],
)
def test_what_no_layer_computes(name, scope, kind, message):
    reader = golden(f"tf1_15/{name}")
    with pytest.raises(PlanError, match=message):
        tcm.plan_migration(reader, None, [tcm.Recipe(kind, scope, "k/"), tcm.Drop("/")])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"c/kernel": (5, 8), "c/bias": (7,)}, "expects a vector of 4 blocks"),
        ({"c/kernel": (2, 8), "c/bias": (8,)}, "expects more rows"),
        ({"c/kernel": (5, 8)}, "needs 'c/bias'; in the scope are 'c/kernel'"),
    ],
)
def test_tensors_of_other_shapes(shapes, message):
    specs = {name: TensorSpec(DType.float32, shape) for name, shape in shapes.items()}
    with pytest.raises(PlanError, match=message):
        resolve([tcm.Recipe("lstm", "c/", "k/")], specs)


def test_a_scope_is_wanted():
    with pytest.raises(RuleError, match="is no scope, which ends"):
        resolve([tcm.Recipe("gru", "cell", "k/")], {})
