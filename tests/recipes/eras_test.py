"""Names of older versions become those of today, with their slots."""

import pytest

import tf_ckpt_migrate as tcm
from tests.checkpoint.corpus_test import CORPUS
from tests.conversion.checkpoints import golden
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.recipes.legacy_names import PACKS, name_of_today

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
        (["a/kernel"], "a/", PlanError, "no name that 'linear,weights' knows"),
        (["a/weights", "a/kernel"], "a/", PlanError, "which is there already"),
        (["a/weights"], "a", RuleError, "'a' is no scope"),
    ],
)
def test_what_is_wrong(names, scope, error, message):
    with pytest.raises(error, match=message):
        moves([tcm.Recipe("layer_names", scope, "b/")], *names)


class TestBack:
    """From names of today to those that an old program knows."""

    @pytest.mark.parametrize(
        ("pack", "then", "today"),
        [
            ("weights", "conv1/weights", "conv1/kernel"),
            ("weights", "sep/depthwise_weights", "sep/depthwise_kernel"),
            ("weights", "rnn/basic_lstm_cell/biases", "rnn/basic_lstm_cell/bias"),
            (
                "linear",
                "RNN/MultiRNNCell/Cell1/BasicLSTMCell/Linear/Matrix",
                "rnn/multi_rnn_cell/cell_1/basic_lstm_cell/kernel",
            ),
            (
                "linear",
                "net/BiRNN/BW/LSTMCell/B",
                "net/bidirectional_rnn/bw/lstm_cell/bias",
            ),
            ("linear", "GRUCell/Candidate/Linear/Bias", "gru_cell/candidate/bias"),
            ("linear", "RNN/LSTMCell/W_0", "rnn/lstm_cell/kernel"),
            (
                "slim",
                "net/Conv_1/BatchNorm/beta",
                "net/conv2d_1/batch_normalization/beta",
            ),
            ("slim", "LayerNorm_12/gamma", "layer_normalization_12/gamma"),
            ("slim", "EmbedSequence/embeddings", "embedding/embeddings"),
        ],
    )
    def test_names(self, pack, then, today):
        assert PACKS[pack].today(then) == today
        assert PACKS[pack].then(today) == then

    @pytest.mark.parametrize("pack", PACKS)
    @pytest.mark.parametrize("name", ["w", "dense_head/w", "a/gamma", "global_step"])
    def test_what_no_pack_knows_stays(self, pack, name):
        assert PACKS[pack].today(name) == PACKS[pack].then(name) == name

    @pytest.mark.parametrize("way", ["FW", "BW"])
    def test_unrolled_networks_of_two_directions(self, way):
        then = f"BiRNN_{way}/BasicLSTMCell/Linear/Bias"
        today = f"bidirectional_rnn/{way.lower()}/basic_lstm_cell/bias"
        assert PACKS["linear"].today(then) == today
        assert moves([tcm.Recipe("layer_names", "/", "/")], then) == {then: today}

    def test_the_given_scope_itself_has_another_name_today(self):
        recipe = tcm.Recipe("layer_names", "RNN/BasicLSTMCell/", "a/")
        old = "RNN/BasicLSTMCell/Linear/Matrix"
        assert moves([recipe], old) == {old: "a/kernel"}

    def test_which_of_two_must_be_said(self):
        with pytest.raises(RuleError, match="say which"):
            moves([tcm.Recipe("layer_names", "/", "/", to="then")], "a/kernel")
        recipe = tcm.Recipe("layer_names", "/", "/", to="then", packs="weights,slim")
        assert moves([recipe], "dense_1/kernel", "dense_1/kernel/Adam") == {
            "dense_1/kernel": "fully_connected_1/weights",
            "dense_1/kernel/Adam": "fully_connected_1/weights/Adam",
        }

    @pytest.mark.parametrize("options", [{"packs": "slims"}, {"to": "yesterday"}])
    def test_words(self, options):
        with pytest.raises(RuleError, match="the packs are linear, weights, slim"):
            moves([tcm.Recipe("layer_names", "/", "/", **options)], "a/weights")


def there_and_back(reader, packs, back, scope="/"):
    """The names of today, after a check that the way back gives those of then."""
    there = [tcm.Recipe("layer_names", scope, scope, packs=packs), tcm.Keep("/")]
    plan = tcm.plan_migration(reader, None, there)
    today = {move.target: move.spec for move in plan.moves}
    rules = [
        tcm.Recipe("layer_names", scope, scope, packs=back, to="then"),
        tcm.Keep("/"),
    ]
    found = {move.target for move in resolve(rules, today).moves}
    assert found == set(reader)
    return set(today)


def test_what_contrib_layers_saved():
    reader = golden("tf1_15/layers_contrib")
    found = there_and_back(reader, "weights,slim", "weights,slim")
    assert found == {
        "conv2d/kernel",
        *(f"conv2d/batch_normalization/{n}" for n in ("beta", "moving_mean")),
        "conv2d/batch_normalization/moving_variance",
        "embedding/embeddings",
        *(f"layer_normalization{n}/{v}" for n in ("", "_1") for v in ("beta", "gamma")),
        "dense/kernel",
        "dense/bias",
    }


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}")
@pytest.mark.parametrize(
    ("entry", "scope", "name"),
    [
        ("mltf2ed__model.ckpt/model.ckpt", "decode/", "decode/kernel/RMSProp_1"),
        (
            "tfx__model.ckpt-1000/model.ckpt-1000",
            "linear/linear_model/company_xf/",
            "linear/linear_model/company_xf/kernel",
        ),
    ],
)
def test_what_others_have_saved(entry, scope, name):
    reader = tcm.load_checkpoint(CORPUS / entry)
    assert name in there_and_back(reader, "weights", "weights", scope)
