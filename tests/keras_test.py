"""``tcm.keras.DualModelCheckpoint`` in every Keras."""

import json
import os
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.kerases import KERASES
from tests.live.readers import by_saver, names_in
from tf_ckpt_migrate.errors import PlanError

X = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
Y = X.sum(1, keepdims=True)
FIT = {"batch_size": 4, "verbose": 0, "shuffle": False}
SUFFIXES = (".weights.h5", ".index")


@pytest.fixture(params=KERASES)
def keras(request, tf):
    """The Keras of TensorFlow, and tf-keras beside it."""
    return tf.keras if request.param == "tf.keras" else import_module("tf_keras")


def is_keras_3(keras):
    return str(getattr(keras, "__version__", "2")).startswith("3")


def dense(keras, units, name, seed=0):
    initializer = keras.initializers.GlorotUniform(seed)
    return keras.layers.Dense(units, name=name, kernel_initializer=initializer)


def made(keras, seed=0, **compiled):
    layers = [
        dense(keras, 4, "d", seed),
        keras.layers.BatchNormalization(name="bn"),
        dense(keras, 1, "e", seed),
    ]
    model = keras.Sequential(layers, name="net")
    adam = keras.optimizers.Adam(0.01, name="adam")
    compiled = {"optimizer": adam, "loss": "mse", **compiled}
    model.compile(**compiled)
    return model


def stems(folder):
    """Return what was saved in a folder, without the endings."""
    return sorted(
        name.removesuffix(end)
        for name in os.listdir(folder)
        for end in SUFFIXES
        if name.endswith(end)
    )


CASES = {
    "every epoch": {"name": "m-{epoch:02d}-{loss:.4f}-{val_mae:.4f}"},
    "steps": {"name": "m-{epoch}-{batch}", "save_freq": 3},
    "the best": {"name": "m-{epoch}", "save_best_only": True},
    "the worst": {"name": "m-{epoch}", "save_best_only": True, "mode": "max"},
    "of accuracy": {"name": "m-{epoch}", "save_best_only": True, "monitor": "val_mae"},
    "below a threshold": {
        "name": "m-{epoch}",
        "save_best_only": True,
        "mode": "min",
        "initial_value_threshold": 1e-9,
    },
    "of what is not there": {
        "name": "m-{epoch}",
        "save_best_only": True,
        "mode": "min",
        "monitor": "nothing",
    },
}


@pytest.mark.parametrize("case", CASES, ids=[name.replace(" ", "-") for name in CASES])
@pytest.mark.filterwarnings("ignore:Can save best model only")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_it_saves_when_the_own_callback_of_keras_does(tmp_path, keras, case):
    arguments = dict(CASES[case])
    name = arguments.pop("name")
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    end = ".weights.h5" if is_keras_3(keras) else ""
    both = [
        keras.callbacks.ModelCheckpoint(
            str(theirs / (name + end)), save_weights_only=True, **arguments
        ),
        tcm.keras.DualModelCheckpoint(ours / name, **arguments),
    ]
    ours.mkdir()
    theirs.mkdir()
    model = made(keras, metrics=["mae"])
    model.fit(X, Y, epochs=5, validation_data=(X, Y), callbacks=both, **FIT)
    assert stems(ours) == stems(theirs)
    if case in ("every epoch", "steps", "the best"):
        assert stems(ours)
    assert both[0].best == both[1].best


def test_what_it_says(tmp_path, keras, capsys):
    saving = tcm.keras.DualModelCheckpoint(str(tmp_path / "m-{epoch}"), verbose=1)
    made(keras).fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert f"Epoch 1: saving model to {tmp_path}/m-1\n" in capsys.readouterr().out


