import contextlib
import inspect
import json
import os
import pickle
import tempfile

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import (
    GOLDEN_FOLDER,
    golden,
    goldens,
    is_name_based,
)
from tests.live.models import sequential
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CorruptCheckpointError,
    MissingShardError,
    PlanError,
    RuleError,
    TargetError,
)
from tf_ckpt_migrate.transforms import Cast, Transpose

VALUES = {
    "net/dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "net/dense/bias": np.float32([1, 2, 3]),
    "emb": np.arange(10, dtype=np.float32).reshape(5, 2),
    "global_step": np.int64(7),
}


class InGraph:
    """A graph with variables of these names, in one of the ways that TF1 had."""

    def __init__(self, tf, values=VALUES, *, resource=False, parts=None):
        self.v1 = tf.compat.v1
        self.graph = tf.Graph()
        with self.graph.as_default():
            for name, value in values.items():
                partitioned = parts and np.ndim(value) == 2
                self.v1.get_variable(
                    name,
                    shape=np.shape(value),
                    dtype=tf.as_dtype(np.asarray(value).dtype),
                    use_resource=resource,
                    partitioner=self.v1.fixed_size_partitioner(parts)
                    if partitioned
                    else None,
                )

    def __getitem__(self, name):
        return next(v for v in self.variables if v.op.name == name)

    @property
    def variables(self):
        return self.graph.get_collection("variables")

    def saver(self, *args, **keywords):
        with self.graph.as_default():
            return tcm.Saver(*args, **keywords)

    @contextlib.contextmanager
    def session(self):
        self.graph.finalize()  # as a MonitoredSession does: restoring adds nothing
        with self.v1.Session(graph=self.graph) as session:
            yield session

    def restored(self, path, *args, **keywords):
        saver = self.saver(*args, **keywords)
        with self.session() as session:
            saver.restore(session, path)
            return self.values(session)

    def values(self, session):
        """Values by the names under which they are saved, parts put together."""
        whole = {}
        for variable in self.variables:
            info = variable._get_save_slice_info()
            name = info.full_name if info else variable.op.name
            whole.setdefault(name, []).append(session.run(variable))
        return {n: np.concatenate(p) if p[0].ndim else p[0] for n, p in whole.items()}


def is_written_by_tf1(reader):
    """A choice of goldens: all layouts of names."""
    folder = os.path.basename(os.path.dirname(reader.prefix))
    return (
        is_name_based(reader)
        and "tf1_15" in reader.prefix
        and not folder.startswith(("optimizer", "many", "rnn", "variables", "run"))
    )


def path_for_tensorflow(name):
    """Return the path of a golden; of V1 shards TensorFlow wants a pattern."""
    folder = GOLDEN_FOLDER / name
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    if "tf_prefix" in expected:
        return str(folder / expected["tf_prefix"])
    return golden(name).prefix


def same(found, expected):
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


@pytest.fixture
def write():
    with contextlib.ExitStack() as stack:
        yield lambda tensors: stack.enter_context(example_checkpoint(tensors))


@pytest.fixture
def named(write):
    return write(VALUES)


def as_objects(tf, path, values=VALUES):
    """Save these values from objects whose variables have these names."""
    module = tf.Module()
    module.layers = [tf.Variable(value, name=name) for name, value in values.items()]
    return tf.train.Checkpoint(root=module).save(os.path.join(path, "objects"))


def as_guide(tf, path, values=VALUES):
    variables = {name: tf.Variable(value) for name, value in values.items()}
    return tf.train.Checkpoint(vars=variables).save(os.path.join(path, "guide"))


def as_dual(tf, path, values=VALUES):
    prefix = as_objects(tf, path, values)
    add_name_keys(prefix)
    return prefix


def as_v1(tf, path, values=VALUES, parts=None):
    graph = InGraph(tf, values, parts=parts)
    with graph.graph.as_default():
        version = tf.compat.v1.train.SaverDef.V1
        saver = tf.compat.v1.train.Saver(write_version=version)
        with tf.compat.v1.Session() as session:
            for variable in graph.variables:
                info = variable._get_save_slice_info()
                name = info.full_name if info else variable.op.name
                value = values[name]
                if info:
                    start = info.var_offset[0]
                    value = value[start : start + info.var_shape[0]]
                variable.load(value, session)
            return saver.save(session, os.path.join(path, "v1.ckpt"))


