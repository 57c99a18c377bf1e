"""Convolution and batch norm, which TensorFlow's graph optimizer fuses."""

import numpy as np
import pytest

from tests.live.checkpoint_test import keras3
from tests.testing.keras_models import sequential
from tf_ckpt_migrate.testing import assert_same_outputs

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(1)
IMAGES = RANDOM.normal(size=(4, 6, 6, 2)).astype(np.float32)
# The names of the kernel and of the batch norm, as programs of TF1 had them.
SCOPINGS = {
    "one each": ("c1/kernel", "b1/"),
    "one for both": ("net/kernel", "net/"),
    "none": ("kernel", ""),
    "nested": ("net/block/conv/kernel", "net/block/norm/"),
    "slim": ("net/conv1/weights", "net/conv1/BatchNorm/"),
}
PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


def tower(net, scoping, *, training=False, epsilon=1e-3):
    kernel_name, norm = SCOPINGS[scoping]

    def variable(name, shape, value):
        scope, _, last = name.rpartition("/")
        with net.v1.variable_scope(scope or net.v1.get_variable_scope()):
            return net.v1.get_variable(last, shape, initializer=value)

    def build(images):
        tf, v1 = net.tf, net.v1
        random = v1.random_normal_initializer(seed=1)
        kernel = variable(kernel_name, [3, 3, 2, 5], random)
        with v1.name_scope(kernel_name.rpartition("/")[0] + "/" if norm else None):
            hidden = tf.nn.conv2d(images, kernel, 1, "SAME")
        values = [1.5, 0.25, 0.5, 2.0]
        parts = [
            variable(norm + part, [5], v1.constant_initializer(value))
            for part, value in zip(PARTS, values, strict=True)
        ]
        with v1.name_scope(norm or None):
            given = parts[:2] if training else parts
            hidden = v1.nn.fused_batch_norm(
                hidden, *given, epsilon=epsilon, is_training=training
            )[0]
        return tf.nn.relu(hidden)

    return build


def model_of(tf, epsilon=1e-3):
    layers = tf.keras.layers
    return sequential(
        tf,
        layers.Conv2D(5, 3, padding="same", use_bias=False, name="conv"),
        layers.BatchNormalization(epsilon=epsilon, name="bn"),
        layers.ReLU(name="r"),
    )


def rules(tf, scoping):
    kernel, norm = SCOPINGS[scoping]
    net = "net/" if keras3(tf) else ""
    found = {f"{norm}{part}": f"{net}bn/{part}" for part in PARTS}
    return {kernel: f"{net}conv/kernel", **found}


def exported(tf, build, path):
    """Write a graph as TF1 did, in a `.meta` file, and read it again."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        fed = v1.placeholder(tf.float32, [None, 6, 6, 2], name="images")
        tf.identity(build(fed), name="out")
        v1.train.export_meta_graph(path)
    with tf.Graph().as_default() as graph:
        v1.train.import_meta_graph(path)
    graph.finalize()
    return graph


@pytest.mark.parametrize("scoping", SCOPINGS)
@pytest.mark.parametrize("training", [False, True])
def test_in_any_scoping(tf, net, tmp_path, scoping, training):
    build = tower(net, scoping, training=training)
    graph = exported(tf, build, str(tmp_path / "graph.meta"))
    named = {"assignment_map": rules(tf, scoping), "training": training, "atol": 1e-5}
    model = model_of(tf)
    assert_same_outputs(build, model, IMAGES, **named)
    fed = {"images:0": IMAGES}
    assert_same_outputs(graph, model, fed, outputs="out", **named)
    # Another epsilon is noticed, and named; after that all is as it was.
    other = model_of(tf, 0.5)
    for _ in range(2 if scoping == "slim" else 1):
        with pytest.raises(AssertionError, match=r"layer 'bn': with epsilon=0\.001"):
            assert_same_outputs(graph, other, fed, outputs="out", **named)
    assert_same_outputs(graph, model, fed, outputs="out", **named)


def test_a_failure_leaves_the_weights(tf, net):
    model = model_of(tf, 0.5)
    model(IMAGES)
    for each in model.weights:
        each.assign(RANDOM.uniform(1, 2, each.shape).astype(np.float32))
    before = model.get_weights()
    build = tower(net, "one each", training=True)
    for training in (False, True):
        with pytest.raises(AssertionError):
            assert_same_outputs(
                build, model, IMAGES, restore_model=False, training=training
            )
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_more_is_fed_to_the_graph_alone(tf, net):
    v1 = net.v1
    with tf.Graph().as_default() as graph:
        fed = v1.placeholder(tf.float32, [None, 6], name="x")
        flag = v1.placeholder(tf.bool, [], name="is_training")
        y = net.dense(fed, 3, "d")
        tf.identity(tf.cond(flag, lambda: y * 2.0, lambda: y), name="y")
    model = sequential(tf, tf.keras.layers.Dense(3, name="d"))
    scope = "net/d/" if keras3(tf) else "d/"
    x = {"x": RANDOM.normal(size=(2, 6)).astype(np.float32)}
    named = {"outputs": "y", "assignment_map": {"d/": scope}}
    assert_same_outputs(graph, model, x, feed_dict={"is_training": False}, **named)
    with pytest.raises(AssertionError, match="TF1's value is 2 times the model's"):
        assert_same_outputs(graph, model, x, feed_dict={"is_training": True}, **named)


@pytest.mark.parametrize("v2_control_flow", [False, True])
def test_layers_in_loops_and_branches(tf, net, tmp_path, v2_control_flow):
    """What is in a loop, or a branch, runs another number of times than once."""
    v1 = net.v1

    def build(x):
        with v1.variable_scope("d"):
            w = v1.get_variable("kernel", [5, 5])
            b = v1.get_variable("bias", [5])
            x = v1.cond(x[0, 0] > -99.0, lambda: x @ w + b, lambda: x)
            x = v1.while_loop(
                lambda n, y: n < 2, lambda n, y: (n + 1, tf.tanh(y @ w)), [0, x]
            )[1]
            first, second = tf.split(x, [2, 3], axis=1)
        return tf.concat([second, first], 1)

    class Net(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__(name="net")
            self.d = tf.keras.layers.Dense(5, name="d")

        def call(self, x):
            x = self.d(x)
            for _ in range(2):
                x = tf.tanh(x @ tf.convert_to_tensor(self.d.kernel))
            return tf.concat([x[:, 2:], x[:, :2]], 1)

    x = RANDOM.normal(size=(2, 5)).astype(np.float32)
    rules = {"d/": "net/d/"}
    switch = v1.enable_control_flow_v2 if v2_control_flow else None
    before = v1.control_flow_v2_enabled()
    (switch or v1.disable_control_flow_v2)()
    try:
        with tf.Graph().as_default():
            fed = v1.placeholder(tf.float32, [2, 5], name="x")
            tf.identity(build(fed), name="out")
            v1.train.export_meta_graph(str(tmp_path / "g.meta"))
        with tf.Graph().as_default() as graph:
            v1.train.import_meta_graph(str(tmp_path / "g.meta"))
        assert_same_outputs(build, Net(), x, assignment_map=rules)
        assert_same_outputs(graph, Net(), {"x": x}, outputs="out", assignment_map=rules)
    finally:
        if before:
            v1.enable_control_flow_v2()
        else:
            v1.disable_control_flow_v2()
