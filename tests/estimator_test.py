"""Sessions and Estimators that save for both worlds, and start from either."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.readers import by_saver, names_in, same_values
from tests.tf1 import restored_by_tf1
from tf_ckpt_migrate.errors import CheckpointNotFoundError, PlanError

ROOT = Path(__file__).parents[1]
X = np.float32([[0, 1], [1, 0], [1, 1], [2, 1]])
Y = np.float32([[1], [2], [3], [5]])
KEYS = ["name", "object", "both"]
NAMES = ["global_step", "net/b", "net/w"]
SLOTS = [f"net/{v}/{slot}" for v in "bw" for slot in ("Adam", "Adam_1")]
ALL_NAMES = sorted([*NAMES, *SLOTS, "beta1_power", "beta2_power"])


def model(tf, scope="net"):
    """What a TF1 program builds: variables, the loss, an operation that trains."""
    v1 = tf.compat.v1
    step = v1.train.get_or_create_global_step()
    with v1.variable_scope(scope):
        w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
        b = v1.get_variable("b", [1], initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(tf.square(tf.constant(X) @ w + b - Y))
    train = v1.train.AdamOptimizer(0.1).minimize(loss, global_step=step)
    return loss, train


def holder(tf, scope="net"):
    """The variables of the graph as the module that they are to become."""
    found = {v.op.name: v for v in tf.compat.v1.global_variables()}
    module = tf.Module()
    module.kernel, module.bias = found[f"{scope}/w"], found[f"{scope}/b"]
    return tf.train.Checkpoint(net=module, step=found["global_step"])


def trained(tf, folder, steps, made=lambda: None, scope="net", **options):
    """Train in a monitored session; return the losses before each step."""
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        loss, train = model(tf, scope)
        options = {"scaffold": made(), "save_checkpoint_steps": 2, **options}
        with v1.train.MonitoredTrainingSession(
            checkpoint_dir=str(folder), log_step_count_steps=None, **options
        ) as session:
            return [session.run([loss, train])[0] for _ in range(steps)]


@pytest.fixture(scope="module")
def expected(tf, tmp_path_factory):
    """The losses of twelve steps that nothing interrupts."""
    return trained(tf, tmp_path_factory.mktemp("whole"), 12)


def latest(tf, folder):
    return tf.train.latest_checkpoint(str(folder))


def values(tf, prefix):
    return by_saver(tf, prefix, NAMES)


def by_checkpoint(tf, prefix):
    """What a stock Checkpoint restores in eager mode, of the guide's layout."""
    made = {
        name: tf.Variable(tf.zeros(shape, dtype))
        for name, shape, dtype in (
            ("net/w", [2, 1], tf.float32),
            ("net/b", [1], tf.float32),
            ("global_step", [], tf.int64),
        )
    }
    status = tf.train.Checkpoint(vars=made).restore(prefix)
    status.assert_existing_objects_matched()
    return {name: variable.numpy() for name, variable in made.items()}


def by_module(tf, prefix):
    """What a stock Checkpoint restores of the objects of `holder`."""
    net = tf.Module()
    net.kernel, net.bias = tf.Variable(tf.zeros([2, 1])), tf.Variable(tf.zeros([1]))
    step = tf.Variable(0, dtype=tf.int64)
    tf.train.Checkpoint(net=net, step=step).restore(prefix).assert_consumed()
    found = (step.numpy(), net.bias.numpy(), net.kernel.numpy())
    return dict(zip(NAMES, found, strict=True))


