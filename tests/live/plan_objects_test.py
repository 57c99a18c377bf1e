"""``plan_migration`` with live objects as its target: the dry run of ``restore``."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError

ONES = np.ones([3, 4], np.float32), np.ones(4, np.float32)


@pytest.fixture
def source():
    with example_checkpoint({"net/fc/w": ONES[0], "net/fc/b": ONES[1]}) as prefix:
        yield prefix


def targets(tf):
    """Return objects of every kind with the names of their two variables."""
    kernel, bias = tf.Variable(tf.zeros([3, 4])), tf.Variable(tf.zeros([4]))
    module = tf.Module()
    module.w, module.b = kernel, bias
    dense = tf.keras.layers.Dense(4)
    model = tf.keras.Sequential([tf.keras.Input([3]), dense])
    names = [getattr(v, "path", v.name.split(":")[0]) for v in dense.weights]
    return [
        (module, [kernel, bias], ["w", "b"]),
        (tf.train.Checkpoint(w=kernel, b=bias), [kernel, bias], ["w", "b"]),
        ({"m/w": kernel, "m/b": bias}, [kernel, bias], ["m/w", "m/b"]),
        ([dense.kernel, dense.bias], dense.weights, names),
        (model, dense.weights, names),
    ]


def test_it_is_the_plan_of_the_restore_and_assigns_nothing(tf, source):
    for target, variables, names in targets(tf):
        rules = dict(zip(("net/fc/w", "net/fc/b"), names, strict=True))
        for variable in variables:
            variable.assign(tf.zeros_like(variable))
        plan = tcm.plan_migration(source, target, rules)
        assert not any(each.numpy().any() for each in variables)
        assert tcm.restore(source, target, plan).plan == plan
        assert tcm.restore(source, target, rules).plan == plan
        assert all((each.numpy() == 1).all() for each in variables)


def test_errors_are_those_of_the_restore(tf, source):
    module, *_ = targets(tf)[0]
    for rules, options, kind in (
        ({"net/fc/w": "w"}, {}, PlanError),
        ({"none": "w"}, {"unused": "drop", "missing": "keep"}, PlanError),
        ({}, {"unused": "keep"}, RuleError),
        ({}, {"missing": ["slots"]}, RuleError),
    ):
        texts = []
        for call in (tcm.plan_migration, tcm.restore):
            with pytest.raises(kind) as caught:
                call(source, module, rules, **options)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]
    with pytest.raises(TargetError, match="3, a int"):
        tcm.plan_migration(source, 3)


def test_a_graph_needs_no_session(tf, source):
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        variables = [v1.get_variable("w", [3, 4]), v1.get_variable("b", [4])]
        before = len(graph.get_operations())
        plan = tcm.plan_migration(source, variables, {"net/fc/": "/"})
        assert len(graph.get_operations()) == before
    assert {move.target for move in plan.moves} == {"w", "b"}


def test_a_plan_for_objects_says_how_it_is_carried_out(tf, source, tmp_path):
    module, *_ = targets(tf)[0]
    rules = {"net/fc/w": "w"}
    plan = tcm.plan_migration(source, module, rules, unused="drop", missing="keep")
    with pytest.raises(PlanError, match=r"restore\(source, objects, plan\)"):
        tcm.convert(plan, tmp_path / "made")
    assert not [*tmp_path.iterdir()]
    # What it keeps needs no missing="keep" again.
    assert tcm.restore(source, module, plan).kept == plan.kept_targets


def test_roles_are_for_objects(source):
    with pytest.raises(RuleError, match="roles are for a target of live objects"):
        tcm.plan_migration(source, source, missing=["slot"])


def test_a_checkpoint_as_target_does_not_import_tensorflow(source):
    code = (
        "import sys, tf_ckpt_migrate as tcm\n"
        f"tcm.plan_migration({source!r}, {source!r})\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_suggestion_is_a_map_also_from_a_pickle_and_from_its_yaml(
    tf, source, tmp_path
):
    variables = {"m/dense/w": tf.Variable(tf.zeros([3, 4]))}
    variables["m/dense/b"] = tf.Variable(tf.zeros([4]))
    suggestion = tcm.suggest_assignment_map(source, variables)
    again = pickle.loads(pickle.dumps(suggestion))
    assert again == suggestion
    path = tmp_path / "map.yaml"
    path.write_text(suggestion.to_yaml(), encoding="utf-8")
    for given in (suggestion, again, path, str(path), suggestion.to_yaml()):
        plan = tcm.plan_migration(source, variables, given)
        assert {move.target for move in plan.moves} == {*variables}
        made = tcm.convert_tf1_to_tf2(
            source, tmp_path / "made", target=variables, assignment_map=given,
            overwrite=True,
        )  # fmt: skip
        tcm.testing.assert_checkpoint_compatible(variables, source, given)
        saver = tcm.Saver(variables, assignment_map=given)
        variables["m/dense/w"].assign(tf.zeros([3, 4]))
        saver.restore(None, source)
        assert (variables["m/dense/w"].numpy() == 1).all()
        tcm.init_from_checkpoint(source, given, target=variables)
        status = tcm.Checkpoint(vars=variables).restore(source, assignment_map=given)
        status.assert_consumed()
        saved = tcm.save_like(
            source, variables, given, output_prefix=tmp_path / "like", overwrite=True
        )
        assert tcm.diff_checkpoints(source, saved.prefix).equal
        assert tcm.diff_checkpoints(made.prefix, made.prefix, assignment_map={}).equal


def test_a_pickled_suggestion_does_not_accept_silently(tf):
    with example_checkpoint({"a": ONES[1], "b": ONES[1]}) as source:
        target = {"x": tf.Variable(ONES[1]), "y": tf.Variable(ONES[1])}
        suggestion = tcm.suggest_assignment_map(source, target)
    assert suggestion.ambiguities
    assert suggestion.accepting().assignment_map
    again = pickle.loads(pickle.dumps(suggestion))
    with pytest.raises(RuleError, match="pickled, or copied, without"):
        again.accepting()
