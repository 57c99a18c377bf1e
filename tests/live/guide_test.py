"""TensorFlow's guides "Migrating model checkpoints" and "Training checkpoints".

Row by row, with our names in place of TensorFlow's, in a graph and in eager mode; the
values are those that the guides print.
"""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import keras3
from tests.live.readers import by_saver, names_in

NAMES = ("a", "b", "scoped/c")


def made(tf, scope="", names=NAMES):
    """Variables as TF1 makes them, of zeros."""
    v1 = tf.compat.v1
    with (
        v1.variable_scope(scope)
        if scope
        else v1.variable_scope(v1.get_variable_scope())
    ):
        zeros = v1.zeros_initializer()
        return [v1.get_variable(name, [], tf.float32, zeros) for name in names]


def printed(path):
    """What the guide's ``print_checkpoint`` prints of numbers."""
    reader = tcm.load_checkpoint(path)
    return {
        key: (shape, reader.get_tensor(key))
        for key, shape in reader.get_variable_to_shape_map().items()
        if key != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


@pytest.fixture
def tf1_ckpt(tf, tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        variables = made(tf)
        with v1.Session() as session:
            saver = tcm.Saver()
            for value, variable in enumerate(variables, 1):
                session.run(variable.assign(value))
            path = saver.save(session, str(tmp_path / "tf1-ckpt"))
    assert printed(path) == {"a": ([], 1), "b": ([], 2), "scoped/c": ([], 3)}
    return path


def eager(tf):
    a = tf.Variable(0.0, name="a")
    b = tf.Variable(0.0, name="b")
    with tf.name_scope("scoped"):
        c = tf.Variable(0.0, name="c")
    return [a, b, c]


def values(variables):
    return [float(variable) for variable in variables]


class TestChangesFromTF1ToTF2:
    def test_keys_are_the_paths_of_objects(self, tf, tmp_path):
        variables = eager(tf)
        for value, variable in enumerate(variables, 5):
            variable.assign(value)
        checkpoint = tcm.Checkpoint(variables=variables)
        assert printed(checkpoint.save(str(tmp_path / "tf2-ckpt"))) == {
            "save_counter/.ATTRIBUTES/VARIABLE_VALUE": ([], 1),
            "variables/0/.ATTRIBUTES/VARIABLE_VALUE": ([], 5),
            "variables/1/.ATTRIBUTES/VARIABLE_VALUE": ([], 6),
            "variables/2/.ATTRIBUTES/VARIABLE_VALUE": ([], 7),
        }
        assert checkpoint.variables[0] is variables[0]

    def test_keys_follow_the_structure(self, tf, tmp_path):
        a, b, c = eager(tf)
        module = tf.Module()
        module.d = tf.Variable(0.0)
        checkpoint = tcm.Checkpoint(v={"a": a, "b": b}, c=c, module=module)
        keys = printed(checkpoint.save(str(tmp_path / "root-tf2-ckpt")))
        ends = ["c", "module/d", "save_counter", "v/a", "v/b"]
        assert sorted(keys) == [f"{end}/.ATTRIBUTES/VARIABLE_VALUE" for end in ends]


class TestWhenTheNamesMatch:
    def test_saver_in_eager_mode(self, tf, tf1_ckpt, tmp_path):
        variables = eager(tf)
        saver = tcm.Saver(var_list=variables)
        saver.restore(sess=None, save_path=tf1_ckpt)
        assert values(variables) == [1, 2, 3]
        path = saver.save(sess=None, save_path=str(tmp_path / "in-eager"))
        assert printed(path) == {"a": ([], 1), "b": ([], 2), "scoped/c": ([], 3)}

    def test_saver_in_a_session(self, tf, tf1_ckpt):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf)
            tcm.Saver().restore(session, tf1_ckpt)
            assert session.run(variables) == [1, 2, 3]

    def test_checkpoint_with_and_without_the_name_scope(self, tf, tf1_ckpt):
        variables = [*eager(tf), tf.Variable(0.0, name="scoped/c")]
        names = ["a:0", "b:0", "scoped/c:0", "scoped/c:0"]
        assert [variable.name for variable in variables] == names
        checkpoint = tcm.Checkpoint(variables=variables)
        checkpoint.restore(tf1_ckpt).assert_consumed()
        assert values(variables) == [1, 2, 3, 3]
        again = tf.Variable(0.0, name="scoped/c")
        checkpoint.variables.append(again)  # as with the original, by its name
        assert float(again) == 3

    def test_checkpoint_in_a_session(self, tf, tf1_ckpt):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf)
            checkpoint = tcm.Checkpoint(variables=variables)
            checkpoint.restore(tf1_ckpt).assert_consumed().run_restore_ops(session)
            assert session.run(variables) == [1, 2, 3]


