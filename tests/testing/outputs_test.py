"""Two models that give the same pass; of others it is said where, and why."""

import re

import numpy as np
import pytest

from tests.live.checkpoint_test import keras3
from tests.testing.keras_models import rules, sequential
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.testing import assert_same_outputs

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(4, 6)).astype(np.float32)
IMAGES = RANDOM.normal(size=(2, 8, 8, 3)).astype(np.float32)


def two_layers(tf, activation="relu"):
    layers = tf.keras.layers
    return sequential(
        tf,
        layers.Dense(5, activation=activation, name="d1"),
        layers.Dense(2, name="d2"),
    )


def convnet(tf, epsilon=1e-3):
    layers = tf.keras.layers
    return sequential(
        tf,
        layers.Conv2D(4, 3, 2, padding="same", name="c"),
        layers.BatchNormalization(epsilon=epsilon, name="bn"),
        layers.ReLU(name="r"),
        layers.Flatten(name="f"),
        layers.Dense(2, name="d"),
    )


def tf1_convnet(tf, net, **options):
    def build(x):
        y = net.batch_norm(net.conv(x, 4, "c"), "bn", **options)
        return net.dense(net.flat(tf.nn.relu(y)), 2, "d")

    return build


def failure(tf, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assert_same_outputs(*args, assignment_map=rules(tf), **kwargs)
    return str(caught.value)


def row(text, name):
    """The row of a tensor in a failure's table."""
    (line,) = (e for e in text.splitlines() if re.match(re.escape(name) + r"\s", e))
    return line


def test_the_same(tf, net):
    def build(x):
        return net.dense(tf.nn.relu(net.dense(x, 5, "d1")), 2, "d2")

    assert_same_outputs(build, two_layers(tf), X, assignment_map=rules(tf))
    assert_same_outputs(
        tf1_convnet(tf, net), convnet(tf), IMAGES, assignment_map=rules(tf)
    )


def test_from_a_checkpoint(tf, net):
    def build(x):
        return net.dense(x, 2, "d")

    values = {
        "d/kernel": RANDOM.normal(size=(6, 2)).astype(np.float32),
        "d/bias": np.float32([1, 2]),
        "d/bias/Adam": np.zeros(2, np.float32),
        "global_step": np.int64(3),
    }
    model = sequential(tf, tf.keras.layers.Dense(2, name="d"))
    with example_checkpoint(values) as prefix:
        assert_same_outputs(
            build, model, X, checkpoint=prefix, assignment_map=rules(tf)
        )
        expected = X @ values["d/kernel"] + values["d/bias"]
        np.testing.assert_allclose(model(X), expected, rtol=1e-5)
        model.layers[0].bias.assign([1, 3])
        text = failure(tf, build, model, X, checkpoint=prefix, restore_model=False)
    assert "'output' is off by up to 1;" in text
    with (
        example_checkpoint({"d/kernel": values["d/kernel"]}) as prefix,
        pytest.raises(PlanError, match="d/bias"),
    ):
        assert_same_outputs(build, model, X, checkpoint=prefix)


def test_the_first_difference_is_told_with_its_size_and_place(tf, net):
    def build(x):
        y = net.dense(x, 5, "d1")
        return net.dense(tf.nn.relu(y) * tf.cosh(0.1 * y), 2, "d2")

    text = failure(tf, build, two_layers(tf), X)
    assert re.match(r"the model does not give what TF1 gives: 'output' is off by", text)
    assert "1e-06 + 1e-05 of the largest value" in text
    assert "first to differ" not in row(text, "output")
    assert text.count("first to differ, at [") == 1
    assert "No cause was found by trying." in text
    assert "Tried without effect: training flag, activation" in text or (
        "Tried without effect: activation" in text
    )


@pytest.mark.parametrize("where", ["layer", "activation", "custom"])
def test_gelu_by_tanh(tf, net, where):
    def build(x):
        y = tf.nn.gelu(net.dense(x, 5, "d1"), approximate=True)
        return net.dense(y, 2, "d2")

    class Gelu(tf.keras.layers.Layer):
        def call(self, x):
            return tf.nn.gelu(x)

    layers = tf.keras.layers
    last = layers.Dense(2, name="d2")
    model = {
        "layer": lambda: two_layers(tf, tf.nn.gelu),
        "activation": lambda: sequential(
            tf, layers.Dense(5, name="d1"), layers.Activation("gelu", name="g"), last
        ),
        "custom": lambda: sequential(
            tf, layers.Dense(5, name="d1"), Gelu(name="g"), last
        ),
    }[where]()
    text = failure(tf, build, model, X)
    cause = {
        "layer": "layer 'd1': with activation=GELU by tanh (approximate=True) it",
        "activation": "layer 'g': with activation=GELU by tanh (approximate=True) it",
        "custom": "with the other GELU (tf.nn.gelu's approximate= turned around) it",
    }[where]
    assert f"Likely cause, tried out:\n  {cause}" in text


def test_epsilon(tf, net):
    text = failure(tf, tf1_convnet(tf, net, epsilon=1e-5), convnet(tf), IMAGES)
    assert "first to differ" in row(text, "bn/FusedBatchNormV3:0")
    assert "agrees" in row(text, "c/add:0")
    assert text.endswith("tried out:\n" + text.rpartition("tried out:\n")[2])
    (cause,) = text.rpartition("tried out:\n")[2].splitlines()
    assert cause.startswith("  layer 'bn': with epsilon=1e-05, not 0.001, it agrees")


def test_batch_norm_that_trains(tf, net):
    model = convnet(tf)
    text = failure(tf, tf1_convnet(tf, net, training=True), model, IMAGES)
    assert (
        "layer 'bn': with training=True it agrees: TF1 normalizes by the stat" in text
    )
    before = [v.numpy() for v in model.weights]
    failure(tf, tf1_convnet(tf, net, training=True), model, IMAGES, restore_model=False)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())  # trying left no trace