def as_sliced_v1(tf, path, values=VALUES):
    return as_v1(tf, path, values, parts=2)


WRITERS = [as_objects, as_guide, as_dual, as_v1, as_sliced_v1]


class TestInASession:
    @pytest.mark.parametrize("kind", [{}, {"resource": True}, {"parts": 2}])
    def test_a_checkpoint_of_names(self, tf, named, kind):
        graph = InGraph(tf, **kind)
        assert same(graph.restored(named), VALUES)

    @pytest.mark.parametrize("sharded", [False, True])
    @pytest.mark.parametrize("kind", [{}, {"resource": True}, {"parts": 3}])
    @pytest.mark.parametrize("writer", WRITERS)
    def test_one_of_another_kind(self, tf, tmp_path, writer, kind, sharded):
        path = writer(tf, str(tmp_path))
        graph = InGraph(tf, **kind)
        assert same(graph.restored(path, sharded=sharded), VALUES)

    @pytest.mark.parametrize("writer", [None, *WRITERS])
    def test_a_map(self, tf, tmp_path, named, writer):
        path = writer(tf, str(tmp_path)) if writer else named
        names = {"net/dense/kernel": "model/d/kernel", "net/dense/bias": "model/d/bias"}
        new = {names.get(name, name): value for name, value in VALUES.items()}
        graph = InGraph(tf, new, parts=2)
        assert same(
            graph.restored(path, assignment_map={"net/dense/": "model/d/"}), new
        )

    def test_variables_in_the_map(self, tf, named):
        graph = InGraph(
            tf, {"a": VALUES["net/dense/bias"], "b": VALUES["emb"]}, parts=2
        )
        parts = [graph["b/part_0"], graph["b/part_1"]]
        rules = {"net/dense/bias": graph["a"], "emb": parts}
        found = graph.restored(named, assignment_map=rules)
        assert same(found, {"a": VALUES["net/dense/bias"], "b": VALUES["emb"]})

    @pytest.mark.parametrize(
        ("var_list", "rules"),
        [
            (lambda a: {"net/dense/bias": a}, lambda _: None),
            (lambda a: {"b": a}, lambda _: {"net/dense/bias": "b"}),
            (lambda a: {"b": a}, lambda a: {"net/dense/bias": a}),
            (lambda a: [a], lambda a: {"net/dense/bias": a}),
        ],
    )
    def test_names_are_those_of_the_list(self, tf, named, var_list, rules):
        graph = InGraph(tf, {"a": VALUES["net/dense/bias"]})
        a = graph["a"]
        found = graph.restored(named, var_list(a), assignment_map=rules(a))
        assert found["a"].tolist() == [1, 2, 3]

    def test_a_transform(self, tf, named):
        new = {"k": VALUES["net/dense/kernel"].T.copy(), "s": np.int32(7)}
        rules = [
            tcm.Rename("net/dense/kernel", "k", transform=Transpose((1, 0))),
            tcm.Rename("global_step", "s", transform=Cast("int32")),
        ]
        assert same(
            InGraph(tf, new, parts=3).restored(named, assignment_map=rules), new
        )

    def test_averages_in_place_of_weights(self, tf, write):
        path = write({"w": [1], "w/ExponentialMovingAverage": [2]})
        rules = [tcm.RenameRegex("(.*)/ExponentialMovingAverage", r"\1")]
        graph = InGraph(tf, {"w": np.int64([0])})
        assert graph.restored(path, assignment_map=rules)["w"].tolist() == [2]

    def test_an_imported_graph(self, tf, tmp_path, named):
        objects = as_objects(tf, str(tmp_path))
        graph = InGraph(tf, parts=2)
        with graph.graph.as_default():
            saver = tf.compat.v1.train.Saver()
            meta = saver.export_meta_graph(str(tmp_path / "x.meta"))
        assert meta.HasField("saver_def")
        for scope in (None, "imported"):
            twin = InGraph(tf, {})
            with twin.graph.as_default():
                theirs = tf.compat.v1.train.import_meta_graph(
                    str(tmp_path / "x.meta"), import_scope=scope
                )
                ours = tcm.Saver.from_proto(theirs.as_saver_def())
                assert type(ours) is tcm.Saver
            with twin.session() as session:
                ours.restore(session, objects)
                theirs.restore(session, named)
                place = f"{scope}/net/dense/bias:0" if scope else "net/dense/bias:0"
                assert session.run(place).tolist() == [1, 2, 3]

    def test_what_is_no_variable_is_restored_too(self, tf, tmp_path):
        def built(v1):
            table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
            v1.get_variable("w", initializer=1.0)
            insert = table.insert(tf.constant(["a"]), tf.constant([5], tf.int64))
            return table.lookup(tf.constant(["a"])), insert

        v1 = tf.compat.v1
        with tf.Graph().as_default():
            _, insert = built(v1)
            saver = tcm.Saver()
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                session.run(insert)
                path = saver.save(session, str(tmp_path / "m"))
        renamed = tcm.convert(
            tcm.plan_migration(path, None, {"w": "v"}, unused="keep"),
            tmp_path / "renamed",
        )
        with tf.Graph().as_default():
            value, _ = built(v1)
            saver = tcm.Saver(assignment_map={"v": "w"})
            with v1.Session() as session:
                saver.restore(session, renamed.prefix)
                assert session.run(value).tolist() == [5]

    def test_a_variable_of_any_shape_takes_what_comes(self, tf, write):
        path = write({"old": [1, 2, 3]})
        with tf.Graph().as_default():
            variable = tf.compat.v1.Variable(
                np.int64([0]), name="w", validate_shape=False, use_resource=False
            )
            saver = tcm.Saver(assignment_map={"old": "w"})
            with tf.compat.v1.Session() as session:
                saver.restore(session, path)
                assert session.run(variable).tolist() == [1, 2, 3]

    def test_reshape(self, tf, write):
        path = write({"old": [1.0, 2.0]})
        graph = InGraph(tf, {"w": np.zeros((2, 1))})
        found = graph.restored(path, reshape=True, assignment_map={"old": "w"})
        assert found["w"].tolist() == [[1], [2]]

    def test_a_monitored_session_resumes_from_what_it_saves(self, tf, tmp_path, write):
        old = write({"old/w": np.float32([1, 2]), "old/step": np.int64(5)})
        v1 = tf.compat.v1
        seen = []
        for number in range(2):
            with tf.Graph().as_default():
                w = v1.get_variable("w", [2], initializer=v1.zeros_initializer())
                step = v1.train.get_or_create_global_step()
                train = tf.group(v1.assign_add(w, [1, 1]), v1.assign_add(step, 1))
                rules = {"old/w": "w", "old/step": "global_step"}
                saver = tcm.Saver(assignment_map=rules)
                scaffold = v1.train.Scaffold(saver=saver)
                # The first time from the old checkpoint, then from its own.
                creator = v1.train.ChiefSessionCreator(
                    scaffold,
                    checkpoint_filename_with_path=None if number else old,
                    checkpoint_dir=str(tmp_path) if number else None,
                )
                hook = v1.train.CheckpointSaverHook(
                    str(tmp_path), save_steps=1, scaffold=scaffold
                )
                with v1.train.MonitoredSession(creator, hooks=[hook]) as session:
                    session.run(train)
                    seen.append(session.run([w, step]))
        assert [(w.tolist(), step) for w, step in seen] == [([2, 3], 6), ([3, 4], 7)]