class TestAssignmentMaps:
    def test_init_from_checkpoint(self, tf, tf1_ckpt):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            variables = made(tf, "new_scope")
            tcm.init_from_checkpoint(tf1_ckpt, assignment_map={"/": "new_scope/"})
            session.run(v1.global_variables_initializer())
            assert session.run(variables) == [1, 2, 3]

    def test_init_from_checkpoint_in_eager_mode_where_the_original_cannot(
        self, tf, tf1_ckpt
    ):
        variables = {f"new_scope/{name}": tf.Variable(0.0) for name in NAMES}
        tcm.init_from_checkpoint(tf1_ckpt, {"/": "new_scope/"}, target=variables)
        assert values(variables.values()) == [1, 2, 3]

    @pytest.mark.parametrize("how", ["var_list", "assignment_map"])
    def test_saver_in_eager_mode(self, tf, tf1_ckpt, how):
        variables = [tf.Variable(0.0, name=f"new_scope/{name}") for name in NAMES]
        if how == "var_list":
            saver = tcm.Saver(dict(zip(NAMES, variables, strict=True)))
        else:
            saver = tcm.Saver(variables, assignment_map={"/": "new_scope/"})
        saver.restore(sess=None, save_path=tf1_ckpt)
        assert values(variables) == [1, 2, 3]

    @pytest.mark.parametrize("how", ["var_list", "assignment_map"])
    def test_saver_in_a_session(self, tf, tf1_ckpt, how):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf, "new_scope")
            if how == "var_list":
                saver = tcm.Saver(dict(zip(NAMES, variables, strict=True)))
            else:
                saver = tcm.Saver(assignment_map={"/": "new_scope/"})
            saver.restore(session, tf1_ckpt)
            assert session.run(variables) == [1, 2, 3]

    def test_load_checkpoint(self, tf, tf1_ckpt):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf, "new_scope")
            reader = tcm.load_checkpoint(tf1_ckpt)
            for name, variable in zip(NAMES, variables, strict=True):
                session.run(variable.assign(reader.get_tensor(name)))
            assert session.run(variables) == [1, 2, 3]

    def test_restore_does_the_loop(self, tf, tf1_ckpt):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf, "new_scope")
            tcm.restore(tf1_ckpt, variables, {"/": "new_scope/"})
            assert session.run(variables) == [1, 2, 3]


class TestACheckpointObject:
    @pytest.fixture
    def tf2_ckpt(self, tf, tmp_path):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            a, b, c = made(tf)
            for value, variable in enumerate([a, b, c], 1):
                session.run(variable.assign(value))
            checkpoint = tcm.Checkpoint(unscoped=[a, b], scoped=[c])
            session.run(checkpoint.save_counter.initializer)
            path = checkpoint.save(str(tmp_path / "tf2-ckpt"))
        keys = ["scoped/0", "unscoped/0", "unscoped/1"]
        found = {
            key.partition("/.A")[0]: number
            for key, (_, number) in printed(path).items()
        }
        assert [found[key] for key in keys] == [3, 1, 2]
        return path

    def test_in_a_session_with_other_names(self, tf, tf2_ckpt):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            names = ("a_different_name", "b_different_name", "different_scope/c")
            a, b, c = made(tf, names=names)
            session.run(v1.global_variables_initializer())
            assert session.run([a, b, c]) == [0, 0, 0]
            checkpoint = tcm.Checkpoint(unscoped=[a, b], scoped=[c])
            checkpoint.restore(tf2_ckpt).assert_consumed().run_restore_ops()
            assert session.run([a, b, c]) == [1, 2, 3]

    def test_in_eager_mode(self, tf, tf2_ckpt):
        a, b, c = (tf.Variable(0.0) for _ in range(3))
        checkpoint = tcm.Checkpoint(unscoped=[a, b], scoped=[c])
        checkpoint.restore(tf2_ckpt).assert_consumed().run_restore_ops()
        assert values([a, b, c]) == [1, 2, 3]

    def test_order_and_keys_matter(self, tf, tf2_ckpt):
        a, b, c = (tf.Variable(0.0) for _ in range(3))
        checkpoint = tcm.Checkpoint(unscoped=[b, a], scoped=[c])
        checkpoint.restore(tf2_ckpt).assert_consumed()
        assert values([a, b, c]) == [2, 1, 3]
        with pytest.raises(AssertionError):
            tcm.Checkpoint(bar=[a, b], scoped=[c]).restore(tf2_ckpt).assert_consumed()
        renamed = tcm.Checkpoint(bar=[a, b], scoped=[c])
        rules = {"unscoped/": "bar/", "scoped/": "scoped/"}
        renamed.restore(tf2_ckpt, assignment_map=rules).assert_consumed()
        assert values([a, b, c]) == [1, 2, 3]


