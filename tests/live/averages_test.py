"""Averages between TF1 and the optimizers of every Keras, and back."""

import os
from importlib import import_module

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.kerases import KERASES
from tests.live.readers import by_saver

EMA = "ExponentialMovingAverage"


@pytest.fixture(params=KERASES)
def keras(request, tf):
    return tf.keras if request.param == "tf.keras" else import_module("tf_keras")


def made(keras):
    """A model, and an optimizer that averages; with the scope of its variables."""
    layers = [
        keras.layers.Dense(2, name="d"),
        keras.layers.BatchNormalization(name="bn"),
    ]
    model = keras.Sequential(layers, name="net")
    model.build((None, 3))
    optimizer = keras.optimizers.SGD(use_ema=True, name="sgd")
    optimizer.build(model.trainable_variables)
    return model, optimizer, "net/" if hasattr(model.weights[0], "path") else "/"


def trained_in_tf1(tf, prefix):
    """Save a model with averages of its variables and of its statistics; return all."""
    v1 = tf.compat.v1
    shapes = {"d/kernel": [3, 2], "d/bias": [2], "bn/gamma": [2], "bn/beta": [2]}
    statistics = {"bn/moving_mean": [2], "bn/moving_variance": [2]}
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [
            v1.get_variable(f"tf1/{name}", shape, trainable=name in shapes)
            for name, shape in {**shapes, **statistics}.items()
        ]
        average = tf.train.ExponentialMovingAverage(0.5)
        with v1.variable_scope("train"):
            update = average.apply(variables)
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run([each.assign_add(tf.ones(each.shape)) for each in variables])
            session.run(update)
        path = v1.train.Saver().save(session, prefix)
        assert any(
            name.startswith("train/") for name, _ in tf.train.list_variables(path)
        )
    return path, by_saver(tf, path)


def weights(model):
    return {
        f"{layer.name}/{weight.name.split(':')[0].rpartition('/')[2]}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
    }


@pytest.mark.parametrize("use", ["raw", "average"])
def test_into_the_variables(tf, tmp_path, keras, use):
    path, values = trained_in_tf1(tf, str(tmp_path / "tf1"))
    model, _, scope = made(keras)
    tcm.restore(path, model, [tcm.Recipe("averages", "tf1/", scope, use=use)])
    found = weights(model)
    assert len(found) == 6
    for name, value in found.items():
        other = f"train/tf1/{name}/{EMA}" if use == "average" else f"tf1/{name}"
        np.testing.assert_array_equal(value, values[other])


def test_into_an_optimizer_that_averages_and_back(tf, tmp_path, keras):
    path, values = trained_in_tf1(tf, str(tmp_path / "tf1"))
    model, optimizer, scope = made(keras)
    statistics = [
        tcm.Drop(source=f"train/tf1/bn/{name}/{EMA}", reason="Keras has no average")
        for name in ("moving_mean", "moving_variance")
    ]
    rules = [tcm.Recipe("averages", "tf1/", scope, use="both")]
    target = tf.train.Checkpoint(model=model, optimizer=optimizer)
    missing = ["step", "slot", "optimizer"]
    # Keras averages what is trained: the statistics have no place for theirs.
    with pytest.raises(ValueError, match=f"tf1/bn/moving_mean/{EMA}"):
        tcm.restore(path, target, rules, missing=missing)
    tcm.restore(path, target, [*rules, *statistics], missing=missing)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, values[f"tf1/{name}"])
    saved = tcm.Checkpoint(model=model, optimizer=optimizer).write(
        str(tmp_path / "keras"), keys="name"
    )
    back = [
        tcm.Recipe("averages", scope, "tf1/", use="both"),
        tcm.RenameScope("/" if scope == "/" else scope, "tf1/"),
        *([] if scope == "/" else [tcm.Keep("/")]),
    ]
    plan = tcm.plan_migration(saved, None, back)
    again = by_saver(tf, os.fspath(tcm.convert(plan, tmp_path / "back")))
    for name in ("d/kernel", "d/bias", "bn/gamma", "bn/beta"):
        np.testing.assert_array_equal(again[f"tf1/{name}"], values[f"tf1/{name}"])
        average = values[f"train/tf1/{name}/{EMA}"]
        np.testing.assert_array_equal(again[f"tf1/{name}/{EMA}"], average)