class TestStateOfTraining:
    """What real TF1 saved of training, into a graph of today with other names."""

    def built(self, tf, parts):
        """A partitioned variable and its Adam, in a scope of today."""
        v1 = tf.compat.v1
        partitioner = v1.fixed_size_partitioner(parts)
        emb = v1.get_variable("new/deep/emb", [7, 2], partitioner=partitioner)
        loss = tf.reduce_sum(tf.convert_to_tensor(emb) ** 2)
        v1.train.AdamOptimizer().minimize(loss)

    @pytest.mark.parametrize("parts", [1, 2, 3])
    @pytest.mark.parametrize(
        "name", ["partitioned_adam", "partitioned_sharded", "sliced_v1_sharded"]
    )
    def test_slots_of_parts(self, tf, name, parts):
        path = path_for_tensorflow(f"tf1_15/{name}")
        old = tcm.load_checkpoint(path)
        graph = InGraph(tf, {})
        with graph.graph.as_default():
            self.built(tf, parts)
        rules = {"deep/": "new/deep/"}
        found = graph.restored(path, assignment_map=rules, unused="error")
        names = {key: key.replace("deep/", "new/deep/") for key in old}
        assert same(found, {names[key]: old[key] for key in old})

    def test_an_estimator_goes_on_with_what_another_model_saved(self, tf, tmp_path):
        if not hasattr(tf, "estimator"):
            pytest.skip("this TensorFlow has no Estimator any more")
        v1 = tf.compat.v1
        with tf.Graph().as_default():
            v1.get_variable("old/w", initializer=[5.0])
            v1.train.get_or_create_global_step()
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), 0)

        def model(features, mode):
            w = v1.get_variable("new/w", [1])
            step = v1.train.get_or_create_global_step()
            loss = tf.reduce_sum(w * features)
            optimizer = v1.train.GradientDescentOptimizer(1.0)
            return tf.estimator.EstimatorSpec(
                mode,
                loss=loss,
                train_op=optimizer.minimize(loss, global_step=step),
                scaffold=v1.train.Scaffold(
                    saver=tcm.Saver(assignment_map={"old/": "new/"})
                ),
            )

        def data():
            return tf.data.Dataset.from_tensors(tf.constant([1.0])).repeat()

        for expected in (4, 3):  # the second time from what itself has saved
            estimator = tf.estimator.Estimator(model, str(tmp_path))
            estimator.train(data, steps=1)
            assert estimator.get_variable_value("new/w").tolist() == [expected]