class TestScaffold:
    @pytest.mark.parametrize("keys", KEYS)
    def test_training_is_resumed(self, tf, tmp_path, expected, keys):
        def made():
            return tcm.estimator.scaffold(keys=keys)

        losses = trained(tf, tmp_path, 5, made)
        prefix = latest(tf, tmp_path)
        assert prefix.endswith("model.ckpt-5")
        assert sorted(names_in(prefix)) == ([] if keys == "object" else ALL_NAMES)
        if keys != "name":
            assert by_checkpoint(tf, prefix)["global_step"] == 5
        if keys != "object":
            assert values(tf, prefix)["global_step"] == 5
        if keys == "both":
            same_values(by_checkpoint(tf, prefix), values(tf, prefix))
        losses += trained(tf, tmp_path, 7, made)
        np.testing.assert_array_equal(losses, expected)

    @pytest.mark.parametrize("then", KEYS)
    @pytest.mark.parametrize("first", KEYS)
    def test_from_every_kind_to_every_kind(self, tf, tmp_path, expected, first, then):
        losses = trained(
            tf, tmp_path, 4, lambda: tcm.estimator.scaffold(keys=first)
        ) + trained(tf, tmp_path, 4, lambda: tcm.estimator.scaffold(keys=then))
        np.testing.assert_array_equal(losses, expected[:8])

    def test_what_the_stock_saver_began_and_goes_on_with(self, tf, tmp_path, expected):
        losses = trained(tf, tmp_path, 4)
        losses += trained(tf, tmp_path, 4, tcm.estimator.scaffold)
        losses += trained(tf, tmp_path, 4)
        np.testing.assert_array_equal(losses, expected)

    @pytest.mark.parametrize("given", ["target", "saver"])
    def test_keys_of_objects(self, tf, tmp_path, given):
        def made():
            return tcm.estimator.scaffold(**{given: holder(tf)})

        trained(tf, tmp_path, 3, made)
        prefix = latest(tf, tmp_path)
        reader = tcm.load_checkpoint(prefix)
        assert reader.has_tensor("net/kernel/.ATTRIBUTES/VARIABLE_VALUE")
        found = values(tf, prefix)
        with pytest.raises(AssertionError):  # slots have names only
            tf.train.Checkpoint(net=tf.Module()).restore(prefix).assert_consumed()
        same_values(by_module(tf, prefix), found)

    def test_it_keeps_so_many(self, tf, tmp_path):
        trained(tf, tmp_path, 10, lambda: tcm.estimator.scaffold(max_to_keep=2))
        kept = sorted(path.name for path in tmp_path.glob("*.index"))
        assert kept == ["model.ckpt-10.index", "model.ckpt-8.index"]
        assert len(list(tmp_path.glob("*.meta"))) == 2
        again = trained(tf, tmp_path, 2, lambda: tcm.estimator.scaffold(max_to_keep=2))
        assert len(again) == 2
        kept = sorted(path.name for path in tmp_path.glob("*.index"))
        assert kept == ["model.ckpt-10.index", "model.ckpt-12.index"]

    def test_a_list_and_a_dict(self, tf, tmp_path):
        v1 = tf.compat.v1

        def made():
            step, w, b = (v1.global_variables()[n] for n in range(3))
            saved = {"global_step": step, "weights": w, "biases": b}
            # What is not saved would be without a value after a restore.
            return tcm.estimator.scaffold(
                saved,
                ready_op=tf.constant([], tf.string),
                local_init_op=v1.variables_initializer(v1.global_variables()[3:]),
                ready_for_local_init_op=tf.constant([], tf.string),
            )

        first = trained(tf, tmp_path, 4, made)
        found = names_in(latest(tf, tmp_path))
        assert sorted(found) == ["biases", "global_step", "weights"]
        assert trained(tf, tmp_path, 1, made)[0] < first[-1]

    def test_a_graph_has_one_saver(self, tf, tmp_path):
        """As of two ``Scaffold()``: a second one does not change a finalized graph."""
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph:
            _, train = model(tf)
            early = tcm.estimator.scaffold()  # before there is a saver
            first = tcm.estimator.scaffold().finalize()
            count = len(graph.get_operations())
            second = tcm.estimator.scaffold().finalize()
            early.finalize()
            other = tcm.estimator.scaffold(keys="object", max_to_keep=1).finalize()
            assert second.saver is first.saver
            assert v1.get_collection(v1.GraphKeys.SAVERS) == [first.saver]
            assert len(graph.get_operations()) == count
            with v1.Session() as session:
                session.run(first.init_op)
                session.run(train)
                path = second.saver.save(session, str(tmp_path / "both"))
                assert early.saver.save(session, str(tmp_path / "early"))
                for number in range(2):
                    last = other.saver.save(session, str(tmp_path / "o"), number)
            assert first.saver.as_saver_def().max_to_keep == 5
        assert values(tf, path)["global_step"] == 1
        assert by_checkpoint(tf, last)["global_step"] == 1
        assert not names_in(last)
        assert len(list(tmp_path.glob("o-*.index"))) == 1

    @pytest.mark.parametrize("built", [False, True])
    def test_it_saves_what_the_saver_of_the_graph_saves(self, tf, tmp_path, built):
        v1 = tf.compat.v1
        with tf.Graph().as_default():
            model(tf)
            options = {"max_to_keep": 1, "save_relative_paths": True}
            if built:
                stock = v1.train.Saver(v1.global_variables()[:2], **options)
            else:
                stock = v1.train.Saver(defer_build=True, **options)
            v1.add_to_collection(v1.GraphKeys.SAVERS, stock)
            scaffold = tcm.estimator.scaffold().finalize()
            assert v1.get_collection(v1.GraphKeys.SAVERS) == [scaffold.saver]
            with v1.Session() as session:
                session.run(scaffold.init_op)
                for number in range(3):
                    path = scaffold.saver.save(session, str(tmp_path / "m"), number)
        assert len(names_in(path)) == (2 if built else len(ALL_NAMES))
        assert len(list(tmp_path.glob("*.index"))) == 1
        assert '"m-2"' in (tmp_path / "checkpoint").read_text(encoding="utf-8")

    def test_a_graph_with_two_savers(self, tf):
        v1 = tf.compat.v1
        for made in (v1.train.Scaffold, tcm.estimator.scaffold):
            with tf.Graph().as_default():
                model(tf)
                for _ in range(2):
                    v1.add_to_collection(v1.GraphKeys.SAVERS, v1.train.Saver())
                with pytest.raises(RuntimeError, match="collection"):
                    made().finalize()

    @pytest.mark.parametrize("ours", [False, True])
    def test_a_hook_without_a_saver_finds_it(self, tf, tmp_path, ours):
        hook = tf.compat.v1.train.CheckpointSaverHook
        hook = tcm.estimator.DualCheckpointSaverHook if ours else hook
        trained(
            tf,
            tmp_path,
            1,
            tcm.estimator.scaffold,
            chief_only_hooks=[hook(str(tmp_path), save_steps=1)],
            save_checkpoint_steps=None,
            save_checkpoint_secs=None,
        )
        assert by_checkpoint(tf, latest(tf, tmp_path))["global_step"] == 1

    def test_a_saver_of_ours_knows_its_keys(self, tf, tmp_path):
        def made():
            saver = tcm.Saver(keys="object", defer_build=True)
            return tcm.estimator.scaffold(saver)

        trained(tf, tmp_path, 1, made)
        assert not names_in(latest(tf, tmp_path))

    def test_a_saver_of_tensorflow(self, tf):
        with tf.Graph().as_default():
            model(tf)
            saver = tf.compat.v1.train.Saver()
            with pytest.raises(TypeError, match=r"give a tcm\.Saver"):
                tcm.estimator.scaffold(saver)

    def test_a_word_that_is_none(self, tf):
        with pytest.raises(ValueError, match="keys='dual'"):
            tcm.estimator.scaffold(keys="dual")
        with pytest.raises(ValueError, match="is for init_from="):
            tcm.estimator.scaffold(assignment_map={"a/": "b/"})


