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
    found = resolve(rules, {key: source.specs[key] for key in source}, unused="drop")
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
    again = tcm.load_checkpoint(
        tcm.convert(tcm.plan_migration(keras, None, back), tmp_path / "again")
    )
    assert set(again) == {k for k in reader if k.startswith(scope)}
    for key in again:
        if key.endswith("bias") and options.get("forget_bias", 1.0):
            np.testing.assert_allclose(again[key], reader[key], rtol=0, atol=1e-7)
        else:
            np.testing.assert_array_equal(again[key], reader[key])
    if kind == "gru":  # by the plan alone too, though two kernels are cut and joined
        undone = tcm.load_checkpoint(tcm.convert(plan.reversed(), tmp_path / "undone",
                                                 source=keras))  # fmt: skip
        for key in again:
            np.testing.assert_array_equal(undone[key], reader[key])


RARE = {
    "AttentionCellWrapper": ("attention_cell_wrapper", "attends to its own past"),
    "BlockPeephole": ("lstm_cell", "with peepholes"),
    "CFNCell": ("cfn_cell", "a chaos free network"),
    "ConvLSTMCell": ("conv_1d_lstm_cell", "ConvLSTM1D of Keras"),
    "GLSTMCell": ("glstm_cell", "groups with kernels"),
    "GridLSTMCell": ("grid_lstm_cell", "recurrent over frequencies"),
    "IndRNNCell": ("ind_rnn_cell", "a vector for a kernel"),
    "IndyGRUCell": ("indy_gru_cell", "vectors for kernels"),
    "IndyLSTMCell": ("indy_lstm_cell", "vectors for kernels"),
    "IntersectionRNNCell": ("intersection_rnn_cell", "passes on inputs"),
    "LayerNormLSTMCell": ("layer_norm_lstm_cell", "layer normalization"),
    "MinimalRNNCell": ("minimal_rnn_cell", "of one gate"),
    "PhasedLSTMCell": ("phased_lstm_cell", "takes times"),
    "Projection": ("lstm_cell", "a projection"),
    "SRUCell": ("sru_cell", "a simple recurrent unit"),
    "TimeFreqLSTMCell": ("time_freq_lstm_cell", "recurrent over frequencies"),
    "WeightNormLSTMCell": ("wn_lstm_cell/wn_lstm_cell", "normalizes its kernel"),
}


class TestNoLayerOfKeras:
    """Each is refused by name, whichever recipe it is given to."""

    def test_all_of_the_golden_are_here(self):
        found = {key.partition("/")[0] for key in golden("tf1_15/rnn_rare")}
        assert found == {*RARE, "HighwayWrapper"}

    @pytest.mark.parametrize("kind", ["lstm", "gru", "simple_rnn"])
    @pytest.mark.parametrize("cell", RARE)
    def test_a_cell(self, cell, kind):
        name, why = RARE[cell]
        recipe = tcm.Recipe(kind, f"{cell}/{name}/", "k/")
        with pytest.raises(PlanError, match=why):
            tcm.plan_migration(golden("tf1_15/rnn_rare"), None, [recipe])

    def test_what_is_around_a_cell_is_left_over(self):
        """A wrapper's own weights have no place, so that nothing is lost unseen."""
        recipe = tcm.Recipe("gru", "HighwayWrapper/gru_cell/", "k/")
        others = tcm.Drop(pattern="(?!HighwayWrapper).*")
        with pytest.raises(PlanError, match="HighwayWrapper/carry_w"):
            tcm.plan_migration(golden("tf1_15/rnn_rare"), None, [recipe, others])


def specs(*names, shape=(8,)):
    return {name: TensorSpec(DType.float32, shape) for name in names}


def cells(*scopes, **shapes):
    """Specs of LSTM cells of TF1, or of Keras if their scope begins with "k"."""
    found = {}
    for scope in scopes:
        found |= specs(f"{scope}/bias")
        if scope.startswith("k"):
            found |= specs(f"{scope}/kernel", shape=(3, 8))
            found |= specs(f"{scope}/recurrent_kernel", shape=(2, 8))
        else:
            found |= specs(f"{scope}/kernel", shape=shapes.get("kernel", (5, 8)))
    return found


def biases(source, target, **options):
    """Where the biases of cells go."""
    rules = [tcm.Recipe("lstm", "rnn/", "k/", **options)]
    found = resolve(rules, source, target)
    return {m.target: m.sources[0] for m in found.moves if m.target.endswith("bias")}


