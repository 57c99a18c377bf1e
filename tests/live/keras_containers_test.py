"""Layers in lists and dicts of a Keras 3 model, where TensorFlow does not look."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.live.target import LiveTarget

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(0)


@pytest.fixture
def make(tf):
    """Make a model with layers in containers, some of them within each other."""
    if not keras3(tf):
        pytest.skip("tf_keras has containers that TensorFlow knows")
    layers = tf.keras.layers

    class Block(layers.Layer):
        def __init__(self, name):
            super().__init__(name=name)
            self.steps = (layers.Dense(3, name="inner"), layers.ReLU())

        def call(self, x):
            for step in self.steps:
                x = step(x)
            return x

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.own = layers.Dense(3, name="own")
            self.blocks = [Block("b0"), Block("b1")]
            self._heads = {"a": layers.Dense(3, name="a"), "more": [self.own]}
            self._heads["more"].append(layers.BatchNormalization(name="norm"))
            self.scales = [self.add_weight(shape=(3,), name="scale")]
            cells = [layers.LSTMCell(3, name="c0"), layers.LSTMCell(3, name="c1")]
            stack = layers.StackedRNNCells(cells, name="stack")
            self.rnn = layers.RNN(stack, name="rnn")

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            x = self._heads["more"][1](self.own(self._heads["a"](x)))
            return self.rnn((x * self.scales[0])[:, None, :])

    def model():
        net = Net()
        net(np.zeros((1, 3), np.float32))
        return net

    return model


def weights(model):
    return {each.path: each for each in model.variables if "seed" not in each.path}


def values_of(model):
    return {
        name: RANDOM.normal(size=each.shape).astype(np.float32)
        for name, each in weights(model).items()
    }


def check(model, values):
    assert {*weights(model)} == {*values}
    for name, variable in weights(model).items():
        np.testing.assert_array_equal(variable.numpy(), values[name], name)


def test_every_variable_has_the_path_of_its_attributes(tf, make):
    model = make()
    live = LiveTarget(model, counted=False)
    keys = {each.path: key for key, each in live.variables.items()}
    assert {*weights(model)} <= {*keys}
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert keys["net/b1/inner/kernel"] == f"blocks/1/steps/0/_kernel{end}"
    assert keys["net/a/bias"] == f"_heads/a/bias{end}"
    assert keys["net/norm/gamma"] == f"_heads/more/1/gamma{end}"
    assert keys["net/scale"] == f"scales/0{end}"
    assert keys["net/rnn/stack/c1/bias"] == f"rnn/cell/cells/1/bias{end}"


def test_what_tensorflow_reaches_keeps_its_key(tf, make, tmp_path):
    model = make()
    path = tf.train.Checkpoint(model).write(str(tmp_path / "own"))
    live = LiveTarget(model, counted=False)
    saved = {name for name, _ in tf.train.list_variables(path)}
    saved -= {"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"}
    assert saved == {*live.specs} - live.left_out
    assert {live.variables[key].path for key in saved} >= {"net/own/kernel"}


def test_names_fill_it_there_and_back(make, tmp_path):
    model = make()
    values = values_of(model)
    with example_checkpoint(values) as source:
        tcm.restore(source, model)
        check(model, values)
        suggestion = tcm.suggest_assignment_map(source, make())
        assert not suggestion.unmatched.source
        assert not suggestion.unmatched.target
        out = str(tmp_path / "out")
        tcm.convert_tf1_to_tf2(source, out, target=model)
    for each in model.variables:
        each.assign(np.zeros(each.shape, each.dtype))
    tcm.restore(out, model)
    check(model, values)


def test_a_layer_in_a_list_that_is_not_built(tf):
    if not keras3(tf):
        pytest.skip("as any other layer")

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.blocks = [tf.keras.layers.Dense(3, name="d")]

    with (
        example_checkpoint({"net/d/kernel": np.ones((3, 3), np.float32)}) as source,
        pytest.raises(tcm.errors.UnbuiltTargetError, match=r"no variables yet"),
    ):
        tcm.restore(source, Net())


def test_a_save_says_what_tensorflow_leaves_out(tf, make, tmp_path):
    model = make()
    values = values_of(model)
    with example_checkpoint(values) as source:
        tcm.restore(source, model)
    prefix = str(tmp_path / "ckpt")
    with pytest.raises(tcm.errors.PlanError, match="TensorFlow leaves out") as caught:
        tcm.Checkpoint(model=model).save(prefix, keys="both")
    assert "'net/a/bias'" in str(caught.value)
    with pytest.warns(UserWarning, match="TensorFlow leaves out"):
        tcm.Checkpoint(model=model).save(prefix)
    # To the letter what the message says:
    call = str(caught.value).partition("the variables too: ")[2]
    checkpoint = eval(call, {"tcm": tcm, "model": model})
    path = checkpoint.save(prefix, keys="both")
    reader = tf.train.load_checkpoint(path)
    for name, value in values.items():
        np.testing.assert_array_equal(reader.get_tensor(name), value)
    for each in model.variables:
        each.assign(np.zeros(each.shape, each.dtype))
    checkpoint.restore(path)
    check(model, values)