class TestWarmStart:
    @pytest.fixture(params=KEYS)
    def source(self, tf, tmp_path, request):
        folder = tmp_path / "source"
        trained(tf, folder, 6, lambda: tcm.estimator.scaffold(keys=request.param))
        return folder

    def test_all_of_it(self, tf, tmp_path, expected, source):
        losses = trained(
            tf, tmp_path / "new", 6, lambda: tcm.estimator.scaffold(init_from=source)
        )
        np.testing.assert_array_equal(losses, expected[6:])
        assert latest(tf, tmp_path / "new").endswith("-12")

    def test_through_a_map(self, tf, tmp_path, expected, source):
        rules = {"net/": "tower/"}
        losses = trained(
            tf,
            tmp_path / "new",
            6,
            lambda: tcm.estimator.scaffold(init_from=source, assignment_map=rules),
            scope="tower",
        )
        np.testing.assert_array_equal(losses, expected[6:])

    def test_a_model_directory_with_a_checkpoint_comes_first(
        self, tf, tmp_path, source, expected
    ):
        trained(tf, tmp_path / "new", 2)
        made = tcm.estimator.scaffold
        losses = trained(tf, tmp_path / "new", 2, lambda: made(init_from=source))
        np.testing.assert_array_equal(losses, expected[2:4])

    def test_what_does_not_fit_is_an_error_before_the_first_step(
        self, tf, tmp_path, source
    ):
        with pytest.raises(PlanError, match="tower/w"):
            trained(
                tf,
                tmp_path / "new",
                1,
                lambda: tcm.estimator.scaffold(init_from=source),
                scope="tower",
            )
        assert not list((tmp_path / "new").glob("*.index"))

    def test_what_may_be_left_out(self, tf, tmp_path, source):
        rules = [tcm.Drop(role="slot"), tcm.Drop(role="optimizer")]
        rules.append(tcm.Drop("global_step"))
        trained(
            tf,
            tmp_path / "new",
            1,
            lambda: tcm.estimator.scaffold(
                init_from=source,
                assignment_map=rules,
                missing=["slot", "optimizer", "step"],
            ),
        )
        assert latest(tf, tmp_path / "new").endswith("-1")

    def test_the_callers_init_fn_comes_after(self, tf, tmp_path, source):
        seen = []

        def init_fn(scaffold, session):
            step = tf.compat.v1.train.get_global_step(session.graph)
            seen.append((scaffold.saver is not None, session.run(step)))

        def made():
            return tcm.estimator.scaffold(init_from=source, init_fn=init_fn)

        trained(tf, tmp_path / "new", 1, made)
        assert seen == [(True, 6)]
        trained(tf, tmp_path / "new", 1, made)
        assert len(seen) == 1
        only = tmp_path / "only"
        trained(tf, only, 1, lambda: tcm.estimator.scaffold(init_fn=init_fn))
        assert seen[1:] == [(True, 0)]