class TestSeveralCells:
    def test_a_stack_by_the_numbers_of_layers(self):
        source = cells(*(f"rnn/multi_rnn_cell/cell_{n}/lstm_cell" for n in range(12)))
        names = ["k/lstm/cell", *(f"k/lstm_{n}/cell" for n in range(1, 12))]
        assert biases(source, cells(*sorted(names))) == {
            f"{name}/bias": f"rnn/multi_rnn_cell/cell_{n}/lstm_cell/bias"
            for n, name in enumerate(names)
        }

    def test_names_that_tell_no_order(self):
        source = cells(*(f"rnn/multi_rnn_cell/cell_{n}/lstm_cell" for n in (0, 1)))
        target = cells("k/zeta/cell", "k/alpha/cell")
        with pytest.raises(PlanError, match=r"nothing tells the order.*layers="):
            biases(source, target)
        found = biases(source, target, layers="zeta, alpha")
        assert found["k/zeta/cell/bias"].startswith("rnn/multi_rnn_cell/cell_0")
        with pytest.raises(PlanError, match="no cell is below 'k/beta/'"):
            biases(source, target, layers="zeta,beta")

    def test_two_directions(self):
        source = cells(
            *(f"rnn/bidirectional_rnn/{way}/lstm_cell" for way in ("bw", "fw"))
        )
        target = cells("k/b/backward_lstm/cell", "k/b/forward_lstm/cell")
        assert biases(source, target) == {
            "k/b/backward_lstm/cell/bias": "rnn/bidirectional_rnn/bw/lstm_cell/bias",
            "k/b/forward_lstm/cell/bias": "rnn/bidirectional_rnn/fw/lstm_cell/bias",
        }

    def test_from_keras_into_the_names_of_a_stack_of_tf1(self):
        scopes = [f"rnn/multi_rnn_cell/cell_{n}/lstm_cell" for n in (0, 1)]
        source, target = cells("k/lstm/cell", "k/lstm_1/cell"), cells(*scopes)
        rules = [tcm.Recipe("lstm", "k/", "rnn/", forget_bias=1.0)]
        found = {m.target: m.sources for m in resolve(rules, source, target).moves}
        assert set(found) == set(target)
        assert found[f"{scopes[1]}/bias"] == ("k/lstm_1/cell/bias",)

    @pytest.mark.parametrize("name", ["stack", "two_ways", "two_ways_stacked"])
    def test_there_and_back_by_file(self, tmp_path, name):
        """Slots, averages and values of real cells, in one line each way."""
        reader = golden(f"tf1_15/resume_rnn_{name}")
        kind = "gru" if name == "two_ways" else "lstm"
        made = reader
        for number, (source, target) in enumerate([("/", "k/"), ("k/", "/")]):
            rules = [
                tcm.Recipe(kind, source, target),
                tcm.Recipe("averages", "/", "/", use="both"),
                tcm.Recipe("slots", "/", "/"),
                tcm.Keep("global_step"),
            ]
            plan = tcm.plan_migration(made, None, rules)
            assert tcm.MigrationPlan.from_yaml(plan.to_yaml()).moves == plan.moves
            made = tcm.load_checkpoint(tcm.convert(plan, tmp_path / str(number)))
        assert set(made) == set(reader)
        for key, value in made.items():
            np.testing.assert_allclose(value, reader[key], rtol=0, atol=1e-7)

    def test_other_numbers_of_cells(self):
        source = cells(*(f"rnn/multi_rnn_cell/cell_{n}/lstm_cell" for n in (0, 1)))
        with pytest.raises(PlanError, match="which are not as many of each direction"):
            biases(source, cells("k/lstm/cell"))

    def test_names_stay_where_any_will_do(self):
        source = cells(*(f"rnn/multi_rnn_cell/cell_{n}/lstm_cell" for n in (0, 1)))
        assert set(biases(source, None)) == {
            f"k/multi_rnn_cell/cell_{n}/lstm_cell/bias" for n in (0, 1)
        }

    def test_a_dense_layer_beside_is_no_cell(self):
        source = cells("rnn/lstm_cell", "rnn/dense")
        with pytest.raises(PlanError, match="nothing tells the order"):
            biases(source, cells("k/lstm/cell", "k/lstm_1/cell"))

    def test_averages_of_an_optimizer_are_no_cells(self):
        """As tf-keras calls them: ``average/k/lstm/cell/recurrent_kernel``."""
        goals = cells("k/lstm/cell")
        beside = {
            f"{at}/{name}": s for name, s in goals.items() for at in ("m", "average")
        }
        rules = [tcm.Recipe("lstm", "rnn/", "/"), tcm.Drop(role="slot")]
        found = resolve(
            rules, cells("rnn/lstm_cell"), {**goals, **beside}, missing="keep"
        )
        assert {move.target for move in found.moves} == set(goals)


class TestForgetBias:
    def note_of(self, **options):
        rules = [tcm.Recipe("lstm", "rnn/", "k/", **options)]
        return resolve(rules, cells("rnn/lstm_cell")).notes

    def test_what_is_assumed_is_told(self):
        (note,) = self.note_of()
        assert "forget_bias=1.0 is taken" in note
        assert "'rnn/lstm_cell/'" in note
        assert self.note_of(forget_bias=1.0) == ()

    def test_the_cell_that_has_none(self):
        scope = "rnn/cudnn_compatible_lstm_cell"
        rules = [tcm.Recipe("lstm", "rnn/", "k/")]
        found = resolve(rules, cells(scope))
        assert not any("AddToBlock" in repr(move.transform) for move in found.moves)
        assert found.notes == ()
        told = [tcm.Recipe("lstm", "rnn/", "k/", forget_bias=1.0)]
        with pytest.raises(PlanError, match="has no forget bias"):
            resolve(told, cells(scope))


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [
        ("LSTMCell/W_0", "LSTMCell/B"),
        ("BasicLSTMCell/Linear/Matrix", "BasicLSTMCell/Linear/Bias"),
        ("basic_lstm_cell/weights", "basic_lstm_cell/biases"),
    ],
)
def test_a_cell_of_an_older_version(kernel, bias):
    """Its names of then are understood, with no other recipe."""
    source = specs(f"rnn/{kernel}", shape=(5, 8)) | specs(f"rnn/{bias}")
    found = resolve([tcm.Recipe("lstm", "rnn/", "k/")], source)
    assert {move.sources[0] for move in found.moves} == set(source)
    ends = {move.target.rpartition("/")[2] for move in found.moves}
    assert ends == {"kernel", "recurrent_kernel", "bias"}


@pytest.mark.parametrize(
    ("name", "scope", "kind", "message"),
    [
        ("rnn_lstm_peepholes", "rnn/lstm_cell/", "lstm", "with peepholes"),
        (
            "rnn_contrib",
            "CoupledInputForgetGateLSTMCell/coupled_input_forget_gate_lstm_cell/",
            "lstm",
            "couples input and forget gates",
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
