"""Causes of a difference: each is named only if the outputs agree when it is tried."""

import ast
import re

import numpy as np
import pytest

from tests.live.checkpoint_test import keras3
from tests.testing.keras_models import rules, sequential
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.testing import assert_same_outputs

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(4, 5)).astype(np.float32)
IMAGES = RANDOM.normal(size=(2, 9, 9, 3)).astype(np.float32)


def failure(*args, **named):
    with pytest.raises(AssertionError) as caught:
        assert_same_outputs(*args, **named)
    return str(caught.value)


def as_advised(text, wrong):
    """A map that is changed as a message says: to the letter."""
    line = text.partition("Put these rules first in assignment_map")[2].splitlines()[0]
    replaced, _, rules = line.rpartition(": {")
    rest = [each for each in AssignmentMap(wrong) if repr(each) not in replaced]
    return [*ast.literal_eval("{" + rules).items(), *rest]


def chain(tf, count=4):
    layers = [tf.keras.layers.Dense(5, "tanh", name=f"d{n}") for n in range(count)]
    return sequential(tf, *layers)


def tf1_chain(tf, net, count=4):
    def build(x):
        for n in range(count):
            x = tf.tanh(net.dense(x, 5, f"d{n}"))
        return x

    return build


def crossed(tf, places, parts=("",)):
    """Rules to the layers in the order of these places."""
    scope = "net/" if keras3(tf) else ""
    return {
        f"d{n}/{part}": f"{scope}d{place}/{part}"
        for n, place in enumerate(places)
        for part in parts
    }


@pytest.mark.parametrize("places", [[0, 2, 1, 3], [3, 1, 2, 0], [1, 2, 0, 3]])
def test_layers_that_are_exchanged(tf, net, places):
    """Two of them, neighbours or not, or three in a circle."""
    build, model, wrong = tf1_chain(tf, net), chain(tf), crossed(tf, places)
    text = failure(build, model, X, assignment_map=wrong)
    assert re.search(r"the weights of layers 'd\d' and 'd\d' exchanged it agrees", text)
    assert ("Likely causes, tried out together:" in text) is (places[0] == 1)
    right = as_advised(text, wrong)
    assert_same_outputs(build, model, X, assignment_map=right)


def test_layers_that_are_exchanged_where_no_tensor_is_known(tf, net):
    def build(x):
        for n in range(3):  # without scopes, every layer may be any tensor
            kernel = net.v1.get_variable(f"w{n}", [5, 5])
            x = tf.tanh(x @ kernel + net.v1.get_variable(f"b{n}", [5]))
        return x

    scope = "net/" if keras3(tf) else ""
    wrong = {
        f"{of}{n}": f"{scope}d{place}/{part}"
        for n, place in enumerate([0, 2, 1])
        for of, part in [("w", "kernel"), ("b", "bias")]
    }
    model = chain(tf, 3)
    text = failure(build, model, X, assignment_map=wrong)
    assert "with the weights of layers 'd1' and 'd2' exchanged it agrees" in text
    right = as_advised(text, wrong)
    assert_same_outputs(build, model, X, assignment_map=right)


def test_norms_that_are_exchanged(tf, net):
    def build(x):
        y = net.conv(x, 3, "c1", strides=1)
        y = tf.nn.relu(net.batch_norm(y, "n1"))
        return net.batch_norm(net.conv(y, 3, "c2", strides=1), "n2")

    layers = tf.keras.layers
    model = sequential(
        tf,
        layers.Conv2D(3, 3, padding="same", name="c1"),
        layers.BatchNormalization(name="n1"),
        layers.ReLU(name="r"),
        layers.Conv2D(3, 3, padding="same", name="c2"),
        layers.BatchNormalization(name="n2"),
    )
    scope = "net/" if keras3(tf) else ""
    wrong = {"n1/": f"{scope}n2/", "n2/": f"{scope}n1/", "/": scope or "/"}
    text = failure(build, model, IMAGES, assignment_map=wrong, atol=1e-5)
    assert "with the weights of layers 'n1' and 'n2' exchanged it agrees" in text
    right = as_advised(text, wrong)
    assert_same_outputs(build, model, IMAGES, assignment_map=right, atol=1e-5)