class TestSaveAndLoadTwoByTwo:
    """Saved by Saver or Checkpoint, for both; loaded by either of TensorFlow's own."""

    @pytest.fixture(params=["Saver", "Checkpoint"])
    def saved(self, request, tf, tmp_path):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            variables = made(tf)
            for value, variable in enumerate(variables, 1):
                session.run(variable.assign(value))
            target = tcm.Checkpoint(variables=variables)
            session.run(target.save_counter.initializer)
            prefix = str(tmp_path / "ckpt")
            if request.param == "Checkpoint":
                return target.save(prefix, keys="both")
            return tcm.Saver(variables, target=target).save(
                session, prefix, keys="both"
            )

    def test_loaded_by_saver(self, tf, saved):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf)
            tf.compat.v1.train.Saver().restore(session, saved)
            assert session.run(variables) == [1, 2, 3]
        variables = dict(zip(NAMES, eager(tf), strict=True))
        tf.compat.v1.train.Saver(variables).restore(None, saved)
        assert values(variables.values()) == [1, 2, 3]

    def test_loaded_by_checkpoint(self, tf, saved):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variables = made(tf, "other")
            status = tf.train.Checkpoint(variables=variables).restore(saved)
            status.assert_consumed().run_restore_ops(session)
            assert session.run(variables) == [1, 2, 3]
        variables = [tf.Variable(0.0) for _ in NAMES]
        tf.train.Checkpoint(variables=variables).restore(saved).assert_consumed()
        assert values(variables) == [1, 2, 3]


def estimators(tf):
    return getattr(tf, "estimator", None)


@pytest.mark.parametrize("ours", [False, True], ids=["original", "ours"])
def test_estimators_write_and_warm_start_from_either(tf, tmp_path, ours):
    if estimators(tf) is None:
        assert not tf.__version__.startswith("2.15")
        return
    v1 = tf.compat.v1

    def model_fn(features, labels, mode, params):
        del features, labels
        step = v1.train.get_or_create_global_step()
        zeros = v1.zeros_initializer()
        v = v1.get_variable("var", [], tf.float32, zeros)
        saver = params["saver"](v, step)
        return tf.estimator.EstimatorSpec(
            mode,
            predictions=v,
            train_op=tf.group(v.assign_add(2), step.assign_add(1)),
            loss=tf.constant(1.0),
            scaffold=saver and v1.train.Scaffold(saver=saver),
        )

    def data():
        return tf.data.Dataset.from_tensor_slices(([1, 2, 3], [4, 5, 6]))

    kind = tcm.Checkpoint if ours else tf.train.Checkpoint
    first = tf.estimator.Estimator(
        model_fn, str(tmp_path / "est-tf1"), params={"saver": lambda v, step: None}
    )
    first.train(data, steps=1)
    assert printed(tmp_path / "est-tf1") == {"global_step": ([], 1), "var": ([], 2)}
    second = tf.estimator.Estimator(
        model_fn,
        str(tmp_path / "est-tf2"),
        params={"saver": lambda v, step: kind(var_list={"var": v}, step=step)},
        warm_start_from=str(tmp_path / "est-tf1"),
    )
    second.train(data, steps=1)
    key = "var_list/var/.ATTRIBUTES/VARIABLE_VALUE"
    assert second.get_variable_value(key) == 4
    second.train(data, steps=1)  # goes on from its own, by the Checkpoint
    assert second.get_variable_value(key) == 6