class TestInEagerMode:
    @pytest.mark.parametrize("writer", [None, *WRITERS])
    def test_every_kind(self, tf, tmp_path, named, writer):
        path = writer(tf, str(tmp_path)) if writer else named
        target = {n: tf.Variable(np.zeros_like(v)) for n, v in VALUES.items()}
        tcm.Saver(target).restore(None, path)
        assert same({n: v.numpy() for n, v in target.items()}, VALUES)
        target["b"] = target.pop("net/dense/bias")
        target["b"].assign([0, 0, 0])
        tcm.Saver(target, assignment_map={"net/dense/bias": "b"}).restore(None, path)
        assert target["b"].numpy().tolist() == [1, 2, 3]

    def test_a_list_goes_by_names(self, tf, named):
        variable = tf.Variable([0.0, 0, 0], name="b")
        rules = {"net/dense/bias": variable}
        tcm.Saver([variable], assignment_map=rules).restore(None, named)
        assert variable.numpy().tolist() == [1, 2, 3]

    def test_two_of_one_name(self, tf, named):
        one, two = tf.Variable(1.0), tf.Variable([2.0])
        saver = tcm.Saver([one, tf.Variable(3, name="x"), two])
        with pytest.raises(TargetError, match="give a dict") as caught:
            saver.restore(None, named)
        assert isinstance(caught.value, ValueError)
        assert "'Variable' is the name of var_list[0] () and var_list[2] (1,)" in str(
            caught.value
        )

    def test_nothing_changes_unless_all_fits(self, tf, named):
        bias, wrong = tf.Variable([0.0, 0, 0]), tf.Variable([0.0])
        saver = tcm.Saver({"net/dense/bias": bias, "emb": wrong})
        with pytest.raises(PlanError) as caught:
            saver.restore(None, named)
        assert isinstance(caught.value, ValueError)  # as the original's in eager mode
        assert bias.numpy().tolist() == [0, 0, 0]

    @pytest.mark.parametrize("of_dict", [False, True])
    def test_variables_of_keras(self, tf, tmp_path, of_dict):
        """Of Keras 3 the original saves one of a list, and under no name of its own."""
        model = sequential(tf)
        names = [v.name if "/" in v.name else v.path for v in model.variables]
        names = [name.partition(":")[0] for name in names]
        values = [v.numpy() + 1 for v in model.variables]
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        var_list = model.variables
        if of_dict:
            var_list = dict(zip(names, model.variables, strict=True))
        path = tcm.Saver(var_list).save(None, str(tmp_path / "m"))
        assert [name for name, _ in tcm.list_variables(path)] == sorted(names)
        for variable in model.variables:
            variable.assign(variable * 0)
        rules = dict(zip(names, model.variables, strict=True))
        tcm.Saver(var_list, assignment_map=rules).restore(None, path)
        for variable, value in zip(model.variables, values, strict=True):
            assert np.array_equal(variable.numpy(), value)

    def test_a_list_that_changes_counts_as_it_is(self, tf, named):
        target = {"nowhere": tf.Variable(0)}
        saver = tcm.Saver(target)
        target["net/dense/bias"] = tf.Variable([0.0, 0, 0])
        del target["nowhere"]
        saver.restore(None, named)
        assert target["net/dense/bias"].numpy().tolist() == [1, 2, 3]

    def test_a_table(self, tf, tmp_path):
        def table():
            return tf.lookup.experimental.MutableHashTable(
                tf.string, tf.int64, -1, name="t"
            )

        first, second = table(), table()
        first.insert(tf.constant(["a"]), tf.constant([5], tf.int64))
        w = tf.Variable(1.0)
        path = tcm.Saver({"t": first, "old": w}).save(None, str(tmp_path / "m"))
        saver = tcm.Saver({"t": second, "w": w}, assignment_map={"old": "w"})
        saver.restore(None, path)
        assert second.lookup(tf.constant(["a"])).numpy().tolist() == [5]


