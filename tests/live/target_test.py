import numpy as np
import pytest

from tests.live.models import KINDS, nested, sequential, trained
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.errors import TargetError, UnbuiltTargetError
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget, built_target
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY


def saved(tf, target, folder):
    """Return the reader of what TensorFlow itself saves of an object."""
    if not isinstance(target, tf.train.Checkpoint):
        target = tf.train.Checkpoint(target)
    return load_checkpoint(target.save(str(folder / "saved")))


class TestAgainstWhatTensorFlowSaves:
    @pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
    def both(self, request, tf, tmp_path):
        target = request.param(tf)
        return LiveTarget(target), saved(tf, target, tmp_path)

    def test_keys_dtypes_and_shapes(self, both):
        live, reader = both
        expected = dict(reader.specs)
        del expected[OBJECT_GRAPH_KEY]
        assert live.specs == expected

    def test_the_object_graph(self, both):
        live, reader = both
        assert isinstance(reader.object_graph, ObjectGraph)
        # Equal as messages; the order of fields is the writer's business.
        assert live.object_graph.message == reader.object_graph.message

    def test_values(self, both):
        live, reader = both
        for key in live.variables:
            if not key.startswith("save_counter"):  # saving has counted
                np.testing.assert_array_equal(live[key], reader[key], key)


def test_nothing_is_written_and_no_variable_read(tf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = sequential(tf)
    read = []
    monkeypatch.setattr("tf_ckpt_migrate.live.target.value_of", read.append)
    assert len(LiveTarget(model).specs) == 7
    assert read == []
    assert list(tmp_path.iterdir()) == []


class TestNames:
    def test_a_dict_gives_them(self, tf):
        live = LiveTarget({"net/w": tf.Variable(1.0, name="other")})
        assert names_of(live)["vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE"] == "net/w"

    def test_a_model_that_builds_its_layers_when_called(self, tf):
        class Net(tf.keras.Model):
            def __init__(self):
                super().__init__(name="net")
                self.hidden = tf.keras.layers.Dense(3, name="hidden")
                self.top = tf.keras.layers.Dense(3, name="top")

            def call(self, inputs):
                return self.top(self.hidden(inputs))

        net = Net()
        net(tf.zeros([1, 2]))
        live = LiveTarget(net)
        names = {names_of(live)[key] for key in live.variables}
        assert {"net/hidden/kernel", "net/top/kernel"} <= names
        assert {"hidden/kernel", "top/kernel"} <= set(catalog_of(live).aliases)

    def test_a_list_has_those_of_its_variables(self, tf):
        live = LiveTarget([tf.Variable(1.0, name="a/w"), tf.Variable(1.0, name="b")])
        assert {"a/w", "b"} < set(names_of(live).values())

    def test_variables_of_one_name_go_by_their_paths(self, tf):
        names = names_of(LiveTarget(nested(tf))).values()
        assert set(names) == {
            *("net/kernel", "items/0", "items/1/deep", "text", "save_counter"),
        }

    def test_a_name_that_is_anothers_path_leaves_that_one_its_key(self, tf):
        module = tf.Module()
        module.a = tf.Variable(1.0)  # "Variable", as the next
        module.b = tf.Variable(2.0)
        module.c = tf.Variable(3.0, name="a")
        names = names_of(LiveTarget(module))
        assert names["c/.ATTRIBUTES/VARIABLE_VALUE"] == "a"
        assert names["a/.ATTRIBUTES/VARIABLE_VALUE"] == "a/.ATTRIBUTES/VARIABLE_VALUE"
        assert names["b/.ATTRIBUTES/VARIABLE_VALUE"] == "b"

    def test_weights_below_an_optimizer_have_their_own(self, tf):
        names = set(names_of(LiveTarget(trained(tf))).values())
        kernels = [name for name in names if name.endswith("d1/kernel")]
        assert any("/m/" not in name and "/v/" not in name for name in kernels)


class TestRefusals:
    def test_variables_of_one_name_in_a_list(self, tf):
        twins = [tf.Variable(1.0, name="w"), tf.Variable(2.0, name="w")]
        with pytest.raises(TargetError, match=r"one name: 'w' \(2 times\)"):
            LiveTarget(twins)

    @pytest.mark.parametrize("empty", [[], {}])
    def test_nothing(self, tf, empty):
        with pytest.raises(TargetError, match="the target is empty"):
            LiveTarget(empty)

    def test_a_list_of_layers(self, tf):
        with pytest.raises(TargetError, match=r"item 0 is .*not a variable"):
            LiveTarget([sequential(tf)])

    @pytest.mark.parametrize("wrong", [None, "model", 3, np.zeros(2)])
    def test_what_is_no_object_of_tensorflow(self, tf, wrong):
        with pytest.raises(TargetError, match="nothing that TensorFlow could save"):
            LiveTarget(wrong)

    def test_an_unbuilt_model(self, tf):
        with pytest.raises(UnbuiltTargetError, match=r"(?s)'net'.*Build first"):
            built_target(sequential(tf, built=False))

    def test_an_unbuilt_layer_within(self, tf):
        checkpoint = tf.train.Checkpoint(net=[tf.keras.layers.Dense(3)])
        with pytest.raises(UnbuiltTargetError, match=r"net\.0"):
            built_target(checkpoint)


def test_layers_that_never_have_variables_need_no_building(tf):
    checkpoint = tf.train.Checkpoint(
        flat=tf.keras.layers.Flatten(), w=tf.Variable(1.0, name="w")
    )
    assert len(built_target(checkpoint).variables) == 2
