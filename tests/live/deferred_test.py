"""Variables that are made after the restore get their values when they are made."""

import gc

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.checkpoint_test import LISTED, model_map
from tests.live.models import WEIGHTS, model_values, sequential
from tf_ckpt_migrate.conversion.example import example_checkpoint


@pytest.fixture
def weights():
    with example_checkpoint(WEIGHTS) as prefix:
        yield prefix


@pytest.mark.parametrize("how", ["build", "call", "function", "predict", "fit"])
def test_an_unbuilt_model(tf, weights, how):
    model = sequential(tf, built=False)
    status = tcm.Checkpoint(model=model).restore(weights, assignment_map=model_map(tf))
    with pytest.raises(AssertionError, match=r"6 keys of .* have not been read"):
        status.assert_consumed()
    with pytest.raises(AssertionError, match=r"nothing of .* has been restored"):
        status.assert_nontrivial_match()
    batch = np.ones((1, 2), np.float32)
    if how == "build":
        model.build((None, 2))
    elif how == "call":
        model(batch)
    elif how == "function":
        tf.function(model)(batch)
    elif how == "predict":
        model.predict(batch, verbose=0)
    else:  # the weights are there before the first step, which does not move them
        rate = tf.keras.optimizers.SGD(0.0)
        model.compile(rate, "mse")
        model.layers[1].trainable = False  # its averages would move
        model.fit(batch, np.zeros((1, 3), np.float32), verbose=0)
    values = model_values(model)
    if how == "fit":  # which has the averages move, by a hundredth
        for name, value in WEIGHTS.items():
            np.testing.assert_allclose(values[name], value, rtol=0.1)
        return
    assert values == LISTED
    status.assert_consumed().assert_nontrivial_match()


def subclassed(tf):
    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.d1 = tf.keras.layers.Dense(3, name="d1")
            self.bn = tf.keras.layers.BatchNormalization(name="bn")

        def call(self, inputs):
            return self.bn(self.d1(inputs))

    return Net()


def test_a_subclassed_model_by_the_names_that_it_will_have(tf, weights):
    model = subclassed(tf)
    rules = {"/": "net/"}
    status = tcm.Checkpoint(model).restore(weights, assignment_map=rules)
    model(np.ones((1, 2), np.float32))
    status.assert_consumed()
    assert [v.numpy().tolist() for v in model.d1.variables] == [
        LISTED["d1/kernel"],
        LISTED["d1/bias"],
    ]


def test_what_comes_is_found_by_name_path_or_key(tf):
    values = {"a": [1.0], "b": [2.0], "c": [3.0], "d": [4.0], "e": [5.0]}
    module = tf.Module()
    module.layers, module.table = [], {}
    rules = {
        "b": "layers/0",
        "c": "table/x/.ATTRIBUTES/VARIABLE_VALUE",
        "d": "sub/deep/v",
    }
    with example_checkpoint(values) as prefix:
        status = tcm.Checkpoint(module).restore(prefix, assignment_map=rules)

        def made(name="Variable"):
            return tf.Variable([0.0], dtype=tf.float64, name=name)

        module.any = made("a")
        module.layers.append(made())
        module.table["x"] = made()
        sub = tf.Module()
        sub.deep = tf.Module()
        sub.deep.v = made()
        module.sub = sub  # a whole tree at once
        sub.deep.w = made("e")  # and something attached to it later
        status.assert_consumed()
    found = [module.any, module.layers[0], module.table["x"], sub.deep.v, sub.deep.w]
    assert [float(variable[0]) for variable in found] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_some_now_some_later(tf):
    module = tf.Module()
    module.a = tf.Variable([0.0], dtype=tf.float64, name="a")
    with example_checkpoint({"a": [1.0], "b": [2.0]}) as prefix:
        status = tcm.Checkpoint(m=module).restore(prefix)
        assert float(module.a[0]) == 1.0
        status.assert_existing_objects_matched()
        module.c = tf.Variable([7.0], dtype=tf.float64, name="c")
        with pytest.raises(
            AssertionError, match="no tensor for 1 of 2 variables"
        ) as no:
            status.assert_existing_objects_matched()
        assert "variable 'c'" in str(no.value)
        assert float(module.c[0]) == 7.0
        module.a.assign([5.0])
        module.again = module.a  # known: it is not restored once more
        assert float(module.a[0]) == 5.0