def test_both_worlds(tf, tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{epoch}")
    model = made(keras)
    model.fit(X, Y, epochs=2, callbacks=[saving], **FIT)
    path = tf.train.latest_checkpoint(tmp_path)
    assert path == str(tmp_path / "m-2") == saving.checkpoints[-1]
    found = by_saver(tf, path)
    assert found["global_step"] == 8
    assert found["global_step"].dtype == np.int64
    scope = "net/" if is_keras_3(keras) else ""
    kernel = model.get_layer("d").kernel.numpy()
    np.testing.assert_array_equal(found[f"{scope}d/kernel"], kernel)
    assert f"{scope}bn/moving_mean" in found
    assert any(name.lower().startswith("adam/") for name in found)
    other = made(keras, seed=1)
    other.build((None, 3))
    tf.train.Checkpoint(other).read(path).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.get_layer("d").kernel.numpy(), kernel)
    if not is_keras_3(keras):
        third = made(keras, seed=2)
        third.load_weights(path)
        third.predict(X, verbose=0)
        np.testing.assert_array_equal(third.get_layer("d").kernel.numpy(), kernel)


@pytest.mark.parametrize("keys", ["both", "object", "name"])
@pytest.mark.parametrize("built", [True, False])
def test_it_goes_on_as_if_nothing_had_been(tmp_path, keras, keys, built):
    prefix = str(tmp_path / "m-{epoch}")
    straight = made(keras).fit(X, Y, epochs=4, **FIT).history["loss"]
    first = tcm.keras.DualModelCheckpoint(prefix, keys=keys)
    made(keras).fit(X, Y, epochs=2, callbacks=[first], **FIT)
    model = made(keras, seed=1)
    if built:
        model.build((None, 3))
    again = tcm.keras.DualModelCheckpoint(
        prefix, keys=keys, load_weights_on_restart=True, max_to_keep=3
    )
    history = model.fit(
        X, Y, epochs=4, initial_epoch=2, callbacks=[again], **FIT
    ).history["loss"]
    np.testing.assert_allclose(history, straight[2:], rtol=1e-5)
    assert [Path(path).name for path in again.checkpoints] == ["m-2", "m-3", "m-4"]
    key = "global_step" + ("/.ATTRIBUTES/VARIABLE_VALUE" if keys == "object" else "")
    assert tcm.load_checkpoint(again.checkpoints[-1])[key] == 16