class TestHook:
    def hooked(self, tf, folder, steps, made=lambda: None, **options):
        """Train with our hook in place of the session's own."""

        def scaffold_and_hook():
            v1 = tf.compat.v1
            scaffold = made() or v1.train.Scaffold(saver=v1.train.Saver(max_to_keep=2))
            target = options.pop("target", lambda tf: None)(tf)
            hook = tcm.estimator.DualCheckpointSaverHook(
                str(folder), save_steps=2, scaffold=scaffold, target=target, **options
            )
            hooks.append(hook)
            return scaffold

        hooks = []
        return trained(
            tf,
            folder,
            steps,
            scaffold_and_hook,
            chief_only_hooks=hooks,
            save_checkpoint_steps=None,
            save_checkpoint_secs=None,
        )

    def test_a_stock_saver_saves_for_both(self, tf, tmp_path, expected):
        losses = self.hooked(tf, tmp_path, 5)
        prefix = latest(tf, tmp_path)
        assert sorted(names_in(prefix)) == ALL_NAMES
        same_values(by_checkpoint(tf, prefix), values(tf, prefix))
        assert len(list(tmp_path.glob("*.index"))) == 2
        state = tf.train.get_checkpoint_state(str(tmp_path))
        kept = [Path(p).name for p in state.all_model_checkpoint_paths]
        assert kept == ["model.ckpt-4", "model.ckpt-5"]
        losses += self.hooked(tf, tmp_path, 7)
        np.testing.assert_array_equal(losses, expected)

    @pytest.mark.parametrize("ours", [False, True], ids=["stock", "ours"])
    def test_keys_of_objects(self, tf, tmp_path, ours):
        made = tcm.estimator.scaffold if ours else lambda: None
        self.hooked(tf, tmp_path, 3, made, target=holder)
        prefix = latest(tf, tmp_path)
        same_values(by_module(tf, prefix), values(tf, prefix))

    def test_a_scaffold_of_a_checkpoint(self, tf, tmp_path):
        def made():
            step, w, b = tf.compat.v1.global_variables()[:3]
            return tf.compat.v1.train.Scaffold(
                saver=tf.train.Checkpoint(vars={"net/w": w, "net/b": b}, step=step)
            )

        self.hooked(tf, tmp_path, 3, made)
        prefix = latest(tf, tmp_path)
        found = values(tf, prefix)
        assert found["global_step"] == 3
        w, step = tf.Variable(tf.zeros([2, 1])), tf.Variable(0, dtype=tf.int64)
        status = tf.train.Checkpoint(vars={"net/w": w}, step=step).restore(prefix)
        status.assert_nontrivial_match()
        np.testing.assert_array_equal(w.numpy(), found["net/w"])
        assert int(step) == 3

    def test_the_saver_of_the_collection(self, tf, tmp_path):
        v1 = tf.compat.v1
        hook = tcm.estimator.DualCheckpointSaverHook(str(tmp_path), save_steps=1)
        trained(
            tf,
            tmp_path,
            1,
            chief_only_hooks=[hook],
            save_checkpoint_steps=None,
            save_checkpoint_secs=None,
        )
        assert by_checkpoint(tf, latest(tf, tmp_path))["global_step"] == 1
        with tf.Graph().as_default(), v1.Session() as session:
            model(tf)
            hook.begin()
            with pytest.raises(RuntimeError, match="has 0 savers"):
                hook.after_create_session(session, None)

    def test_it_takes_what_the_original_takes(self, tf, tmp_path):
        hook = tcm.estimator.DualCheckpointSaverHook
        with pytest.raises(ValueError, match="both saver and scaffold"):
            hook(str(tmp_path), 10, saver="a", scaffold="b")
        with pytest.raises(ValueError, match="every_secs and every_steps"):
            hook(str(tmp_path), save_steps=1, save_secs=1)
        with pytest.raises(ValueError, match="keys='dual'"):
            hook(str(tmp_path), 10, keys="dual")

    def test_keys_of_names_are_what_the_saver_writes(self, tf, tmp_path):
        self.hooked(tf, tmp_path, 1, keys="name")
        reader = tcm.load_checkpoint(latest(tf, tmp_path))
        assert sorted(reader) == ALL_NAMES