def test_padding_at_both_ends(tf, net):
    def build(x):
        padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        y = net.batch_norm(net.conv(padded, 4, "c", padding="VALID"), "bn")
        return net.dense(net.flat(tf.nn.relu(y)), 2, "d")

    text = failure(tf, build, convnet(tf), IMAGES)
    assert "layer 'c': with padding='valid' after zeros on both sides" in text


def test_valid_against_same(tf, net):
    def build(x):
        y = net.conv(x, 4, "c", strides=1, padding="VALID")
        return tf.reduce_mean(y, [1, 2])

    layers = tf.keras.layers
    model = sequential(
        tf,
        layers.Conv2D(4, 3, padding="same", name="c"),
        layers.GlobalAveragePooling2D(name="p"),
    )
    text = failure(tf, build, model, IMAGES)
    assert "layer 'c': with padding='valid', not 'same', it agrees" in text


def test_channels_flattened_first(tf, net):
    def build(x):
        y = tf.nn.relu(net.batch_norm(net.conv(x, 4, "c"), "bn"))
        return net.dense(net.flat(tf.transpose(y, [0, 3, 1, 2])), 2, "d")

    text = failure(tf, build, convnet(tf), IMAGES)
    assert "layer 'd': with its input flattened channels first it agrees" in text


def test_colours_reversed(tf, net):
    build = tf1_convnet(tf, net)
    text = failure(tf, lambda x: build(x[..., ::-1]), convnet(tf), IMAGES)
    assert "layer 'c': with the channels of its input in reverse it agrees" in text


def test_a_kernel_that_should_be_transposed(tf, net):
    def build(x):
        with net.v1.variable_scope("d"):
            kernel = net.v1.get_variable("kernel", [6, 6])
            bias = net.v1.get_variable("bias", [6])
            return tf.matmul(x, kernel, transpose_b=True) + bias

    model = sequential(tf, tf.keras.layers.Dense(6, name="d"))
    text = failure(tf, build, model, X)
    assert "layer 'd': with 'kernel' transposed by (1, 0) it agrees" in text


def test_weights_that_are_exchanged(tf, net):
    def build(x):
        return net.batch_norm(x, "bn")

    model = sequential(tf, tf.keras.layers.BatchNormalization(name="bn"))
    scope = "net/bn" if keras3(tf) else "bn"
    crossed = {
        "bn/gamma": f"{scope}/beta",
        "bn/beta": f"{scope}/gamma",
        "bn/": f"{scope}/",
    }
    images = IMAGES
    with pytest.raises(AssertionError) as caught:
        assert_same_outputs(build, model, images, assignment_map=crossed)
    assert re.search(
        r"layer 'bn': with '(beta|gamma)' as '(beta|gamma)'.* it agrees: these are",
        str(caught.value),
    )


def test_dropout_left_on(tf, net):
    layers = tf.keras.layers
    model = sequential(
        tf,
        layers.Dense(5, name="d1"),
        layers.Dropout(0.5, name="drop"),
        layers.Dense(2, name="d2"),
    )

    def build(x, rate=0.0):
        y = net.dense(x, 5, "d1")
        y = net.v1.nn.dropout(y, rate=rate) if rate else y
        return net.dense(y, 2, "d2")

    assert_same_outputs(build, model, X, assignment_map=rules(tf))
    text = failure(tf, build, model, X, training=True)
    assert "layer 'drop' of the model is random" in text
    text = failure(tf, lambda x: build(x, 0.5), model, X)
    assert "TF1's outputs are random" in text
    assert "build the graph for inference" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softmax", "TF1 gives the softmax of what the model gives"),
        ("transposed", "order of its axes: transposed by (1, 0) it agrees"),
        ("scaled", "TF1's value is 3 times the model's"),
    ],
)
def test_outputs_of_another_form(tf, net, name, text):
    change = {
        "softmax": tf.nn.softmax,
        "transposed": tf.transpose,
        "scaled": lambda x: 3.0 * x,
    }[name]
    model = sequential(tf, tf.keras.layers.Dense(5, name="d"))
    assert text in failure(tf, lambda x: change(net.dense(x, 5, "d")), model, X)


