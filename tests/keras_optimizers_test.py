"""``tcm.keras.optimizers`` in every Keras; ``tests/live`` compares them with TF1's."""

import inspect
import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.kerases import KERASES

X = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
Y = X.sum(1, keepdims=True)
FIT = {"batch_size": 4, "verbose": 0, "shuffle": False}
PROXIMAL = {"l1_regularization_strength": 1e-3, "l2_regularization_strength": 1e-3}
# What is not a default, so that it is seen to be kept.
SETTINGS = {
    "AdagradDAOptimizer": {
        "initial_gradient_squared_accumulator_value": 0.2,
        **PROXIMAL,
    },
    "AdamWeightDecayOptimizer": {
        "weight_decay_rate": 0.01,
        "exclude_from_weight_decay": ["bias"],
    },
    "LAMBOptimizer": {
        "weight_decay_rate": 0.01,
        "exclude_from_layer_adaptation": ["bias"],
    },
    "LARSOptimizer": {"weight_decay": 0.01, "eeta": 0.1, "skip_list": ["bias"]},
    "MomentumOptimizer": {"momentum": 0.8, "use_nesterov": True},
    "NadamOptimizer": {"beta1": 0.8, "epsilon": 1e-4},
    "ProximalAdagradOptimizer": {"initial_accumulator_value": 0.2, **PROXIMAL},
    "ProximalGradientDescentOptimizer": PROXIMAL,
}


# Keras 3 asks NumPy for an array as was the custom before version 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(params=KERASES)
def keras(request, tf):
    """The Keras of TensorFlow, and tf-keras beside it."""
    return tf.keras if request.param == "tf.keras" else import_module("tf_keras")


def made(keras, name, **more):
    """Return an optimizer under a schedule."""
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 4, 0.5)
    settings = {"learning_rate": rate, **SETTINGS[name], **more}
    return getattr(tcm.keras.optimizers.of(keras), name)(**settings)


def restores_its_schedules(keras):
    schedules = keras.optimizers.schedules
    rate = schedules.ExponentialDecay(0.05, 4, 0.5)
    return type(schedules.deserialize(schedules.serialize(rate))) is type(rate)


def model_with(keras, optimizer):
    begin = keras.initializers.GlorotUniform(0)
    layers = [
        keras.layers.Dense(4, name="d", kernel_initializer=begin),
        keras.layers.Dense(1, name="e", kernel_initializer=begin),
    ]
    model = keras.Sequential(layers, name="net")
    model.build((None, 3))
    model.compile(optimizer, "mse")
    return model


def names_of(optimizer):
    variables = optimizer.variables
    listed = variables() if callable(variables) else variables
    return [each.name.partition(":")[0].replace("/", "_") for each in listed]


def trained_in_a_loop(tf, model, optimizer):
    """Take the steps of two epochs; return the weights."""
    optimizer.build(model.trainable_variables)
    for first in [0, 4, 8, 12] * 2:
        with tf.GradientTape() as tape:
            found = model(X[first : first + 4])
            loss = tf.reduce_mean(tf.square(found - Y[first : first + 4]))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return model.get_weights()