class TestAsTheOriginal:
    def test_it_is_one(self, tf):
        assert issubclass(tcm.Saver, tf.compat.v1.train.Saver)
        original = inspect.signature(tf.compat.v1.train.Saver.restore)
        assert inspect.signature(tcm.Saver.restore).parameters.keys() == (
            original.parameters.keys()
        )

    def test_every_argument_of_the_original_is_taken_in_its_order(self, tf):
        signature = inspect.signature(tf.compat.v1.train.Saver.__init__)
        with tf.Graph().as_default():
            w = tf.compat.v1.get_variable("w", [1])
            values = [p.default for p in signature.parameters.values()][2:]
            saver = tcm.Saver([w], *values, assignment_map={"v": "w"})
            assert saver.as_saver_def().max_to_keep == 5

    def test_saves_and_keeps_books(self, tf, tmp_path):
        graph = InGraph(tf, {"w": np.zeros(2)})
        saver = graph.saver(max_to_keep=2)
        with graph.session() as session:
            graph["w"].load([1, 2], session)
            paths = [
                saver.save(session, str(tmp_path / "m"), global_step=n)
                for n in range(3)
            ]
            assert saver.last_checkpoints == paths[1:]
            assert not os.path.exists(paths[0] + ".index")
            other = tcm.Saver(saver_def=saver.saver_def)
            other.recover_last_checkpoints(paths)
            assert other.last_checkpoints == paths[1:]
            graph["w"].load([0, 0], session)
            saver.restore(session, paths[2])
            assert session.run(graph["w"]).tolist() == [1, 2]
        assert tf.train.latest_checkpoint(str(tmp_path)) == paths[2]

    def test_meta_graphs(self, tf, tmp_path):
        graph = InGraph(tf, {"w": np.zeros(2)})
        saver = graph.saver()
        with graph.graph.as_default():
            graph.graph.add_to_collection("savers", saver)
            meta = saver.export_meta_graph(str(tmp_path / "m.meta"))
        assert meta.saver_def == saver.to_proto() == saver.as_saver_def()
        assert len(meta.collection_def["savers"].bytes_list.value) == 1

    @pytest.mark.parametrize("name", goldens(is_written_by_tf1))
    def test_goldens_of_names_are_restored_as_by_the_original(self, tf, name):
        path = path_for_tensorflow(name)
        reader = tcm.load_checkpoint(path)
        specs = [
            (key, spec) for key, spec in reader.specs.items() if _can_be_variable(spec)
        ]
        results = []
        for kind in (tf.compat.v1.train.Saver, tcm.Saver):
            with tf.Graph().as_default():
                variables = {
                    key: tf.compat.v1.get_variable(
                        f"v{number}", spec.shape, tf.as_dtype(int(spec.dtype))
                    )
                    for number, (key, spec) in enumerate(specs)
                }
                saver = kind(variables)
                with tf.compat.v1.Session() as session:
                    saver.restore(session, path)
                    values = session.run(variables)
            results.append({k: np.asarray(v).tolist() for k, v in values.items()})
        assert repr(results[0]) == repr(results[1])

    @pytest.mark.parametrize(
        "path", [None, "nowhere", "{named}-gone", "{folder}", "{named}.index"]
    )
    def test_paths_that_are_none(self, tf, named, path):
        given = path and path.format(named=named, folder=os.path.dirname(named))
        errors = []
        for kind in (tf.compat.v1.train.Saver, tcm.Saver):
            graph = InGraph(tf)
            with graph.graph.as_default():
                saver = kind()
            with graph.session() as session, pytest.raises(Exception) as caught:  # noqa: PT011 of TensorFlow's choice
                saver.restore(session, given)
            errors.append(caught.value)
        assert type(errors[1]) is type(errors[0])
        if not isinstance(errors[0], tf.errors.OpError):
            assert str(errors[1]) == str(errors[0])

    def test_a_path_that_is_none_with_a_map(self, tf, named):
        graph = InGraph(tf)
        saver = graph.saver(assignment_map={"a": "emb"})
        with graph.session() as session:
            for path in (None, named + "-gone"):
                with pytest.raises(ValueError, match=r"None|gone"):
                    saver.restore(session, path)
            with open(named + ".index", "r+b") as file:
                file.truncate(20)
            with pytest.raises(tf.errors.DataLossError) as caught:
                saver.restore(session, named)
            assert isinstance(caught.value, CorruptCheckpointError)
            # Programs take a ValueError for "there is no checkpoint".
            assert not isinstance(caught.value, ValueError)

    def test_a_closed_session_or_one_of_another_graph(self, tf, named):
        graph, other = InGraph(tf), InGraph(tf, {"w": np.zeros(2)})
        saver = graph.saver()
        with graph.session() as session, other.session() as foreign:
            with pytest.raises((ValueError, TypeError, KeyError)) as caught:
                saver.restore(foreign, named)
            assert not isinstance(caught.value, PlanError)
        with (
            graph.graph.as_default(),
            pytest.raises(RuntimeError, match="closed"),
        ):
            saver.restore(session, named)

    def test_an_empty_one_does_nothing(self, tf, named):
        with tf.Graph().as_default():
            saver = tcm.Saver(allow_empty=True)
            with tf.compat.v1.Session() as session:
                saver.restore(session, named)
        assert tcm.Saver([], allow_empty=True).restore(None, named) is None

    def test_building_can_wait(self, tf, named):
        graph = InGraph(tf)
        with graph.graph.as_default():
            saver = tcm.Saver(defer_build=True)
            saver.build()
        with graph.session() as session:
            saver.restore(session, named)
            assert same(graph.values(session), VALUES)


