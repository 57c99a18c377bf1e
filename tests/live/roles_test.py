"""What the variables of Keras are to training, in the source and under every name."""

import importlib

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.kerases import KERASES

OPTIMIZERS = [
    *("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax"),
    *("Adafactor", "Nadam", "Ftrl", "Lion", "Lamb", "Muon"),
]
OPTIONS = [
    *((name, {}) for name in OPTIMIZERS),
    ("SGD", {"momentum": 0.9, "name": "generator_opt"}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {"amsgrad": True, "learning_rate": "schedule"}),
    ("Adam", {"use_ema": True}),
]
LEGACY = ["SGD", "RMSprop", "Adam", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl"]


def keras_of(tf, name):
    return tf.keras if name == "tf.keras" else importlib.import_module(name)


def network(keras, value=0.5):
    constant = keras.initializers.Constant(value)
    layers = [
        keras.layers.InputLayer((3,)),
        keras.layers.Dense(3, name="first"),
        keras.layers.Dense(4, name="last", kernel_initializer=constant),
    ]
    return keras.Sequential(layers)


def trained(keras, optimizer):
    model = network(keras)
    model.compile(optimizer, "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 4)), verbose=0)
    return model


def weights_of(prefix):
    found = tcm.inspect_checkpoint(prefix)
    return [each for each in found.tensors if each.role == "weight"], found.parameters


def check(tf, keras, model, folder):
    """Check that weights stay weights, and are all that the model alone needs."""
    source = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    source = source.write(f"{folder}/source")
    parameters = 4 * 3 + 4 * 4
    assert weights_of(source)[1] == parameters
    for names in ("full_name", "key"):
        by_name = tcm.convert_tf2_to_tf1(source, f"{folder}/{names}", names=names)
        found, count = weights_of(by_name)
        assert (len(found), count) == (4, parameters)
        pruned = tcm.prune(by_name, f"{folder}/{names}-pruned", roles=ALL)
        assert len(tf.train.list_variables(pruned.prefix)) == 4
    other = network(keras, 0.25)
    pruned = tcm.prune(source, f"{folder}/pruned", roles=ALL)
    status = tf.train.Checkpoint(model=other).read(pruned.prefix)
    status.assert_consumed()
    for a, b in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


ALL = ("slot", "optimizer", "average", "step")


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("which", KERASES)
def test_optimizers(tf, which, name, options, tmp_path):
    keras = keras_of(tf, which)
    if not hasattr(keras.optimizers, name):
        pytest.skip(f"{which} has no {name}")
    if "learning_rate" in options:
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
        options = options | {"learning_rate": schedule}
    optimizer = getattr(keras.optimizers, name)(**options)
    check(tf, keras, trained(keras, optimizer), tmp_path)


@pytest.mark.parametrize("name", LEGACY)
def test_legacy_optimizers(tf, name, tmp_path):
    keras = keras_of(tf, KERASES[-1])
    check(tf, keras, trained(keras, getattr(keras.optimizers.legacy, name)()), tmp_path)


@pytest.mark.parametrize("name", ["adam_3", "generator_opt"])
@pytest.mark.parametrize("which", KERASES)
def test_a_loss_scale(tf, which, name, tmp_path):
    keras = keras_of(tf, which)
    adam = keras.optimizers.Adam(name=name)
    scaled = keras.mixed_precision.LossScaleOptimizer(adam)
    check(tf, keras, trained(keras, scaled), tmp_path)


def test_two_optimizers_of_one_name(tf, tmp_path):
    keras = keras_of(tf, KERASES[-1])
    models = [trained(keras, keras.optimizers.Adam()) for _ in range(2)]
    parts = {f"m{n}": model for n, model in enumerate(models)}
    parts |= {f"o{n}": model.optimizer for n, model in enumerate(models)}
    source = tf.train.Checkpoint(**parts).write(str(tmp_path / "ckpt"))
    made = tcm.convert_tf2_to_tf1(source, tmp_path / "out")
    assert len(weights_of(made)[0]) == len(weights_of(source)[0]) == 8
    assert "28 of 28 tensors go by their object paths" in made.notes[0]
    names = {key for key, _ in tf.train.list_variables(made.prefix)}
    assert {"o0/_iterations", "o1/_variables/1"} <= names


def test_metrics_of_a_saved_model(tf, tmp_path):
    keras = keras_of(tf, KERASES[-1])
    model = network(keras)
    model.compile("sgd", "mse", metrics=["mae", "mse"])
    model.fit(np.ones((4, 3)), np.ones((4, 4)), verbose=0)
    model.save(str(tmp_path / "saved"), save_format="tf")
    made = tcm.convert_tf2_to_tf1(tmp_path / "saved", tmp_path / "out")
    found = {key for key, _ in tf.train.list_variables(made.prefix)}
    assert {weight.name.split(":")[0] for weight in model.weights} <= found
    assert not found & {"count", "total"}
    dropped = [each.key for each in made.dropped if "metrics" in each.key]
    assert len(dropped) == 6
    pruned = tcm.prune(tmp_path / "saved", tmp_path / "pruned")
    status = tf.train.Checkpoint(network(keras)).read(pruned.prefix)
    status.assert_consumed()


class Net:
    """Makes a subclassed model with metrics of its own, as custom loops have them."""

    def __new__(cls, keras):
        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = keras.layers.Dense(2, name="dense")
                self.loss_tracker = keras.metrics.Mean(name="loss")
                self.auc = keras.metrics.AUC(num_thresholds=5)

            def call(self, inputs):
                return self.dense(inputs)

        model = Model()
        model(np.ones((1, 3), np.float32))
        model.loss_tracker.update_state(1.0)
        return model


@pytest.mark.parametrize("which", KERASES)
def test_metrics_of_a_model(tf, which, tmp_path):
    keras = keras_of(tf, which)
    model, bare = Net(keras), tf.Module()
    saved = tcm.Checkpoint(model=model).write(str(tmp_path / "ckpt"), keys="both")
    assert weights_of(saved)[1] == 3 * 2 + 2
    names = {k for k, _ in tf.train.list_variables(saved) if "/.ATTR" not in k}
    assert len([name for name in names if "dense" in name or "kernel" in name]) >= 1
    assert not any("count" in name or "positives" in name for name in names)
    bare.dense = keras.layers.Dense(2, name="dense")
    bare.dense.build((None, 3))
    tcm.restore(saved, tf.train.Checkpoint(model=bare))  # without its metrics
    for a, b in zip(bare.dense.get_weights(), model.dense.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    tcm.restore(saved, tf.train.Checkpoint(model=Net(keras)))


def test_tables_and_iterators_are_nobodys_weights(tf, tmp_path):
    def build(value):
        layer = tf.Module()
        layer.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        layer.table.insert(tf.constant(["a"]), tf.constant([value], tf.int64))
        layer.iterator = iter(tf.data.Dataset.range(3))
        layer.w = tf.Variable([float(value)], name="w")
        return layer

    source = tf.train.Checkpoint(net=build(1)).write(str(tmp_path / "ckpt"))
    assert weights_of(source)[1] == 1
    target = build(2)
    tcm.restore(source, tf.train.Checkpoint(net=target))
    assert target.w.numpy().tolist() == [1.0]
    assert target.table.lookup(tf.constant(["a"])).numpy().tolist() == [2]
    alone = tf.Module()
    alone.w = tf.Variable([0.0], name="w")
    tcm.restore(source, tf.train.Checkpoint(net=alone))  # has neither
    assert alone.w.numpy().tolist() == [1.0]
    tcm.prune(source, tmp_path / "pruned")
    restored = build(3)
    status = tf.train.Checkpoint(net=restored).read(str(tmp_path / "pruned"))
    status.assert_consumed()
    assert restored.table.lookup(tf.constant(["a"])).numpy().tolist() == [1]
    made = tcm.convert_tf2_to_tf1(source, tmp_path / "tf1")
    assert [key for key, _ in tf.train.list_variables(made.prefix)] == ["w"]
    back = tcm.convert_tf1_to_tf2(made, tmp_path / "back", like=source)
    again = build(4)
    tf.train.Checkpoint(net=again).read(back.prefix).assert_consumed()
    assert again.table.lookup(tf.constant(["a"])).numpy().tolist() == [1]


def test_an_empty_checkpoint_of_objects_stays_one(tf, tmp_path):
    source = tf.train.Checkpoint(net=tf.Module()).write(str(tmp_path / "ckpt"))
    plan = tcm.plan_migration(source, source)
    tcm.convert(plan, tmp_path / "out")
    assert tcm.inspect_checkpoint(tmp_path / "out").format == "object-based"
    status = tf.train.Checkpoint(net=tf.Module()).read(str(tmp_path / "out"))
    status.assert_consumed()