@pytest.mark.tf
def test_all_of_them_are_tried():
    public = [name for name in tcm.keras.optimizers.__all__ if name != "of"]
    assert sorted(SETTINGS) == public


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_one_of_its_keras_and_keeps_its_settings(keras, name):
    # Where tf_keras is imported beside it, Keras 2 makes schedules of that one.
    given = {} if restores_its_schedules(keras) else {"learning_rate": 0.05}
    optimizer = made(keras, name, clipnorm=1.0, **given)
    assert isinstance(optimizer, keras.optimizers.Optimizer)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    again = keras.optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert again.get_config().items() >= {**SETTINGS[name], "clipnorm": 1.0}.items()
    assert again.tf1 == optimizer.tf1
    assert set(inspect.signature(type(again)).parameters) >= SETTINGS[name].keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_fit_does_as_a_loop(tf, name):
    keras = tf.keras
    model = model_with(keras, made(keras, name))
    model.fit(X, Y, epochs=2, **FIT)
    looped = trained_in_a_loop(tf, model_with(keras, "sgd"), made(keras, name))
    for one, two in zip(model.get_weights(), looped, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_saved_model_goes_on(tf, tmp_path, name):
    keras = tf.keras
    if keras is not import_module("tf_keras") and tf.__version__ < "2.16":
        keras = import_module("tf_keras")  # beside which Keras 2 loads models of it
    model = model_with(keras, made(keras, name))
    trained_in_a_loop(tf, model, model.optimizer)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    wanted = trained_in_a_loop(tf, model, model.optimizer)
    found = trained_in_a_loop(tf, again, again.optimizer)
    assert again.optimizer.tf1 == model.optimizer.tf1
    assert int(again.optimizer.iterations) == 16
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


LOADS = """
import sys, tensorflow as tf, tf_ckpt_migrate as tcm
tcm.keras.optimizers
optimizer = tf.keras.models.load_model(sys.argv[1]).optimizer
print(isinstance(optimizer, tcm.keras.optimizers.NadamOptimizer), optimizer.tf1.beta1)
print(int(optimizer.iterations))
"""


def test_a_new_process_loads_it(tf, tmp_path):
    model = model_with(tf.keras, made(tf.keras, "NadamOptimizer"))
    trained_in_a_loop(tf, model, model.optimizer)
    path = str(tmp_path / "model.keras")
    model.save(path)
    done = subprocess.run(
        [sys.executable, "-c", LOADS, path], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "0.8", "8"], done.stderr


def test_the_order_of_what_it_remembers(keras):
    optimizer = made(keras, "AdagradDAOptimizer", learning_rate=1)
    kernel, bias = model_with(keras, "sgd").layers[0].weights
    optimizer.build([kernel, bias])
    slots = [name for name in names_of(optimizer) if "accumulator" in name]
    assert [("squared" in name, "kernel" in name) for name in slots] == [
        *((False, True), (True, True), (False, False), (True, False)),
    ]
    assert float(optimizer.learning_rate) == 1.0


def test_half_precision(tf):
    keras = tf.keras
    layer = keras.layers.Dense(2, dtype="mixed_float16")
    layer.build((None, 3))
    scaling = getattr(keras.optimizers, "LossScaleOptimizer", None)
    scaling = scaling or keras.mixed_precision.LossScaleOptimizer
    inner = made(keras, "MomentumOptimizer", learning_rate=0.5, momentum=0.0)
    optimizer = scaling(inner)
    before = layer.kernel.numpy()
    optimizer.build(layer.trainable_variables)
    scale_loss = getattr(optimizer, "scale_loss", None) or optimizer.get_scaled_loss
    scale = scale_loss(tf.constant(1.0))
    gradients = [scale * tf.ones(each.shape) for each in layer.trainable_variables]
    if hasattr(optimizer, "get_unscaled_gradients"):
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))
    np.testing.assert_allclose(layer.kernel.numpy(), before - 0.5, rtol=1e-5)
    assert {each.dtype for each in inner.variables[-2:]} <= {"float32", tf.float32}


def test_copies_of_variables(tf):
    """A distribution strategy keeps copies of variables and slots."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = model_with(tf.keras, made(tf.keras, "MomentumOptimizer"))
    model.fit(X, Y, epochs=2, **FIT)
    alone = model_with(tf.keras, "sgd")
    looped = trained_in_a_loop(tf, alone, made(tf.keras, "MomentumOptimizer"))
    for one, two in zip(model.get_weights(), looped, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_xla_compiles_it_with_sparse_gradients(tf):
    table = tf.Variable(tf.ones([4, 2]))
    optimizer = made(tf.keras, "MomentumOptimizer", learning_rate=1.0, momentum=0.0)
    optimizer.build([table])

    @tf.function(jit_compile=True)
    def step():
        rows = tf.IndexedSlices(tf.ones([3, 2]), tf.constant([2, 0, 2]), [4, 2])
        optimizer.apply_gradients([(rows, table)])

    step()
    assert table.numpy()[:, 0].tolist() == [0.0, 1.0, -1.0, 1.0]


def test_what_is_missing_or_unknown(keras):
    make = tcm.keras.optimizers.of(keras).MomentumOptimizer
    with pytest.raises(TypeError, match="'momentum'"):
        make(0.1)
    with pytest.raises((TypeError, ValueError), match="nesterof"):
        make(0.1, 0.9, nesterof=True)


def test_another_backend(tf, monkeypatch):
    make = tcm.keras.optimizers.NadamOptimizer
    if not hasattr(make, "stateless_apply"):
        pytest.skip("only Keras 3 has backends")
    monkeypatch.setattr(tf.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        make(0.1)