def test_what_comes_and_does_not_fit_is_told_when_it_comes(tf):
    module = tf.Module()
    with example_checkpoint({"w": [1.0, 2.0]}) as prefix:
        tcm.Checkpoint(module).restore(prefix).expect_partial()
        fits_not = r"'w' float32\[3\] would get 'w' float64"
        with pytest.raises(tf.errors.InvalidArgumentError, match=fits_not):
            module.w = tf.Variable([0.0, 0.0, 0.0], name="w")


def test_the_latest_restore_wins(tf):
    module = tf.Module()
    checkpoint = tcm.Checkpoint(module)
    with (
        example_checkpoint({"w": [1]}) as first,
        example_checkpoint({"w": [2]}) as second,
    ):
        checkpoint.restore(first).expect_partial()
        checkpoint.restore(second)
        module.w = tf.Variable([0], dtype=tf.int64, name="w")
    assert int(module.w[0]) == 2


def test_an_optimizer_made_later_by_object_keys(tf, tmp_path):
    def made():
        variable = tf.Variable([1.0, 2.0], name="w")
        optimizer = tf.keras.optimizers.Adam()
        return variable, optimizer

    variable, optimizer = made()
    optimizer.build([variable])
    optimizer.iterations.assign(7)
    path = tf.train.Checkpoint(w=variable, opt=optimizer).save(str(tmp_path / "m"))
    later, empty = made()
    status = tcm.Checkpoint(w=later, adam=empty).restore(
        path, assignment_map={"opt/": "adam/"}
    )
    empty.build([later])
    status.assert_consumed()
    assert int(empty.iterations) == 7


def test_who_never_asks_is_warned_in_the_end(tf, caplog):
    tf.get_logger().propagate = True
    caplog.set_level("WARNING", logger="tensorflow")
    with example_checkpoint({"w": [1], "b": [2]}) as prefix:
        for silenced in (False, True):
            module = tf.Module()
            checkpoint = tcm.Checkpoint(module)
            status = checkpoint.restore(prefix, assignment_map={"b": "c"})
            if silenced:
                status.expect_partial()
            caplog.clear()
            del module, checkpoint, status
            gc.collect()
            told = [text for text in caplog.messages if prefix in text]
            assert told == [] if silenced else len(told) == 1
            assert silenced or "'b' (for 'c')" in told[0]


def test_the_checkpoint_object_need_not_be_kept(tf):
    module = tf.Module()
    with example_checkpoint({"w": [1]}) as prefix:
        tcm.Checkpoint(m=module).restore(prefix).expect_partial()
        gc.collect()
        module.w = tf.Variable([0], dtype=tf.int64, name="w")
    assert int(module.w[0]) == 1


@pytest.mark.parametrize("how", ["call", "predict", "function"])
def test_an_unbuilt_subclassed_model_by_its_object_graph(tf, tmp_path, how):
    """Of Keras 3, TensorFlow's Checkpoint leaves these at their initial values."""
    batch = np.ones((1, 2), np.float32)
    model = subclassed(tf)
    model(batch)
    path = tf.train.Checkpoint(net=model, it=iter(tf.data.Dataset.range(3))).save(
        str(tmp_path / "m")
    )
    other = subclassed(tf)
    checkpoint = tcm.Checkpoint(net=other, it=iter(tf.data.Dataset.range(3)))
    status = checkpoint.restore(path)
    if how == "call":
        other(batch)
    elif how == "predict":
        other.predict(batch, verbose=0)
    else:
        tf.function(other)(batch)
    status.assert_consumed()
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert len(other.variables) == len(model.variables)
