"""Two models that train alike pass; of others the first step and why is said."""

import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3
from tests.testing.keras_models import rules, sequential
from tf_ckpt_migrate.testing import assert_same_training
from tf_ckpt_migrate.testing.updates import update_causes

RANDOM = np.random.default_rng(1)
BATCHES = [
    (
        RANDOM.normal(size=(8, 6)).astype(np.float32),
        RANDOM.normal(size=(8, 2)).astype(np.float32),
    )
    for _ in range(4)
]


def tf1(tf, net, optimizer, reduce=None):
    def build(x, y):
        hidden = tf.nn.relu(net.dense(x, 5, "d1"))
        loss = (reduce or tf.reduce_mean)((net.dense(hidden, 2, "d2") - y) ** 2)
        return loss, optimizer().minimize(loss)

    return build


def keras(tf, optimizer, *, frozen=False):
    layers = tf.keras.layers
    model = sequential(
        tf, layers.Dense(5, "relu", name="d1"), layers.Dense(2, name="d2")
    )
    model.build((None, 6))
    model.layers[0].trainable = not frozen
    model.compile(optimizer, "mse")
    return model


def failure(tf, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assert_same_training(*args, assignment_map=rules(tf), **kwargs)
    return str(caught.value)


def cause(text):
    assert "Likely cause:\n" in text
    return text.partition("Likely cause:\n")[2]


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_the_same(tf, net, name):
    train, optimizers = tf.compat.v1.train, tf.keras.optimizers
    pairs = {
        "sgd": (train.GradientDescentOptimizer(0.1), optimizers.SGD(0.1)),
        "momentum": (
            train.MomentumOptimizer(0.1, 0.9),
            optimizers.SGD(0.1, momentum=0.9),
        ),
        "adam": (train.AdamOptimizer(0.01), optimizers.Adam(0.01, epsilon=1e-8)),
    }
    one, other = pairs[name]
    assert_same_training(
        tf1(tf, net, lambda: one), keras(tf, other), BATCHES, assignment_map=rules(tf)
    )


def test_a_setting_is_found_by_training_anew(tf, net):
    model = keras(tf, tf.keras.optimizers.Adam(0.01))
    build = tf1(tf, net, lambda: tf.compat.v1.train.AdamOptimizer(0.01, epsilon=1e-2))
    text = failure(tf, build, model, BATCHES)
    assert text.startswith(
        "the model does not train as TF1 does: at step 1 of 4 steps its weights differ;"
    )
    assert cause(text) == (
        "  trained anew with epsilon=0.01 it agrees; it has epsilon=1e-07, "
        "TF1's is 0.01"
    )
    assert model.optimizer.epsilon == 1e-7  # trying left no trace


def test_a_learning_rate(tf, net):
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    build, model = (
        tf1(tf, net, lambda: optimizer),
        keras(tf, tf.keras.optimizers.SGD(0.2)),
    )
    text = failure(tf, build, model, BATCHES)
    assert "trained anew with learning_rate=0.1 it agrees" in cause(text)
    assert float(model.optimizer.learning_rate) == np.float32(0.2)
    assert re.search(r"\n   1 +\S+ +\S+ +\S+ +\S+\n", text)  # a row for each step
    assert re.search(r"(net/)?d1/bias +\S+  at \[\d\]: \S+, expected ", text)


def test_a_momentum_shows_at_the_second_step(tf, net):
    optimizer = tf.compat.v1.train.MomentumOptimizer(0.1, 0.9)
    model = keras(tf, tf.keras.optimizers.SGD(0.1, momentum=0.8))
    text = failure(tf, tf1(tf, net, lambda: optimizer), model, BATCHES)
    assert "at step 2 of 4 steps its weights differ" in text
    assert re.search(r"\n   1 .* agrees\n", text)
    assert "trained anew with momentum=0.9 it agrees" in cause(text)


def test_another_optimizer(tf, net):
    optimizer = tf.compat.v1.train.RMSPropOptimizer(0.1)
    model = keras(tf, tf.keras.optimizers.SGD(0.1))
    text = failure(tf, tf1(tf, net, lambda: optimizer), model, BATCHES)
    assert "TF1 trains by ApplyRMSProp, the model by SGD" in cause(text)


def test_a_sum_where_the_other_has_the_mean(tf, net):
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    build = tf1(tf, net, lambda: optimizer, tf.reduce_sum)
    text = failure(tf, build, keras(tf, tf.keras.optimizers.SGD(0.1)), BATCHES)
    assert "at step 1 of 4 steps its loss differs" in text
    assert "TF1's loss is 16 times the model's" in cause(text)


def test_a_regularization_that_the_model_lacks(tf, net):
    v1 = tf.compat.v1

    def build(x, y):
        loss = tf.reduce_mean((net.dense(x, 2, "d") - y) ** 2)
        (kernel, _) = v1.trainable_variables()
        v1.losses.add_loss(
            0.01 * tf.reduce_sum(kernel**2), v1.GraphKeys.REGULARIZATION_LOSSES
        )
        loss += v1.losses.get_regularization_loss()
        return loss, v1.train.GradientDescentOptimizer(0.1).minimize(loss)

    model = sequential(tf, tf.keras.layers.Dense(2, name="d"))
    model.build((None, 6))
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    text = failure(tf, build, model, BATCHES)
    assert "TF1's loss has its regularization losses, 0." in cause(text)


def test_a_layer_that_does_not_train(tf, net):
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    model = keras(tf, tf.keras.optimizers.SGD(0.1), frozen=True)
    text = failure(tf, tf1(tf, net, lambda: optimizer), model, BATCHES)
    assert re.match(
        r"  the model does not change '(net/)?d1/\w+', '(net/)?d1/\w+', which TF1 does",
        cause(text),
    )


def test_a_step_of_ones_own(tf, net):
    class Linear(tf.Module):
        def __init__(self):
            super().__init__(name="linear")
            self.kernel = tf.Variable(tf.zeros([6, 2]), name="d/kernel")
            self.bias = tf.Variable(tf.zeros([2]), name="d/bias")
            self.rate = 0.1

        def step(self, x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((x @ self.kernel + self.bias - y) ** 2)
            for variable in (self.kernel, self.bias):
                tape.watch(variable)
            weights = [self.kernel, self.bias]
            for variable, slope in zip(
                weights, tape.gradient(loss, weights), strict=True
            ):
                variable.assign_sub(self.rate * slope)
            return loss

    def build(x, y):
        loss = tf.reduce_mean((net.dense(x, 2, "d") - y) ** 2)
        train = net.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        return {"loss": loss, "train": train}

    linear = Linear()
    assert_same_training(build, linear, BATCHES, step=linear.step)
    linear.rate = 0.05
    with pytest.raises(AssertionError) as caught:
        assert_same_training(build, linear, BATCHES, step=linear.step)
    assert "every update is 0.5 times TF1's: another learning rate" in str(caught.value)


def test_what_cannot_be_trained(tf, net):
    with pytest.raises(TypeError, match="expected the loss and the operation"):
        assert_same_training(lambda x, y: x, tf.Module(), BATCHES)
    with pytest.raises(TypeError, match="no batches"):
        assert_same_training(lambda x, y: x, tf.Module(), [])


W = {"w": np.float32([1.0, -2.0, 3.0]), "bn/moving_mean": np.float32([0.0])}


def causes(expected, found):
    expected = {name: W[name] + np.float32(expected[name]) for name in W}
    found = {name: W[name] + np.float32(found[name]) for name in W}
    return [*update_causes(W, expected, found)]


def test_what_updates_tell():
    update = np.float32([0.1, 0.2, -0.1])
    assert causes(
        {"w": update, "bn/moving_mean": [0.01]}, {"w": update, "bn/moving_mean": [0.1]}
    ) == [
        (
            "moving averages move 10 times as far as TF1's: another momentum (decay) "
            "of batch normalization"
        )
    ]
    decayed = update - 0.01 * W["w"]
    (told,) = causes(
        {"w": update, "bn/moving_mean": [0]}, {"w": decayed, "bn/moving_mean": [0]}
    )
    assert told.startswith("the model's updates are TF1's and -0.01 times the weight")
    (told,) = causes(
        {"w": update, "bn/moving_mean": [0]}, {"w": update, "bn/moving_mean": [0.1]}
    )
    assert told.startswith("TF1 does not change 'bn/moving_mean', which the model does")
    other = np.float32([0.1, -0.2, 0.4])
    assert (
        causes(
            {"w": update, "bn/moving_mean": [0]}, {"w": other, "bn/moving_mean": [0]}
        )
        == []
    )


def test_optimizers_that_go_on(tf, goldens):
    """A recipe brings the state of TF1's optimizer into that of Keras."""
    prefix = goldens / "tf1_15/optimizer_momentum/model.ckpt"
    specs = {k: s.shape for k, s in tcm.load_checkpoint(prefix).specs.items()}
    assert "net/w/Momentum" in specs

    def build(x, y):
        v1 = tf.compat.v1
        w = v1.get_variable("net/w", specs["net/w"])
        b = v1.get_variable("net/b", specs["net/b"])
        loss = tf.reduce_mean((x @ w + b - y) ** 2)
        return loss, v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)

    rows, units = specs["net/w"]
    dense = tf.keras.layers.Dense(units, name="out")
    model = tf.keras.Sequential([dense], name="net")
    model.build((None, rows))
    model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    scope = "net/out/" if keras3(tf) else "out/"
    batches = [
        (
            RANDOM.normal(size=(4, rows)).astype(np.float32),
            RANDOM.normal(size=(4, units)).astype(np.float32),
        )
    ] * 3
    recipe = tcm.Recipe("optimizer", "Momentum", "optimizer")
    names = {"net/w": f"{scope}kernel", "net/b": f"{scope}bias"}
    assert_same_training(
        build,
        model,
        batches,
        checkpoint=prefix,
        assignment_map=[recipe, *(tcm.Rename(*pair) for pair in names.items())],
    )