@pytest.mark.parametrize("how", ["scaffold", "hook", "listener"])
def test_estimators_save_by_a_checkpoint_and_by_name(tf, tmp_path, how):
    """Estimator ``model_fn`` with ``Scaffold(saver=ckpt)``, dual keys on."""
    if estimators(tf) is None:
        assert not tf.__version__.startswith("2.15")
        return
    v1 = tf.compat.v1

    def model_fn(features, labels, mode, params):
        model = net(tf)
        optimizer = tf.keras.optimizers.legacy.Adam(0.1)
        optimizer.iterations = v1.train.get_or_create_global_step()
        checkpoint = tf.train.Checkpoint(
            step=optimizer.iterations, optimizer=optimizer, net=model
        )
        with tf.GradientTape() as tape:
            output = model(features["x"])
            loss = tf.reduce_mean(tf.abs(output - features["y"]))
        gradients = tape.gradient(loss, model.trainable_variables)
        pairs = zip(gradients, model.trainable_variables, strict=True)
        made = (
            tcm.estimator.scaffold(saver=checkpoint)
            if how == "scaffold"
            else v1.train.Scaffold(saver=checkpoint)
        )
        hook = tcm.estimator.DualCheckpointSaverHook(
            params["folder"], save_steps=5, scaffold=made
        )
        return tf.estimator.EstimatorSpec(
            mode,
            loss=loss,
            train_op=optimizer.apply_gradients(pairs),
            predictions={"output": output},
            scaffold=made,
            training_chief_hooks=[hook] if how == "hook" else [],
        )

    folder = str(tmp_path / "tf_estimator_example")
    estimator = tf.estimator.Estimator(model_fn, folder, params={"folder": folder})
    listener = tcm.estimator.DualCheckpointListener(folder)
    listeners = [listener] if how == "listener" else []
    data = TestTrainingCheckpoints()
    for _ in range(2):
        estimator.train(lambda: data.dataset(tf), steps=10, saving_listeners=listeners)
    prefix = estimator.latest_checkpoint()
    assert prefix.endswith("-20")
    # As the guide goes on: restored in eager mode, by object.
    model = net(tf)
    step = tf.Variable(0, dtype=tf.int64)
    tf.train.Checkpoint(step=step, net=model).restore(prefix)
    model(np.ones((1, 1), np.float32))
    assert int(step) == 20
    found = by_saver(tf, prefix, names_in(prefix))
    assert found["global_step"] == 20
    (kernel,) = (
        value
        for value in found.values()
        if value.shape == (1, 5) and np.array_equal(value, model.l1.kernel.numpy())
    )
    assert kernel.any()


def net(tf):
    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.l1 = tf.keras.layers.Dense(5)

        def call(self, x):
            return self.l1(x)

    return Net()