class TestListener:
    def listened(self, tf, folder, steps, target=lambda tf: None, made=None, **options):
        v1 = tf.compat.v1

        def scaffold_and_hook():
            scaffold = made() if made else v1.train.Scaffold()
            listener = tcm.estimator.DualCheckpointListener(
                folder, target=target(tf), **options
            )
            hooks.append(
                v1.train.CheckpointSaverHook(
                    str(folder), save_steps=2, scaffold=scaffold, listeners=[listener]
                )
            )
            return scaffold

        hooks = []
        return trained(
            tf,
            folder,
            steps,
            scaffold_and_hook,
            chief_only_hooks=hooks,
            save_checkpoint_steps=None,
            save_checkpoint_secs=None,
        )

    def test_what_a_stock_hook_saves_gets_keys(self, tf, tmp_path, expected):
        losses = self.listened(tf, tmp_path, 5)
        for index in tmp_path.glob("*.index"):
            prefix = str(index.with_suffix(""))
            assert sorted(names_in(prefix)) == ALL_NAMES
            same_values(by_checkpoint(tf, prefix), values(tf, prefix))
            assert tcm.verify_checkpoint(prefix).ok
        losses += self.listened(tf, tmp_path, 7)
        np.testing.assert_array_equal(losses, expected)

    def test_the_files_of_what_the_saver_deletes_go_too(self, tf, tmp_path):
        self.listened(tf, tmp_path, 14)
        kept = {path.name.partition(".")[0] for path in tmp_path.glob("model*")}
        assert kept == {"model"}
        assert len(list(tmp_path.glob("*.index"))) == 5
        stems = {path.stem for path in tmp_path.glob("*.index")}
        assert {path.stem for path in tmp_path.glob("*.data-*")} == stems

    def test_keys_of_objects(self, tf, tmp_path):
        self.listened(tf, tmp_path, 3, holder)
        prefix = latest(tf, tmp_path)
        same_values(by_module(tf, prefix), values(tf, prefix))

    def test_names_for_what_is_saved_by_object(self, tf, tmp_path):
        def made():
            step, w, b = tf.compat.v1.global_variables()[:3]
            return tf.compat.v1.train.Scaffold(
                saver=tf.train.Checkpoint(vars={"net/w": w, "net/b": b}, step=step)
            )

        self.listened(tf, tmp_path, 3, made=made)
        assert values(tf, latest(tf, tmp_path))["global_step"] == 3

    def test_what_is_dual_keyed_already(self, tf, tmp_path):
        self.listened(tf, tmp_path, 3, made=tcm.estimator.scaffold)
        assert by_checkpoint(tf, latest(tf, tmp_path))["global_step"] == 3

    def test_a_directory_without_a_checkpoint(self, tf, tmp_path):
        listener = tcm.estimator.DualCheckpointListener(tmp_path)
        with pytest.raises(CheckpointNotFoundError, match="after the save of step 7"):
            listener.after_save(None, 7)


KILLED = """
import sys, tensorflow as tf
from tests import estimator_test
import tf_ckpt_migrate as tcm
estimator_test.trained(tf, sys.argv[1], 100_000, tcm.estimator.scaffold)
"""