class TestResuming:
    def test_nothing_is_there(self, tmp_path, keras):
        saving = tcm.keras.DualModelCheckpoint(
            tmp_path / "new" / "m-{epoch}", load_weights_on_restart=True
        )
        made(keras).fit(X, Y, epochs=1, callbacks=[saving], **FIT)
        assert len(saving.checkpoints) == 1

    def test_other_checkpoints_are_left_alone(self, tmp_path, keras):
        other = tcm.keras.DualModelCheckpoint(tmp_path / "other-{epoch}")
        made(keras).fit(X, Y, epochs=2, callbacks=[other], **FIT)
        mine = tcm.keras.DualModelCheckpoint(
            tmp_path / "mine.{epoch}", load_weights_on_restart=True, max_to_keep=1
        )
        made(keras).fit(X, Y, epochs=2, callbacks=[mine], **FIT)
        assert stems(tmp_path) == ["mine.2", "other-1", "other-2"]

    def test_without_a_state_file_the_newest_counts(self, tmp_path, keras):
        prefix = tmp_path / "m-{epoch}"
        first = tcm.keras.DualModelCheckpoint(prefix)
        made(keras).fit(X, Y, epochs=2, callbacks=[first], **FIT)
        (tmp_path / "checkpoint").unlink()
        again = tcm.keras.DualModelCheckpoint(prefix, load_weights_on_restart=True)
        model = made(keras, seed=1)
        model.fit(X, Y, epochs=3, initial_epoch=2, callbacks=[again], **FIT)
        assert int(model.optimizer.iterations) == 12

    @pytest.mark.parametrize("built", [True, False])
    @pytest.mark.parametrize("how", ["tf.train.Checkpoint", "save_weights"])
    def test_what_others_have_saved(self, tf, tmp_path, keras, how, built):
        first = made(keras)
        first.fit(X, Y, epochs=2, **FIT)
        if how == "save_weights" and not is_keras_3(keras):
            first.save_weights(tmp_path / "m-2")
        else:  # Keras 3 writes none
            tf.train.Checkpoint(first).write(str(tmp_path / "m-2"))
        expected = first.fit(X, Y, epochs=1, **FIT).history["loss"]
        model = made(keras, seed=1)
        if built:
            model.build((None, 3))
        saving = tcm.keras.DualModelCheckpoint(
            tmp_path / "m-{epoch}", load_weights_on_restart=True
        )
        found = model.fit(
            X, Y, epochs=3, initial_epoch=2, callbacks=[saving], **FIT
        ).history["loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert tcm.load_checkpoint(tmp_path / "m-3")["global_step"] == 12

    def test_names_of_a_function_beside_objects(self, tmp_path, keras):
        for first in (0, 2):
            saving = tcm.keras.DualModelCheckpoint(
                tmp_path / "m-{epoch}",
                names=lambda variable: "x/" + getattr(variable, "path", variable.name),
                load_weights_on_restart=True,
            )
            model = made(keras, seed=first)
            model.fit(
                X, Y, epochs=first + 2, initial_epoch=first, callbacks=[saving], **FIT
            )
        assert int(model.optimizer.iterations) == 16

    def test_another_model_is_an_error(self, tmp_path, keras):
        prefix = tmp_path / "m-{epoch}"
        first = tcm.keras.DualModelCheckpoint(prefix)
        made(keras).fit(X, Y, epochs=1, callbacks=[first], **FIT)
        other = keras.Sequential([dense(keras, 1, "x")], name="net")
        other.compile("sgd", "mse")
        other.build((None, 3))
        again = tcm.keras.DualModelCheckpoint(prefix, load_weights_on_restart=True)
        with pytest.raises((ValueError, AssertionError)):
            other.fit(X, Y, epochs=1, callbacks=[again], **FIT)


def test_it_keeps_so_many(tf, tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(
        tmp_path / "m-{epoch}-{batch}", save_freq=2, max_to_keep=3
    )
    made(keras).fit(X, Y, epochs=4, callbacks=[saving], **FIT)
    assert len(stems(tmp_path)) == 3
    state = tf.train.get_checkpoint_state(tmp_path)
    assert list(state.all_model_checkpoint_paths) == saving.checkpoints
    assert state.model_checkpoint_path == saving.checkpoints[-1]
    assert len(list(tmp_path.iterdir())) == 7


def test_one_path_for_all(tf, tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "best", max_to_keep=1)
    made(keras).fit(X, Y, epochs=3, callbacks=[saving], **FIT)
    assert stems(tmp_path) == ["best"]
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "best")
    assert tcm.load_checkpoint(tmp_path / "best")["global_step"] == 12


def with_train_step(tf, keras, *, optimizers):
    class Model(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.d = dense(keras, 1, "d")
            if optimizers:
                self.own = keras.optimizers.SGD(0.1)

        def call(self, inputs):
            return self.d(inputs)

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            weights = self.trainable_variables
            optimizer = self.own if optimizers else self.optimizer
            gradients = tape.gradient(loss, weights)
            optimizer.apply_gradients(zip(gradients, weights, strict=True))
            return {"loss": loss}

    model = Model()
    model.compile(keras.optimizers.SGD(0.1))  # in Keras 2 every model has one
    return model


@pytest.mark.parametrize("optimizers", [True, False], ids=["own", "compiled"])
def test_a_custom_train_step(tf, tmp_path, keras, optimizers):
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{epoch}", names="key")
    model = with_train_step(tf, keras, optimizers=optimizers)
    model.fit(X, Y, epochs=2, callbacks=[saving], **FIT)
    found = by_saver(tf, tf.train.latest_checkpoint(tmp_path))
    assert found["global_step"] == 8
    (kernel,) = (v for k, v in found.items() if k.endswith("kernel"))
    np.testing.assert_array_equal(kernel, model.d.kernel.numpy())


def test_optimizers_of_one_name_are_told_of_before_training(tf, tmp_path, keras):
    model = with_train_step(tf, keras, optimizers=True)
    model.own = keras.optimizers.SGD(0.1, name=model.optimizer.name)
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{epoch}")
    with pytest.raises(PlanError, match="would be the name of 'own/_iterations' int64"):
        model.fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert int(model.own.iterations) == 0


def test_several_steps_per_execution(tf, tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{epoch}-{batch}", save_freq=2)
    model = made(keras, steps_per_execution=2)
    model.fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert stems(tmp_path) == ["m-1-2", "m-1-4"]
    assert tcm.load_checkpoint(tmp_path / "m-1-4")["global_step"] == 4


def test_steps_go_on_with_the_next_fit(tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{epoch}", save_freq=3)
    model = made(keras)
    for saved in (3, 6):  # of 4 and 8
        model.fit(X, Y, epochs=1, callbacks=[saving], **FIT)
        assert tcm.load_checkpoint(tmp_path / "m-1")["global_step"] == saved
    other = made(keras)
    other.fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert tcm.load_checkpoint(tmp_path / "m-1")["global_step"] == 4


def test_names_and_twins(tf, tmp_path, keras):
    saving = tcm.keras.DualModelCheckpoint(
        tmp_path / "run" / "m-{epoch}",
        names=lambda variable: "x/" + getattr(variable, "path", variable.name),
        twin_directory=tmp_path / "by_name",
        keys="object",
    )
    made(keras).fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert not names_in(tmp_path / "run" / "m-1")
    twin = tf.train.latest_checkpoint(tmp_path / "by_name")
    assert all(name.startswith("x/") for name in names_in(twin))


def test_an_own_checkpoint(tf, tmp_path, keras):
    model = made(keras)
    extra = tf.Variable(5, name="extra")
    checkpoint = tcm.Checkpoint(model=model, extra=extra)
    saving = tcm.keras.DualModelCheckpoint(tmp_path / "m", checkpoint=checkpoint)
    model.fit(X, Y, epochs=1, callbacks=[saving], **FIT)
    assert by_saver(tf, str(tmp_path / "m"), ["extra"])["extra"] == 5
    assert "global_step" not in names_in(tmp_path / "m")


def test_in_the_background(tf, tmp_path):
    from importlib import import_module

    keras = import_module("tf_keras")  # TensorFlow fails at Keras 3's second save
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    saving = tcm.keras.DualModelCheckpoint(
        tmp_path / "m-{epoch}", options=options, max_to_keep=2
    )
    made(keras).fit(X, Y, epochs=4, callbacks=[saving], **FIT)
    assert stems(tmp_path) == ["m-3", "m-4"]
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m-4")
    assert tcm.load_checkpoint(tmp_path / "m-4")["global_step"] == 16


class TestArguments:
    @pytest.mark.parametrize("name", ["m.h5", "m.weights.h5", "m.keras", "m.hdf5"])
    def test_a_path_of_a_keras_file(self, tf, name):
        with pytest.raises(ValueError, match="is one of a Keras file; give the prefix"):
            tcm.keras.DualModelCheckpoint(name)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"save_freq": "step"}, "Unrecognized save_freq: step"),
            ({"save_weights_only": False}, "save_weights_only must be True"),
            ({"keys": "dual"}, "keys='dual'; expected"),
            ({"max_to_keep": 0}, "max_to_keep=0; expected 1 or more"),
        ],
    )
    def test_what_is_none(self, tf, arguments, message):
        with pytest.raises(ValueError, match=message):
            tcm.keras.DualModelCheckpoint("m", **arguments)

    def test_what_nobody_knows(self, tf):
        with pytest.raises(TypeError):
            tcm.keras.DualModelCheckpoint("m", nonsense=1)
        with pytest.raises(AttributeError, match="nonsense"):
            _ = tcm.keras.DualModelCheckpoint("m").nonsense

    def test_a_field_that_no_log_has(self, tmp_path, keras):
        saving = tcm.keras.DualModelCheckpoint(tmp_path / "m-{nothing}")
        with pytest.raises(KeyError, match="Failed to format this callback filepath"):
            made(keras).fit(X, Y, epochs=1, callbacks=[saving], **FIT)

    def test_variables_of_one_name(self, tf, tmp_path, keras):
        model = made(keras)
        model.extra = [tf.Variable(1.0), tf.Variable(2.0)]
        saving = tcm.keras.DualModelCheckpoint(tmp_path / "m")
        if is_keras_3(keras):  # which does not see them, nor does TensorFlow then
            return
        with pytest.raises(ValueError, match="'Variable' would be the name of"):
            model.fit(X, Y, epochs=1, callbacks=[saving], **FIT)