def test_one_variable_that_is_exchanged(tf, net):
    build, model = tf1_chain(tf, net, 3), chain(tf, 3)
    kernels = crossed(tf, [1, 0, 2], ["kernel"])
    wrong = {**kernels, **crossed(tf, [0, 1, 2], ["bias"])}
    text = failure(build, model, X, assignment_map=wrong)
    assert "with 'kernel' of layers 'd0' and 'd1' exchanged it agrees" in text
    right = as_advised(text, wrong)
    assert_same_outputs(build, model, X, assignment_map=right)


def test_an_exchange_without_a_map_has_no_advice(tf, net):
    model = chain(tf)
    build = tf1_chain(tf, net)
    assert_same_outputs(build, model, X, assignment_map=rules(tf))
    one, other = (model.get_layer(name).get_weights() for name in ("d1", "d2"))
    model.get_layer("d1").set_weights(other)
    model.get_layer("d2").set_weights(one)
    text = failure(build, model, X, restore_model=False)
    assert "with the weights of layers 'd1' and 'd2' exchanged it agrees" in text
    assert "assignment_map" not in text


def test_the_same_cause_in_many_layers_is_one(tf, net):
    def build(x):
        for n in range(3):
            x = net.batch_norm(net.conv(x, 3, f"c{n}"), f"n{n}", epsilon=0.01)
        return x

    layers = tf.keras.layers
    pairs = [
        each
        for n in range(3)
        for each in (
            layers.Conv2D(3, 3, 2, padding="same", name=f"c{n}"),
            layers.BatchNormalization(name=f"n{n}"),
        )
    ]
    model = sequential(tf, *pairs)
    text = failure(build, model, IMAGES, assignment_map=rules(tf), atol=1e-5)
    assert "Likely cause, tried out:\n  layers 'n0', 'n1', 'n2': with epsilon=" in text


def test_two_causes_together(tf, net):
    def build(x):
        y = net.batch_norm(net.conv(x, 3, "c0"), "n0", epsilon=0.01)
        y = tf.nn.elu(net.conv(y, 3, "c1"))
        return tf.reduce_mean(y, [1, 2])

    layers = tf.keras.layers
    model = sequential(
        tf,
        layers.Conv2D(3, 3, 2, padding="same", name="c0"),
        layers.BatchNormalization(name="n0"),
        layers.Conv2D(3, 3, 2, padding="same", activation="relu", name="c1"),
        layers.GlobalAveragePooling2D(name="p"),
    )
    text = failure(build, model, IMAGES, assignment_map=rules(tf), atol=1e-5)
    assert "Likely causes, tried out together:\n  layer 'n0': with epsilon=" in text
    assert "  layer 'c1': with activation=elu it agrees" in text


def test_what_mends_a_layer_but_not_the_outputs_is_no_cause(tf, net):
    def build(x):
        y = net.batch_norm(net.conv(x, 3, "c0"), "n0", epsilon=0.01)
        return net.conv(y, 3, "c1") * tf.cosh(net.conv(y, 3, "c1b"))

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__(name="net")
            conv = tf.keras.layers.Conv2D
            self.c0 = conv(3, 3, 2, padding="same", name="c0")
            self.n0 = tf.keras.layers.BatchNormalization(name="n0")
            self.c1 = conv(3, 3, 2, padding="same", name="c1")
            self.c1b = conv(3, 3, 2, padding="same", name="c1b")

        def call(self, x):
            y = self.n0(self.c0(x))
            return self.c1(y) * self.c1b(y)

    net_rules = {"/": "net/"}
    text = failure(build, Net(), IMAGES, assignment_map=net_rules, atol=1e-5)
    assert "Likely cause" not in text
    assert "mends the first difference, but not the outputs:\n  layer 'n0':" in text


def pooled(tf, net, pool):
    def build(x):
        return net.dense(net.flat(pool(net.conv(x, 4, "c", strides=1))), 2, "d")

    return build


def pooling_model(tf, *pool):
    layers = tf.keras.layers
    return sequential(
        tf,
        layers.Conv2D(4, 3, padding="same", name="c"),
        *pool,
        layers.Flatten(name="f"),
        layers.Dense(2, name="d"),
    )


ZEROS = [[0, 0], [1, 1], [1, 1], [0, 0]]