def test_a_killed_training_goes_on(tf, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 120
        while len(list(tmp_path.glob("*.index"))) < 5:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    prefix = latest(tf, tmp_path)
    step = int(values(tf, prefix)["global_step"])
    assert step >= 6  # the state file follows the index
    assert by_checkpoint(tf, prefix)["global_step"] == step
    trained(tf, tmp_path, 3, tcm.estimator.scaffold)
    prefix = latest(tf, tmp_path)
    assert values(tf, prefix)["global_step"] == step + 3
    assert not list(tmp_path.glob(".*.tmp*"))


def test_tensorflow_1_restores_what_all_of_them_save(tf, tmp_path, tf1_python):
    trained(tf, tmp_path / "scaffold", 3, tcm.estimator.scaffold)
    TestHook().hooked(tf, tmp_path / "hook", 3, target=holder)
    TestListener().listened(tf, tmp_path / "listener", 3, holder)
    variables = {
        "global_step": ["int64", []],
        "net/w": ["float32", [2, 1]],
        "net/w/Adam": ["float32", [2, 1]],
    }
    prefixes = [latest(tf, path) for path in sorted(tmp_path.iterdir())]
    jobs = [
        {"prefix": prefix, "variables": variables, "object_based": False}
        for prefix in prefixes
    ]
    values = restored_by_tf1(tf1_python, jobs, tmp_path)
    for prefix, found in zip(prefixes, values, strict=True):
        reader = tcm.load_checkpoint(prefix)
        assert found == {name: reader[name].tobytes().hex() for name in variables}


def has_estimators(tf):
    return hasattr(tf, "estimator")


def test_where_tensorflow_has_no_estimators_the_error_says_what_to_use(tf):
    if has_estimators(tf):
        assert tcm.estimator.Estimator is tf.estimator.Estimator
        return
    with pytest.raises(AttributeError, match=r"2\.15 is the last.*DualModelCheckpoint"):
        _ = tcm.estimator.Estimator
    with pytest.raises(AttributeError, match=r"no attribute '_x'$"):
        _ = tcm.estimator._x


class TestEstimators:
    @pytest.fixture(autouse=True)
    def _where_they_are(self, tf):
        if not has_estimators(tf):
            assert not tf.__version__.startswith("2.15")
            pytest.skip("tf.estimator ended with TensorFlow 2.15")

    def made(self, tf, folder, keys="both", warm=None, run=None, **options):
        def model_fn(features, labels, mode):
            v1 = tf.compat.v1
            with v1.variable_scope("net"):
                w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
                b = v1.get_variable("b", [1], initializer=v1.zeros_initializer())
            predictions = features["x"] @ w + b
            scaffold = tcm.estimator.scaffold(keys=keys, **options)
            if mode == "infer":
                outputs = {
                    "serving_default": tf.estimator.export.PredictOutput(predictions)
                }
                return tf.estimator.EstimatorSpec(
                    mode,
                    predictions={"y": predictions},
                    scaffold=scaffold,
                    export_outputs=outputs,
                )
            loss = tf.reduce_mean(tf.square(predictions - labels))
            optimizer = v1.train.AdamOptimizer(0.1)
            step = v1.train.get_global_step()
            train = optimizer.minimize(loss, global_step=step)
            return tf.estimator.EstimatorSpec(
                mode, loss=loss, train_op=train, scaffold=scaffold
            )

        config = tf.estimator.RunConfig(save_checkpoints_steps=2, **(run or {}))
        return tf.estimator.Estimator(model_fn, str(folder), config, None, warm)

    def data(self, tf):
        return lambda: tf.data.Dataset.from_tensors(({"x": X}, Y)).repeat(20)

    @pytest.mark.parametrize("keys", KEYS)
    def test_all_that_they_do(self, tf, tmp_path, expected, keys):
        v1 = tf.compat.v1
        data = self.data(tf)
        made = self.made(tf, tmp_path / "m", keys)
        made.train(data, steps=5)
        made = self.made(tf, tmp_path / "m", keys)
        made.train(data, steps=5)  # goes on
        assert made.latest_checkpoint().endswith("-10")
        end = "/.ATTRIBUTES/VARIABLE_VALUE"
        name = "net/w" if keys != "object" else f"vars/net.Sw{end}"
        w = made.get_variable_value(name)
        for each in KEYS:  # whatever they would save, they read all
            reading = self.made(tf, tmp_path / "m", each)
            found = reading.evaluate(data, steps=1)
            assert found["global_step"] == 10
            np.testing.assert_allclose(found["loss"], expected[10], rtol=1e-5)
            predicted = next(reading.predict(data))["y"]
            assert abs(predicted[0] - Y[0, 0]) < 3
        spec = {"x": v1.placeholder}
        receiver = tf.estimator.export.build_raw_serving_input_receiver_fn
        with tf.Graph().as_default():
            spec = receiver({"x": tf.constant(X)})
        folder = made.export_saved_model(str(tmp_path / "export"), spec)
        loaded = tf.saved_model.load(os.fsdecode(folder))
        served = loaded.signatures["serving_default"](x=tf.constant(X))
        np.testing.assert_allclose(
            next(iter(served.values())).numpy()[0], predicted, rtol=1e-6
        )
        assert w.any()

    @pytest.mark.parametrize(
        ("run", "options", "expected"),
        [
            ({}, {}, 5),
            ({"keep_checkpoint_max": None}, {}, 9),
            ({"keep_checkpoint_max": 7}, {}, 7),
            ({"keep_checkpoint_max": 7}, {"max_to_keep": 2}, 2),
            ({"keep_checkpoint_max": 7}, {"max_to_keep": None}, 9),
            # With nearly none in memory to keep, each is kept for good.
            (
                {"keep_checkpoint_max": 1, "keep_checkpoint_every_n_hours": 1e-9},
                {},
                9,
            ),
        ],
    )
    def test_what_the_run_keeps(self, tf, tmp_path, run, options, expected):
        self.made(tf, tmp_path, run=run, **options).train(self.data(tf), steps=16)
        assert len(list(tmp_path.glob("*.index"))) == expected

    @pytest.mark.parametrize("kind", ["list", "checkpoint"])
    def test_what_the_run_keeps_of_a_list_or_checkpoint(self, tf, tmp_path, kind):
        def model_fn(features, labels, mode):
            v1 = tf.compat.v1
            w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
            loss = tf.reduce_mean(tf.square(features["x"] @ w - labels))
            step = v1.train.get_global_step()
            optimizer = v1.train.GradientDescentOptimizer(0.1)
            saver = [w, step] if kind == "list" else tf.train.Checkpoint(w=w)
            return tf.estimator.EstimatorSpec(
                mode,
                loss=loss,
                train_op=optimizer.minimize(loss, global_step=step),
                scaffold=tcm.estimator.scaffold(saver),
            )

        run = {"save_checkpoints_steps": 2, "keep_checkpoint_max": 7}
        config = tf.estimator.RunConfig(**run)
        made = tf.estimator.Estimator(model_fn, str(tmp_path), config)
        made.train(self.data(tf), steps=16)
        assert len(list(tmp_path.glob("*.index"))) == 7
        assert made.get_variable_value("w").any()

    @pytest.mark.parametrize("keys", KEYS)
    def test_warm_start(self, tf, tmp_path, expected, keys):
        data = self.data(tf)
        self.made(tf, tmp_path / "m", keys).train(data, steps=5)
        ours = self.made(tf, tmp_path / "ours", init_from=str(tmp_path / "m"))
        ours.train(data, steps=5)
        assert ours.latest_checkpoint().endswith("-10")
        loss = ours.evaluate(data, steps=1)["loss"]
        np.testing.assert_allclose(loss, expected[10], rtol=1e-5)
        if keys == "object":  # which the original cannot read by name
            return
        theirs = self.made(tf, tmp_path / "theirs", warm=str(tmp_path / "m"))
        theirs.train(data, steps=1)
        assert theirs.latest_checkpoint().endswith("-1")
        loss = theirs.evaluate(data, steps=1)["loss"]
        assert loss < expected[5]

    def test_a_listener(self, tf, tmp_path):
        listener = tcm.estimator.DualCheckpointListener(tmp_path)
        made = self.made(tf, tmp_path, "name")
        made.train(self.data(tf), steps=3, saving_listeners=[listener])
        same_values(
            by_checkpoint(tf, latest(tf, tmp_path)), values(tf, latest(tf, tmp_path))
        )


def test_importing_the_package_imports_no_tensorflow():
    code = "import sys, tf_ckpt_migrate as t; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    with contextlib.suppress(tcm.errors.TensorFlowNotFoundError):
        assert tcm.estimator.__name__ == "tf_ckpt_migrate.estimator"