MIRRORED = """
import sys
from importlib import import_module

import numpy as np
import tensorflow as tf

import tf_ckpt_migrate as tcm
from tests.keras_test import FIT, X, Y, made

device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    device, [tf.config.LogicalDeviceConfiguration()] * 2
)
folder, name = sys.argv[1:]
keras = tf.keras if name == "tf.keras" else import_module("tf_keras")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    model = made(keras)
saving = tcm.keras.DualModelCheckpoint(folder + "/m-{epoch}", max_to_keep=2)
straight = model.fit(X, Y, epochs=3, callbacks=[saving], **FIT).history["loss"]
kernel = model.get_layer("d").kernel.numpy()
path = tf.train.latest_checkpoint(folder)
reader = tcm.load_checkpoint(path)
found = [key for key in reader if key.endswith("d/kernel") and "/m/" not in key
         and "/v/" not in key and "adam" not in key.lower()]
assert len(found) == 1, found
assert np.array_equal(reader[found[0]], kernel)
assert reader["global_step"] == 12
with strategy.scope():
    other = made(keras, seed=1)
again = tcm.keras.DualModelCheckpoint(
    folder + "/m-{epoch}", load_weights_on_restart=True
)
other.fit(X, Y, epochs=4, initial_epoch=3, callbacks=[again], **FIT)
assert int(other.optimizer.iterations.numpy()) == 16
print("mirrored")
"""


