"""``averages=`` as a plain argument, and TF1's own ways around averages."""

import os
import subprocess

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.readers import by_saver
from tests.live.resumed import GOLDENS
from tf_ckpt_migrate.errors import PlanError, RuleError

EMA = "ExponentialMovingAverage"
PREFIX = str(GOLDENS / "ema" / "model.ckpt")
REST = [tcm.Drop(role="slot"), tcm.Drop(role="optimizer")]


@pytest.fixture(scope="module")
def saved():
    return tcm.load_checkpoint(PREFIX)


@pytest.fixture
def model(tf):
    module = tf.Module(name="model")
    module.w = tf.Variable(tf.zeros([2, 3]), name="model/w")
    module.b = tf.Variable(tf.zeros([3]), name="model/b")
    return module


def of(saved, use):
    end = f"/{EMA}" if use == "average" else ""
    return saved["net/w" + end], saved["net/b" + end]


@pytest.mark.parametrize("use", ["raw", "average"])
class TestChoosing:
    def test_restore_goes_by_the_other_rules(self, model, saved, use):
        """The map speaks of variables, and averages go where these go."""
        tcm.restore(PREFIX, model, [*REST, ("net/", "model/")], averages=use)
        for variable, value in zip((model.w, model.b), of(saved, use), strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)

    def test_files(self, tf, tmp_path, saved, use):
        path = tcm.convert_tf1_to_tf2(
            PREFIX,
            tmp_path / "tf2",
            assignment_map=REST,
            unused="keep",
            averages=use,
        )
        made = tf.train.load_checkpoint(os.fspath(path))
        kernel = made.get_tensor("vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE")
        np.testing.assert_array_equal(kernel, of(saved, use)[0])
        plan = tcm.plan_migration(PREFIX, None, REST, unused="keep", averages=use)
        assert {move.target for move in plan.moves} == {"net/w", "net/b"}
        assert all(move.transform is None for move in plan.moves)

    def test_the_shell(self, tmp_path, saved, use):
        from tf_ckpt_migrate.cli.main import main

        flags = ["--drop_role=slot", "--drop_role=optimizer", "--rename=net/=model/"]
        out = str(tmp_path / "made")
        assert main(["convert", PREFIX, out, *flags, f"--averages={use}"]) == 0
        np.testing.assert_array_equal(
            tcm.load_checkpoint(out)["model/w"], of(saved, use)[0]
        )

    def test_initializing(self, model, saved, use):
        tcm.init_from_checkpoint(PREFIX, {"net/": "model/"}, target=model, averages=use)
        np.testing.assert_array_equal(model.w.numpy(), of(saved, use)[0])

    def test_initializing_a_graph(self, tf, saved, use):
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("model/w", [2, 3])
            tcm.init_from_checkpoint(PREFIX, {"net/": "model/"}, averages=use)
            session.run(v1.global_variables_initializer())
            np.testing.assert_array_equal(session.run(w), of(saved, use)[0])


class TestWhatTf1Does:
    def test_evaluation_in_a_graph(self, tf, model, saved):
        """A graph of TF1 with a Saver of ``variables_to_restore()``: the averages."""
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("net/w", [2, 3])
            b = v1.get_variable("net/b", [3])
            names = tf.train.ExponentialMovingAverage(0.9).variables_to_restore()
            assert names == {f"net/w/{EMA}": w, f"net/b/{EMA}": b}
            v1.train.Saver(names).restore(session, PREFIX)
            evaluated = session.run([w, b])
        tcm.restore(PREFIX, model, [*REST, ("net/", "model/")], averages="average")
        for variable, value in zip((model.w, model.b), evaluated, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)

    @pytest.mark.parametrize("call", ["restore", "init_from_checkpoint"])
    def test_its_map_with_a_variable_without_an_average(
        self, tf, model, tmp_path, call
    ):
        """TF1's map asks for an average of each; what has none gets its own value."""
        from tf_ckpt_migrate.conversion.example import example_checkpoint

        names = {f"net/{name}/{EMA}": f"model/{name}" for name in ("w", "b")}
        tensors = {
            "net/w": np.zeros([2, 3], np.float32),
            f"net/w/{EMA}": np.ones([2, 3], np.float32),
            "net/b": np.full(3, 2, np.float32),
        }
        with example_checkpoint(tensors) as prefix:
            with pytest.raises(PlanError, match=f"net/b/{EMA}"):
                tcm.restore(prefix, model, names)
            if call == "restore":
                report = tcm.restore(prefix, model, names, averages="average")
                assert "no average in the checkpoint" in report.plan.notes[0]
                assert "'net/b'" in report.plan.notes[0]
            else:
                tcm.init_from_checkpoint(
                    prefix, names, target=model, averages="average"
                )
        assert model.w.numpy().tolist() == np.ones([2, 3]).tolist()
        assert model.b.numpy().tolist() == [2, 2, 2]

    def test_into_a_live_average_of_tf1_and_back(self, tf, tmp_path, saved):
        """By the names of a graph: averages are variables like others."""
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            with v1.variable_scope("model"):
                w = v1.get_variable("w", [2, 3])
                b = v1.get_variable("b", [3])
            average = tf.train.ExponentialMovingAverage(0.9)
            average.apply([w, b])
            variables = {v.op.name: v for v in v1.global_variables()}
            rules = [*REST, ("net/", "model/")]
            tcm.restore(PREFIX, variables, rules, averages="both", session=session)
            np.testing.assert_array_equal(
                session.run(average.average(w)), saved[f"net/w/{EMA}"]
            )
            np.testing.assert_array_equal(session.run(w), saved["net/w"])
            path = v1.train.Saver().save(session, str(tmp_path / "m"))
        back = tcm.plan_migration(path, None, [("model/", "net/")], averages="both")
        made = by_saver(tf, os.fspath(tcm.convert(back, tmp_path / "back")))
        assert set(made) == {"net/w", "net/b", f"net/w/{EMA}", f"net/b/{EMA}"}
        for key, value in made.items():
            np.testing.assert_array_equal(value, saved[key])