def test_same_against_zeros_before_a_pooling(tf, net):
    even = IMAGES[:, :8, :8]
    layers = tf.keras.layers

    def zeros(x):
        return tf.nn.max_pool2d(tf.pad(x, ZEROS), 3, 2, "VALID")

    def same(x):
        return tf.nn.max_pool2d(x, 3, 2, "SAME")

    model = pooling_model(tf, layers.MaxPooling2D(3, 2, padding="same", name="p"))
    text = failure(pooled(tf, net, zeros), model, even, assignment_map=rules(tf))
    assert "layer 'p': with padding='valid' after zeros on both sides" in text
    explicit = [layers.ZeroPadding2D(1, name="z"), layers.MaxPooling2D(3, 2, name="p")]
    model = pooling_model(tf, *explicit)
    text = failure(pooled(tf, net, same), model, even, assignment_map=rules(tf))
    assert "layer 'p': with padding='same', without layer 'z' before it, it" in text


def test_zeros_on_other_sides(tf, net):
    def zeros(x):
        padded = tf.pad(x, [[0, 0], [0, 2], [0, 2], [0, 0]])
        return tf.nn.avg_pool2d(padded, 3, 2, "VALID")

    layers = tf.keras.layers
    pool = [layers.ZeroPadding2D(1, name="z"), layers.AveragePooling2D(3, 2, name="p")]
    model = pooling_model(tf, *pool)
    text = failure(pooled(tf, net, zeros), model, IMAGES, assignment_map=rules(tf))
    assert "layer 'z': with padding=((0, 2), (0, 2)), not ((1, 1), (1, 1)), it" in text


@pytest.mark.parametrize("kind", ["LSTM", "both"])
def test_hard_sigmoid_of_tf1(tf, net, kind):
    """Also where the layer would run as one fused operation."""
    hard = lambda x: tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)  # noqa: E731

    def lstm(x, scope):
        with net.v1.variable_scope(scope):
            kernel = net.v1.get_variable("kernel", [5, 20])
            recurrent = net.v1.get_variable("recurrent_kernel", [5, 20])
            bias = net.v1.get_variable("bias", [20])
        state = output = tf.zeros([x.shape[0], 5])
        outputs = []
        for step in tf.unstack(x, axis=1):
            i, f, c, o = tf.split(step @ kernel + output @ recurrent + bias, 4, 1)
            state = hard(f) * state + hard(i) * tf.tanh(c)
            output = hard(o) * tf.tanh(state)
            outputs.append(output)
        return tf.stack(outputs, 1)

    def gru(x, scope):
        with net.v1.variable_scope(scope):
            kernel = net.v1.get_variable("kernel", [5, 15])
            recurrent = net.v1.get_variable("recurrent_kernel", [5, 15])
            bias = net.v1.get_variable("bias", [15])
        output = tf.zeros([x.shape[0], 5])
        outputs = []
        for step in tf.unstack(x, axis=1):
            given = step @ kernel + bias
            gates = hard(given[:, :10] + output @ recurrent[:, :10])
            z, r = tf.split(gates, 2, 1)
            new = tf.tanh(given[:, 10:] + (r * output) @ recurrent[:, 10:])
            output = z * output + (1.0 - z) * new
            outputs.append(output)
        return tf.stack(outputs, 1)

    layers = tf.keras.layers
    makers = {
        "LSTM": (lstm, lambda n: layers.LSTM(5, return_sequences=True, name=n)),
        "GRU": (
            gru,
            lambda n: layers.GRU(5, return_sequences=True, reset_after=False, name=n),
        ),
    }
    kinds = ["LSTM", "GRU"] if kind == "both" else [kind]

    def build(x):
        for each in kinds:
            x = makers[each][0](x, each.lower())
        return x

    model = sequential(tf, *(makers[each][1](each.lower()) for each in kinds))
    scope = "net/" if keras3(tf) else ""
    over = {f"{k}/": f"{scope}{k}/{k}_cell/" for k in map(str.lower, kinds)}
    x = RANDOM.normal(size=(2, 2, 5)).astype(np.float32)
    text = failure(build, model, x, assignment_map=over, atol=1e-5)
    named = ", ".join(repr(each.lower()) for each in kinds)
    layer = "layers" if kind == "both" else "layer"
    cause = f"{layer} {named}: with recurrent_activation=hard_sigmoid of TF1's Keras"
    assert cause in text