@pytest.mark.parametrize("name", KERASES)
def test_mirrored_on_two_devices(tf, tmp_path, name):
    done = run_script(MIRRORED, str(tmp_path), name)
    assert done.stdout.endswith("mirrored\n"), done.stderr[-3000:]


WORKER = """
import json
import os
import sys
from importlib import import_module

import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()

import numpy as np

import tf_ckpt_migrate as tcm
from tests.keras_test import X, Y, made

folder, name = sys.argv[1:]
keras = tf.keras if name == "tf.keras" else import_module("tf_keras")
with strategy.scope():
    model = made(keras)
data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
options = tf.data.Options()
policies = tf.data.experimental.AutoShardPolicy
options.experimental_distribute.auto_shard_policy = policies.DATA
saving = tcm.keras.DualModelCheckpoint(folder + "/m-{epoch}", max_to_keep=2)
model.fit(data.with_options(options), epochs=3, verbose=0, callbacks=[saving])
with strategy.scope():
    other = made(keras, seed=1)
again = tcm.keras.DualModelCheckpoint(
    folder + "/m-{epoch}", max_to_keep=2, load_weights_on_restart=True
)
other.fit(
    data.with_options(options), epochs=4, initial_epoch=3, verbose=0, callbacks=[again]
)
assert int(other.optimizer.iterations.numpy()) == 16
print("worker", json.loads(os.environ["TF_CONFIG"])["task"]["index"])
"""


def trains_with_workers(name):
    """Return whether a Keras trains so: Keras 3 fails to, with or without callbacks."""
    import tensorflow as tf

    return name == "tf_keras" or not is_keras_3(tf.keras)


@pytest.mark.parametrize("name", KERASES)
def test_two_workers_of_which_the_chief_keeps_its_files(tf, tmp_path, name):
    with socket.socket() as one, socket.socket() as two:
        one.bind(("localhost", 0))
        two.bind(("localhost", 0))
        addresses = [f"localhost:{s.getsockname()[1]}" for s in (one, two)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                TF_CONFIG=json.dumps(
                    {
                        "cluster": {"worker": addresses},
                        "task": {"type": "worker", "index": index},
                    }
                )
            ),
        )
        for index in range(2)
    ]
    try:
        for index, worker in enumerate(workers):
            out, err = worker.communicate(timeout=180)
            if not trains_with_workers(name):  # should that change, this fails
                assert "PerReplica" in err, err[-3000:]
                continue
            assert out.endswith(f"worker {index}\n"), err[-3000:]
    finally:
        for worker in workers:
            worker.kill()
    if not trains_with_workers(name):
        return
    assert stems(tmp_path) == ["m-3", "m-4"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"checkpoint", *(name for name in left if name.startswith("m-"))}
    assert tf.train.latest_checkpoint(tmp_path) == str(tmp_path / "m-4")
    assert by_saver(tf, str(tmp_path / "m-4"))["global_step"] == 16


def run_script(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment(),
    )


def environment(**more):
    path = os.pathsep.join(["", *sys.path])
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **more}