def test_gates_of_an_lstm(tf, net):
    """A cell of TF1 against Keras' layer, without the recipe for it."""

    def build(x):
        kernel = net.v1.get_variable("kernel", [3, 16])
        recurrent = net.v1.get_variable("recurrent_kernel", [4, 16])
        bias = net.v1.get_variable("bias", [16])
        state = output = tf.zeros([x.shape[0], 4])
        for step in tf.unstack(x, axis=1):
            gates = step @ kernel + output @ recurrent + bias
            i, j, f, o = tf.split(gates, 4, axis=1)
            state = tf.sigmoid(f + 1.0) * state + tf.sigmoid(i) * tf.tanh(j)
            output = tf.sigmoid(o) * tf.tanh(state)
        return output

    model = sequential(tf, tf.keras.layers.LSTM(4, name="lstm"))
    x = RANDOM.normal(size=(2, 3, 3)).astype(np.float32)
    scope = "net/lstm/lstm_cell/" if keras3(tf) else "lstm/lstm_cell/"
    with pytest.raises(AssertionError) as caught:
        assert_same_outputs(build, model, x, assignment_map={"/": scope})
    assert "with the gates reordered, and forget_bias added, it agrees" in str(
        caught.value
    )


def test_named_layers(tf, net):
    def build(x):
        hidden = tf.tanh(net.dense(x, 5, "d1"), name="hidden")
        return {"logits": net.dense(hidden, 2, "d2"), "hidden": hidden}

    model = two_layers(tf, "tanh")

    class Both(tf.Module):
        def __init__(self):
            super().__init__(name="both")
            self.net = model

        def __call__(self, x):
            hidden = self.net.layers[0](x)
            return {"logits": self.net.layers[1](hidden), "hidden": hidden}

    layers = {
        "hidden:0": "d1",
        "d1/add": lambda module, x: tf.atanh(module(x)["hidden"]),
    }
    both = Both()
    model(X)
    assert_same_outputs(
        build, both, X, assignment_map=rules(tf), layers=layers, rtol=1e-4
    )
    text = failure(tf, build, both, X, layers={"hidden": "d2"})
    assert "shape [4, 2], expected [4, 5]" in text
    with pytest.raises(LookupError, match=r"no layer 'd3'; nearest are .'d"):
        failure(tf, build, both, X, layers={"hidden": "d3"})
    with pytest.raises(
        LookupError, match=r"no tensor 'hiddem:0'; nearest are .'hidden"
    ):
        failure(tf, build, both, X, layers={"hiddem": "d1"})


def test_a_graph_with_named_tensors(tf, net):
    with tf.Graph().as_default() as graph:
        x = net.v1.placeholder(tf.float32, [None, 6], name="x")
        tf.identity(net.dense(x, 2, "d"), name="y")
    model = sequential(tf, tf.keras.layers.Dense(2, name="d"))
    options = {"assignment_map": rules(tf), "outputs": "y"}
    assert_same_outputs(graph, model, {"x": X}, **options)
    with pytest.raises(TypeError, match="of a Graph inputs are a dict"):
        assert_same_outputs(graph, model, X, **options)


def test_arguments_by_name_and_by_place(tf, net):
    class Sum(tf.Module):
        def __call__(self, a, b):
            return a - b

    def build(a, b):
        return a - b

    assert_same_outputs(build, Sum(), (X, X + 1))
    assert_same_outputs(build, Sum(), {"b": X + 1, "a": X})
    assert_same_outputs(lambda b, a: a - b, Sum(), {"b": X + 1, "a": X})
    text = failure(tf, lambda a, b: b - a, Sum(), {"b": X + 1, "a": X})
    assert "'output' is off by up to 2;" in text


def test_what_is_no_model_of_tf1(tf):
    with pytest.raises(TypeError, match="no model of TF1"):
        assert_same_outputs(tf.Module(), tf.Module(), X)
    with pytest.raises(TypeError, match="TF1 gives 2 outputs"):
        assert_same_outputs(lambda x: [x, x], lambda x: x, X)


def test_not_numbers(tf):
    def infinite(x):
        return x / tf.zeros_like(x)

    assert_same_outputs(infinite, infinite, X)
    text = failure(tf, infinite, lambda x: x, X)
    assert "expected -inf" in text or "expected inf" in text
