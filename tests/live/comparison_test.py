"""Comparisons of a checkpoint with what was made of it, by the map that made it."""

import dataclasses

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import GOLDENS
from tf_ckpt_migrate.cli.main import main

SOURCE = str(GOLDENS / "ema" / "model.ckpt")
RULES = [
    tcm.Recipe("optimizer", "Adam", "optimizer"),
    tcm.Drop(role="average"),
    ("net/", "model/"),
]


@pytest.fixture
def target(tf):
    variables = {
        name: tf.Variable(tf.zeros(shape), name=f"model/{name}")
        for name, shape in (("w", [2, 3]), ("b", [3]))
    }
    optimizer = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
    optimizer.build([*variables.values()])
    return tf.train.Checkpoint(**variables, optimizer=optimizer)


@pytest.fixture
def made(target, tmp_path):
    return tcm.convert_tf1_to_tf2(
        SOURCE, tmp_path / "made", RULES, target=target
    ).prefix


@pytest.fixture
def broken(target, tmp_path):
    tcm.restore(SOURCE, target, RULES)
    target.w.assign_add(np.ones([2, 3], np.float32))
    return target.write(str(tmp_path / "broken"))


def test_diff(made, broken):
    for prefix, wrong in ((made, 0), (broken, 1)):
        found = tcm.diff_checkpoints(SOURCE, prefix, RULES)
        assert len(found.values) == wrong
        assert not found.specs
        assert not found.only_in_a
        assert found.renamed["w/.ATTRIBUTES/VARIABLE_VALUE"] == "net/w"
        assert found.equal_count + wrong >= 7  # two variables, four slots, the step


def test_verify(made, broken):
    assert tcm.verify_conversion(made, SOURCE, assignment_map=RULES).ok
    proof = tcm.verify_conversion(broken, SOURCE, assignment_map=RULES)
    assert [each.target for each in proof.findings if each.kind == "values_differ"] == [
        "w/.ATTRIBUTES/VARIABLE_VALUE"
    ]


def test_report(made, broken):
    for prefix, wrong in ((made, []), (broken, ["net/w"])):
        rows = tcm.make_report(SOURCE, prefix, assignment_map=RULES).rows
        differing = [
            row.sources[0].key
            for row in rows
            if row.difference is not None and row.difference.elements
        ]
        assert differing == wrong


def test_the_shell(made, broken, tmp_path, capsys):
    path = tmp_path / "map.yaml"
    path.write_text(tcm.AssignmentMap(RULES).to_yaml(), encoding="utf-8")
    recipe = ["--recipe=optimizer Adam=optimizer", "--drop_role=average"]
    for rules in ([f"--map={path}"], [*recipe, "--rename=net/=model/"]):
        assert main(["verify", made, f"--against={SOURCE}", *rules]) == 0
        assert main(["verify", broken, f"--against={SOURCE}", *rules]) == 1
        capsys.readouterr()
        assert main(["diff", SOURCE, broken, *rules]) == 1
        out = capsys.readouterr().out
        assert "different values" in out
        assert "net/w -> w/.ATTRIBUTES/VARIABLE_VALUE" in out


def test_the_shell_takes_a_plan_for_diff(tmp_path, capsys):
    plan = tcm.plan_migration(SOURCE, None, {"net/": "model/"}, unused="keep")
    made = tcm.convert(plan, tmp_path / "made")
    path = tmp_path / "plan.yaml"
    path.write_text(plan.to_yaml(), encoding="utf-8")
    assert main(["diff", SOURCE, made.prefix, f"--plan={path}"]) == 0
    assert tcm.diff_checkpoints(SOURCE, made, plan).equal
    other = dataclasses.replace(plan, source_specs={}, moves=(), dropped=())
    with pytest.raises(tcm.errors.PlanError, match="another checkpoint"):
        tcm.diff_checkpoints(SOURCE, made, other)
    capsys.readouterr()


def test_back_to_names(made, tmp_path):
    """The map with which names were made compares both sides of the way back."""
    names = {"w": "net/w", "b": "net/b"}
    rules = [*names.items(), tcm.Drop("optimizer/")]
    back = tcm.convert_tf2_to_tf1(made, tmp_path / "back", rules)
    found = tcm.diff_checkpoints(made, back, rules)
    assert found.equal_count == 2
    assert not found.values
    assert not found.only_in_b


def test_the_advice_of_a_recipe_that_moves_cannot_take(tmp_path, capsys):
    """The shell names its own commands, which compare by the map of a conversion."""
    out = str(tmp_path / "out")
    assert main(["convert", SOURCE, out, "--recipe=optimizer Adam=optimizer"]) == 1
    text = capsys.readouterr().err
    assert "tf-ckpt-migrate diff SOURCE CONVERTED --map FILE" in text
    assert "tf-ckpt-migrate verify CONVERTED --against SOURCE --map FILE" in text
