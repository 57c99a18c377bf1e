"""The names by which variables meet tensors: their own, and the paths to them."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint


def attributes(tf):
    """A variable whose attribute is called as another tensor, and one of that name."""
    return {"w": tf.Variable(0.0, name="kernel"), "step": tf.Variable(0.0, name="w")}


def restore_checkpoint(tf, prefix, variables):
    status = tcm.Checkpoint(**variables).restore(prefix)
    status.assert_existing_objects_matched()


def restore_by_empty_map(tf, prefix, variables):
    tcm.Checkpoint(**variables).read(prefix, assignment_map=[])


def restore_at_once(tf, prefix, variables):
    target = tf.train.Checkpoint(**variables)
    tcm.restore(prefix, target, unused="drop")


def initialize(tf, prefix, variables):
    target = tf.train.Checkpoint(**variables)
    names = {variable.name[:-2] for variable in variables.values()}
    pairs = {name: name for name in names}
    tcm.init_from_checkpoint(prefix, pairs, target=target)


def convert(tf, prefix, variables):
    target = tf.train.Checkpoint(**variables)
    plan = tcm.plan_migration(prefix, target.write(prefix + "-target"), unused="drop")
    tcm.convert(plan, prefix + "-converted")
    target.read(prefix + "-converted").assert_consumed()


def convert_dual(tf, prefix, variables):
    target = tcm.Checkpoint(**variables)
    like = target.write(prefix + "-target", keys="both")
    plan = tcm.plan_migration(prefix, like, unused="drop")
    tcm.convert(plan, prefix + "-converted")
    tf.train.Checkpoint(**variables).read(prefix + "-converted").assert_consumed()


def restore_later(tf, prefix, variables):
    module = tf.Module()
    tcm.Checkpoint(module).restore(prefix).expect_partial()
    for name, variable in variables.items():
        setattr(module, name, variable)


WAYS = [
    restore_checkpoint,
    restore_by_empty_map,
    restore_at_once,
    initialize,
    convert,
    convert_dual,
    restore_later,
]


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.__name__)
@pytest.mark.parametrize("names", [["w"], ["w", "step"]], ids=str)
def test_a_tensor_of_the_variables_own_name_comes_first(tf, how, names):
    variables = {name: attributes(tf)[name] for name in names}
    with example_checkpoint({"w": np.float32(1), "kernel": np.float32(2)}) as prefix:
        how(tf, prefix, variables)
    assert [float(v) for v in variables.values()] == [2.0, 1.0][: len(names)]


def test_a_path_is_a_name_where_the_checkpoint_does_not_have_the_own_name(tf):
    variable = tf.Variable(0.0, name="kernel")
    with example_checkpoint({"w": np.float32(1)}) as prefix:
        tcm.Checkpoint(w=variable).restore(prefix).assert_existing_objects_matched()
    assert float(variable) == 1.0


def test_a_rule_to_a_path_comes_before_a_tensor_of_the_own_name(tf):
    """Also where the variable is made later."""
    values = {"old": np.float32(1), "kernel": np.float32(2)}
    module = tf.Module()
    with example_checkpoint(values) as prefix:
        status = tcm.Checkpoint(module).restore(prefix, assignment_map={"old": "w"})
        status.expect_partial()
        module.w = tf.Variable(0.0, name="kernel")
    assert float(module.w) == 1.0


def module(tf, name):
    made = tf.Module()
    layer = tf.keras.layers.Dense(4)
    layer.build([None, 3])
    setattr(made, name, layer)
    return made


def convert_by_map(prefix, new, rules):
    target = tcm.Checkpoint(new)
    like = target.write(prefix + "-target")
    plan = tcm.plan_migration(prefix, like, rules, unused="drop")
    tcm.convert(plan, prefix + "-converted")
    target.read(prefix + "-converted").assert_consumed()


ENTRIES = {
    "restore": tcm.restore,
    "Checkpoint.read": lambda prefix, new, rules: tcm.Checkpoint(new).read(
        prefix, assignment_map=rules
    ),
    "init_from_checkpoint": lambda prefix, new, rules: tcm.init_from_checkpoint(
        prefix, rules, target=new
    ),
    "Saver": lambda prefix, new, rules: tcm.Saver(
        {f"second/{name}": getattr(new.second, name) for name in ("kernel", "bias")},
        assignment_map=rules,
    ).restore(None, prefix),
    "convert": convert_by_map,
}


@pytest.mark.parametrize("how", ENTRIES)
@pytest.mark.parametrize("kind", ["object", "both"])
@pytest.mark.parametrize(
    "rules",
    [
        {"first/": "second/"},
        {"first/kernel": "second/kernel", "first/bias": "second/bias"},
    ],
    ids=["scope", "exact"],
)
def test_object_paths_are_names_in_every_way_in(tf, tmp_path, how, kind, rules):
    old, new = module(tf, "first"), module(tf, "second")
    old.first.kernel.assign(np.full((3, 4), 5.0, "f"))
    old.first.bias.assign(np.full(4, 6.0, "f"))
    names = {"first/": "net/"}
    prefix = tcm.Checkpoint(old).write(str(tmp_path / "m"), keys=kind, names=names)
    ENTRIES[how](prefix, new, rules)
    np.testing.assert_array_equal(np.asarray(new.second.kernel), np.full((3, 4), 5.0))
    np.testing.assert_array_equal(np.asarray(new.second.bias), np.full(4, 6.0))