class TestSaying:
    def test_averages_that_no_one_chose_are_an_error_with_the_way_out(self, model):
        with pytest.raises(PlanError, match='pass averages="average" for variables'):
            tcm.restore(PREFIX, model, [("net/w", "model/w"), ("net/b", "model/b")])

    def test_the_shell_says_it_in_flags(self, tmp_path):
        code = ["-m", "tf_ckpt_migrate", "plan", PREFIX, "--rename=net/w=model/w"]
        import sys

        done = subprocess.run(
            [sys.executable, *code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "--averages=average for variables" in done.stderr
        assert "--averages=raw for their own" in done.stderr

    def test_no_such_word(self, model):
        with pytest.raises(RuleError, match="expected one of raw, average, both"):
            tcm.restore(PREFIX, model, averages="mean")
        with pytest.raises(RuleError, match="expected one of raw, average"):
            tcm.init_from_checkpoint(PREFIX, {}, target=model, averages="both")


@pytest.mark.parametrize("plan", [False, True])
def test_averages_not_used_are_noted_unless_rules_say_so(model, saved, plan):
    def notes(rules, **options):
        if plan:
            options["unused"] = "drop"
            return tcm.plan_migration(PREFIX, model, rules, **options).notes
        return tcm.restore(PREFIX, model, rules, unused="drop", **options).plan.notes

    (note,) = notes({"net/": "model/"})
    assert "moving averages of the checkpoint are not used" in note
    assert f"'net/w/{EMA}'" in note
    assert 'averages="average"' in note
    for rules, options in (
        ([tcm.Drop(role="average"), ("net/", "model/")], {}),
        ([tcm.Drop(pattern=f".*/{EMA}"), ("net/", "model/")], {}),
        ({"net/": "model/"}, {"averages": "raw"}),
        ({"net/": "model/"}, {"averages": "average"}),
    ):
        assert not any("moving averages" in n for n in notes(rules, **options))


def test_a_suggested_map_with_an_optimizer_takes_averages(tf):
    """Slots come from those of the variables, whose averages the weights get."""

    def restored(averages):
        variable = {name: tf.Variable(tf.zeros(shape), name=f"model/{name}")
                    for name, shape in (("w", [2, 3]), ("b", [3]))}  # fmt: skip
        optimizer = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
        optimizer.build([*variable.values()])
        target = tf.train.Checkpoint(**variable, optimizer=optimizer)
        rules = [
            tcm.Recipe("optimizer", "Adam", "optimizer"),
            tcm.Drop(role="average"),
            ("net/", "model/"),
        ]
        report = tcm.restore(
            PREFIX, target, rules, unused="drop", averages=averages, missing=["step"]
        )
        slots = [each.numpy() for each in optimizer.variables]
        return variable["w"].numpy(), slots, report.plan

    saved = tcm.load_checkpoint(PREFIX)
    raw, expected, _ = restored(None)
    averaged, slots, plan = restored("average")
    np.testing.assert_array_equal(raw, saved["net/w"])
    np.testing.assert_array_equal(averaged, saved[f"net/w/{EMA}"])
    assert len(slots) == len(expected) > 2
    for one, other in zip(slots, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any("state that belongs to their raw values" in note for note in plan.notes)