def _can_be_variable(spec):
    """Whether every TensorFlow makes a variable of it by itself."""
    return not spec.dtype.name.startswith(("variant", "resource", "q", "complex"))


class TestTraces:
    """What a restore makes for itself is gone afterwards, whatever happens."""

    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        folder = tmp_path / "scratch"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        return folder

    def test_of_success(self, tf, tmp_path, folder):
        path = as_objects(tf, str(tmp_path))
        InGraph(tf).restored(path)
        assert not list(folder.iterdir())

    def test_of_failure(self, tf, tmp_path, folder):
        path = as_objects(tf, str(tmp_path))
        graph = InGraph(tf)
        saver = graph.saver()
        with graph.session() as session:
            session.close()
            with pytest.raises(RuntimeError, match="closed"):
                saver.restore(session, path)
            os.remove(f"{path}.data-00000-of-00001")
            with pytest.raises(MissingShardError):
                saver.restore(session, path)
        assert not list(folder.iterdir())


class TestMisses:
    def refused(self, tf, path, values, error, *args, **keywords):
        graph = InGraph(tf, values)
        saver = graph.saver(*args, **keywords)
        before = {n: np.full_like(v, 9) for n, v in values.items()}
        with graph.session() as session:
            for name, value in before.items():
                graph[name].load(value, session)
            with pytest.raises(error) as caught:
                saver.restore(session, path)
            assert same(graph.values(session), before)
        assert isinstance(caught.value, CheckpointError)
        assert not isinstance(caught.value, ValueError)  # of a path, in the original
        return caught.value

    def test_a_lost_scope_and_another_number(self, tf, write):
        bias = VALUES["net/dense/bias"]
        path = write({"net/dense/bias": bias, "net/x/b": bias})
        values = {"dense/bias": bias, "x/b": bias}
        error = self.refused(tf, path, values, tf.errors.NotFoundError)
        assert error.problems == (
            "missing target: 'dense/bias' float32[3]",
            "missing target: 'x/b' float32[3]",
        )
        assert "assignment_map={'net/': '/'}" in str(error)
        error = self.refused(
            tf, path, {"net/dense_1/bias": bias}, tf.errors.NotFoundError
        )
        assert "numbers in names differ" in str(error)
        assert "nearest in it: 'net/dense/bias'" in str(error)

    def test_another_shape_or_dtype(self, tf, named):
        values = {"emb": np.zeros((2, 5), "f"), "global_step": np.int32(0)}
        error = self.refused(tf, named, values, tf.errors.InvalidArgumentError)
        assert len(error.problems) == 2
        assert "Transpose" in str(error)
        assert "'global_step' int32[] would get 'global_step' int64[]" in str(error)

    @pytest.mark.parametrize("rules", [{"old/": "net/"}, {"net/": "model/"}])
    def test_a_map_without_effect(self, tf, named, rules):
        values = {"emb": VALUES["emb"]}
        self.refused(tf, named, values, tf.errors.NotFoundError, assignment_map=rules)

    def test_a_map_in_the_wrong_direction(self, tf, write):
        path = write({"old/w": [1]})
        error = self.refused(
            tf,
            path,
            {"new/w": np.int64([0])},
            tf.errors.NotFoundError,
            assignment_map={"new/": "old/"},
        )
        assert "RenameScope('new/', 'old/')" in str(error)

    def test_strictly(self, tf, named):
        values = {"emb": VALUES["emb"]}
        error = self.refused(tf, named, values, tf.errors.NotFoundError, unused="error")
        assert len(error.problems) == 3

    def test_an_object_based_checkpoint(self, tf, tmp_path):
        path = as_objects(tf, str(tmp_path))
        values = {"net/dense_1/bias": VALUES["net/dense/bias"]}
        error = self.refused(tf, path, values, tf.errors.NotFoundError)
        assert "(object-based)" in str(error)
        assert "'net/dense/': 'net/dense_1/'" in str(error)

    def test_an_error_can_be_sent_to_another_process(self, tf, named):
        error = self.refused(
            tf, named, {"nowhere": np.float32(0)}, tf.errors.NotFoundError
        )
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin)) == (type(error), str(error))
        assert twin.problems == error.problems

    def test_maps_and_words_that_mean_nothing(self, tf):
        graph = InGraph(tf)
        with pytest.raises(RuleError, match="'drop' or 'error'"):
            graph.saver(unused="keep")
        with pytest.raises(RuleError):
            graph.saver(assignment_map={"a/": "b"})
        with pytest.raises(RuleError, match="none of the saver's"):
            graph.saver({"x": graph["emb"]}, assignment_map={"a": graph["global_step"]})