class TestTrainingCheckpoints:
    def dataset(self, tf):
        inputs = tf.range(10.0)[:, None]
        labels = inputs * 5.0 + tf.range(5.0)[None, :]
        pairs = tf.data.Dataset.from_tensor_slices({"x": inputs, "y": labels})
        return pairs.repeat().batch(2)

    def train_step(self, tf, model, example, optimizer):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(model(example["x"]) - example["y"]))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def objects(self, tf, keys="object"):
        optimizer = tf.keras.optimizers.Adam(0.1)
        return tcm.Checkpoint(
            step=tf.Variable(1),
            optimizer=optimizer,
            net=net(tf),
            iterator=iter(self.dataset(tf)),
        ).saving(keys=keys, names="key")

    def train(self, tf, checkpoint, manager):
        status = checkpoint.restore(manager.latest_checkpoint)
        for _ in range(20):
            example = next(checkpoint.iterator)
            self.train_step(tf, checkpoint.net, example, checkpoint.optimizer)
            checkpoint.step.assign_add(1)
            if int(checkpoint.step) % 5 == 0:
                manager.save()
        return status

    @pytest.fixture(params=["object", "both"])
    def trained(self, request, tf, tmp_path):
        checkpoint = self.objects(tf, request.param)
        folder = str(tmp_path / "tf_ckpts")
        manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=3)
        self.train(tf, checkpoint, manager)
        return checkpoint, manager

    def test_training_goes_on_where_it_ended(self, tf, trained):
        checkpoint, manager = trained
        assert [path[-1] for path in manager.checkpoints] == ["2", "3", "4"]
        again = self.objects(tf)
        other = tf.train.CheckpointManager(again, manager.directory, max_to_keep=3)
        status = self.train(tf, again, other)
        status.assert_existing_objects_matched()
        assert int(again.step) == 20 + 20
        assert [path[-1] for path in other.checkpoints] == ["6", "7", "8"]
        if names := names_in(other.latest_checkpoint):  # dual-keyed
            assert by_saver(tf, other.latest_checkpoint, names)["step"] == 40
        weights = again.net.l1.kernel.numpy()
        assert not np.array_equal(weights, checkpoint.net.l1.kernel.numpy())

    def test_one_bias_and_then_the_kernel(self, tf, trained):
        _, manager = trained
        # Where the guide says l1/bias; Keras 3 saves weights below the optimizer too.
        bias, kernel = ("bias", "_kernel" if keras3(tf) else "kernel")
        layer = tcm.Checkpoint(**{bias: tf.Variable(tf.zeros([5]))})
        root = tcm.Checkpoint(net=tcm.Checkpoint(l1=layer))
        status = root.restore(manager.latest_checkpoint)
        saved = tcm.load_checkpoint(manager.latest_checkpoint)
        value = getattr(layer, bias).numpy()
        assert value.any()
        sized = [key for key, s in saved.specs.items() if str(s) == "float32[5]"]
        assert any(np.array_equal(value, saved[key]) for key in sized)
        status.assert_existing_objects_matched()
        with pytest.raises(AssertionError):
            status.assert_consumed()
        delayed = tf.Variable(tf.zeros([1, 5]))
        setattr(layer, kernel, delayed)
        assert delayed.numpy().any()

    def test_lists_and_dicts(self, tf, tmp_path):
        save = tcm.Checkpoint()
        save.listed = [tf.Variable(1.0)]
        save.listed.append(tf.Variable(2.0))
        save.mapped = {"one": save.listed[0]}
        save.mapped["two"] = save.listed[1]
        path = save.save(str(tmp_path / "tf_list_example"))
        restore = tcm.Checkpoint()
        second = tf.Variable(0.0)
        restore.mapped = {"two": second}
        restore.restore(path)
        assert float(second) == 2.0
        restore.listed = []
        first = tf.Variable(0.0)
        restore.listed.append(first)
        assert float(first) == 1.0


class TestKeras:
    def test_a_model_is_not_a_checkpoint_with_a_model(self, tf, tmp_path):
        model = net(tf)
        model(np.ones((1, 1), np.float32))
        path = tcm.Checkpoint(model).write(str(tmp_path / "m"))
        other = net(tf)
        other(np.ones((1, 1), np.float32))
        tcm.Checkpoint(other).read(path).assert_consumed()
        np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
        with pytest.raises(AssertionError):
            tcm.Checkpoint(model=net(tf)).read(path).assert_consumed()
        third = net(tf)  # initialized, not built: its values come when it is
        status = tcm.Checkpoint(third).read(path)
        third.predict(np.ones((1, 1), np.float32), verbose=0)
        status.assert_consumed()
        np.testing.assert_array_equal(third.get_weights()[0], model.get_weights()[0])

    def test_save_weights_and_load_weights(self, tf, tmp_path):
        model = net(tf)
        model(np.ones((1, 1), np.float32))
        path = str(tmp_path / "easy_checkpoint")
        if keras3(tf):  # which writes no checkpoints
            with pytest.raises(ValueError, match=r"weights\.h5"):
                model.save_weights(path)
            return
        model.save_weights(path)
        other = net(tf)
        status = tcm.Checkpoint(other).read(path)
        other(np.ones((1, 1), np.float32))
        status.assert_consumed()
        np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
        third = net(tf)
        tcm.Checkpoint(other).write(path + "-2")
        third.load_weights(path + "-2")
        third(np.ones((1, 1), np.float32))
        np.testing.assert_array_equal(third.get_weights()[0], model.get_weights()[0])
