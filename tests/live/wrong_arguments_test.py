"""Calls with swapped or wrong arguments name the corrected call, and write nothing."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import OutputPathError, RuleError, TargetError


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
        with pytest.raises(TypeError, match=r"path of a checkpoint, got a Module"):
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


def test_a_checkpoint_that_is_called_like_a_file_of_keras_is_replaced(tf, tmp_path):
    prefix = tf.train.Checkpoint(w=tf.Variable(1.0, name="w")).write(
        str(tmp_path / "x.weights.h5")
    )
    plan = tcm.plan_migration(prefix)
    assert tcm.convert(plan, tmp_path / "y").keys == 2
    assert tcm.convert(plan, prefix, source=tmp_path / "y", overwrite=True).keys == 2


def test_an_object_in_place_of_a_path(module, source, tmp_path):
    out = tmp_path / "out"
    for call in (
        lambda: tcm.plan_migration(module, source),
        lambda: tcm.suggest_assignment_map(module, source),
        lambda: tcm.diff_checkpoints(source, module),
        lambda: tcm.convert_tf1_to_tf2(source, module),
        lambda: tcm.convert_tf1_to_tf2(module, out),
        lambda: tcm.save_like(module, source, output_prefix=out),
        lambda: tcm.testing.assert_checkpoint_compatible(source, module),
    ):
        with pytest.raises(TypeError, match=r"path of a checkpoint, got a Module"):
            call()
    assert not [*tmp_path.iterdir()]


RULES = {"net/": "m/"}


@pytest.mark.parametrize(
    "rules",
    [RULES, list(RULES.items()), [tcm.Drop("a")], tcm.AssignmentMap(RULES)],
)
def test_a_map_in_place_of_the_target(module, source, rules):
    for call in (
        lambda: tcm.restore(source, rules, module),
        lambda: tcm.restore(source, rules),
        lambda: tcm.suggest_assignment_map(source, rules),
        lambda: tcm.plan_migration(source, rules),
    ):
        with pytest.raises(TargetError, match=r"the target is an assignment map"):
            call()
    assert not module.w.numpy().any()


def test_an_object_in_place_of_the_map(module, source, tmp_path):
    for call in (
        lambda: tcm.convert_tf1_to_tf2(source, tmp_path / "out", module),
        lambda: tcm.init_from_checkpoint(source, module),
    ):
        with pytest.raises(RuleError, match=r"a Module is not an assignment map"):
            call()


def test_the_map_may_follow_the_paths(module, source, tmp_path):
    made = tcm.convert_tf1_to_tf2(source, tmp_path / "out", {"net/": "encoder/"})
    assert "vars/encoder.Sw/.ATTRIBUTES/VARIABLE_VALUE" in tcm.load_checkpoint(made)
    back = tcm.convert_tf2_to_tf1(made, tmp_path / "back", "key")
    assert tcm.diff_checkpoints(source, back, {"net/w": "vars/encoder/w"}).equal
    tcm.init_from_checkpoint(source, {"net/w": "w"}, module)
    assert module.w.numpy().all()
