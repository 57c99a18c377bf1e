"""Calls with swapped or wrong arguments name the corrected call, and write nothing."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.averages_argument_test import PREFIX, REST
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import OutputPathError, PlanError, TargetError


@pytest.fixture
def source():
    with example_checkpoint({"net/w": np.ones(2, np.float32)}) as prefix:
        yield prefix


@pytest.fixture
def module(tf):
    made = tf.Module()
    made.w = tf.Variable([0.0, 0.0])
    return made


def test_restore_tells_what_to_swap(module, source):
    with pytest.raises(TypeError, match=r"swap them: restore\(checkpoint, objects\)"):
        tcm.restore(module, source)
    with pytest.raises(TargetError, match="give a Keras model"):
        tcm.restore(source, source)


def test_objects_where_a_path_is_meant(module, source):
    calls = [
        lambda: tcm.load_checkpoint(module),
        lambda: tcm.diff_checkpoints(source, module),
        lambda: tcm.verify_conversion(module, source, tcm.plan_migration(source)),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"expected a checkpoint .* got a Module"):
            call()


def test_rules_in_place_of_options(module, source):
    rules = {"net/w": "w"}
    for given in (rules, [("net/w", "w")], tcm.AssignmentMap(rules), "net/w: w"):
        for name in ("restore", "read"):
            with pytest.raises(TypeError, match=rf"{name}\(path, assignment_map=rules"):
                getattr(tcm.Checkpoint(module), name)(source, given)


def test_a_directory_stands_for_its_latest_checkpoint(tf, module, tmp_path):
    saving = tf.train.Checkpoint(module)
    for number in (1.0, 2.0):
        module.w.assign([number, number])
        saving.save(tmp_path / "ckpt")
    module.w.assign([0.0, 0.0])
    tcm.Checkpoint(module).restore(tmp_path).assert_consumed()
    assert module.w.numpy().tolist() == [2.0, 2.0]


def test_rules_for_convert_belong_to_the_plan(source, tmp_path):
    with pytest.raises(TypeError, match="plan_migration"):
        tcm.convert(source, tmp_path / "made", {"net/": "encoder/"})
    with pytest.raises(TypeError, match="plan_migration"):
        tcm.convert(tcm.plan_migration(source), tmp_path / "made", {"net/": "x/"})
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["x.weights.h5", "x.keras", "x.h5"])
def test_a_checkpoint_is_not_called_like_a_file_of_keras(source, tmp_path, name):
    with pytest.raises(OutputPathError, match="has the name of a Keras file"):
        tcm.convert_tf1_to_tf2(source, tmp_path / name)
    assert not [*tmp_path.iterdir()]


def test_averages_that_are_left_out_are_noted(tf):
    module = tf.Module()
    module.w = tf.Variable(tf.zeros([2, 3]), name="w")
    module.b = tf.Variable(tf.zeros([3]), name="b")
    rules = [*REST, ("net/w", "w"), ("net/b", "b")]
    report = tcm.restore(PREFIX, module, rules, unused="drop")
    noted = [note for note in report.plan.notes if 'averages="average"' in note]
    assert len(noted) == 1
    for choice in ("raw", "average"):
        plan = tcm.plan_migration(PREFIX, module, rules, unused="drop", averages=choice)
        assert not [note for note in plan.notes if "leaves out" in note]


def test_averages_exclude_the_recipe_of_an_optimizer(tf):
    model = tf.keras.Sequential([tf.keras.Input([2]), tf.keras.layers.Dense(3)])
    model.compile(tf.keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    kernel, bias = model.weights
    weights = [("net/w", kernel), ("net/b", bias)]
    recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
    with pytest.raises(PlanError, match=r'"average" excludes Recipe\(.optimizer'):
        tcm.restore(PREFIX, model, [recipe, *weights], averages="average")
    # The advice, to the letter:
    tcm.restore(
        PREFIX,
        model,
        weights,
        averages="average",
        unused="drop",
        missing=["slot", "optimizer", "step"],
    )
    expected = tcm.load_checkpoint(PREFIX)["net/w/ExponentialMovingAverage"]
    np.testing.assert_array_equal(kernel.numpy(), expected)
