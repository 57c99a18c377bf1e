"""Savers and readers behave as TensorFlow's: errors, texts, arguments, copies.

Each test does the same with the original and with ours, and compares.
"""

import copy
import pathlib
import pickle
import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    DirectoryWithoutCheckpointError,
)
from tf_ckpt_migrate.live.keyed_saver import KeyedSaver

END = "/.ATTRIBUTES/VARIABLE_VALUE"
# What programs and TensorFlow's own tests look for in messages.
SENTENCES = re.compile(
    r"Restoring from checkpoint failed"
    r"|a Variable name or other graph key that is missing from the checkpoint"
    r"|a mismatch between the current graph and the graph from the checkpoint"
    r"|Key \S+ not found in checkpoint"
    r"|tensor_name = .*; expected dtype \w+ does not equal original dtype \w+"
    r"|Assign requires shapes of both tensors to match\. lhs shape= \S+ rhs shape= \S+"
    r"|Received incompatible tensor with shape .* and name \w+\."
    r"|Existing variables not in the checkpoint: .*"
    r"|Variables names when this checkpoint was written which don't exist now: .*"
    r"|\(\d+ variable name\(s\) did match\)"
    r"|Could not find some variables in the checkpoint \(see names above\)"
)

FAULTS = {
    "missing": {"a": ([2], "float32"), "b": ([2], "float32"), "c": ([], "float32")},
    "dtype": {"a": ([2], "int32"), "h": ([2], "float64")},
    "shape": {"a": ([3], "float32")},
    "dtype and shape": {"a": ([3], "float32"), "h": ([2], "float32")},
}


@pytest.fixture(scope="module")
def checkpoints(tf, tmp_path_factory):
    """A checkpoint of names, and one of objects whose variables have these names."""
    folder = tmp_path_factory.mktemp("checkpoints")
    a = tf.Variable([1.0, 2.0], name="a")
    h = tf.Variable(tf.constant([1, 2], tf.float16), name="h")
    named = tf.compat.v1.train.Saver([a, h]).save(None, str(folder / "named"))
    gone = tf.Variable(1.0, name="gone")
    objects = tf.train.Checkpoint(one=a, two=h, other=gone).save(str(folder / "object"))
    return {"named": named, "objects": objects}


def refused(tf, kind, mode, specs, path):
    """Return the error that a saver raises for variables of these specs."""
    v1 = tf.compat.v1
    if mode == "eager":
        variables = {
            name: tf.Variable(tf.zeros(shape, dtype), name=name)
            for name, (shape, dtype) in specs.items()
        }
        with pytest.raises(Exception) as caught:  # noqa: PT011 of TensorFlow's choice
            kind(variables).restore(None, path)
        return caught.value
    with tf.Graph().as_default(), v1.Session() as session:
        for name, (shape, dtype) in specs.items():
            v1.get_variable(name, shape, dtype, use_resource=mode == "resource")
        saver = kind()
        with pytest.raises(Exception) as caught:  # noqa: PT011 of TensorFlow's choice
            saver.restore(session, path)
        return caught.value


def sentences(error):
    return SENTENCES.findall(getattr(error, "message", str(error)))


class TestWhatProgramsCatch:
    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("mode", ["reference", "resource", "eager"])
    @pytest.mark.parametrize("source", ["named", "objects"])
    def test_class_and_sentences(self, tf, checkpoints, source, mode, fault):
        specs, path = FAULTS[fault], checkpoints[source]
        if (mode, fault) == ("resource", "shape"):
            # The original assigns a value of another shape to it without an error.
            error = refused(tf, tcm.Saver, mode, specs, path)
            assert isinstance(error, tf.errors.InvalidArgumentError)
            assert not isinstance(error, ValueError)
            return
        theirs = refused(tf, tf.compat.v1.train.Saver, mode, specs, path)
        ours = refused(tf, tcm.Saver, mode, specs, path)
        assert isinstance(ours, CheckpointError)
        for each in (ValueError, tf.errors.OpError):
            assert isinstance(ours, each) is isinstance(theirs, each), each
        if isinstance(theirs, tf.errors.OpError):
            assert isinstance(ours, type(theirs))
            assert ours.error_code == theirs.error_code
            assert (ours.op is None) == (theirs.op is None)
            assert (ours.node_def is None) == (theirs.node_def is None)
            if ours.op is not None and source == "named":
                assert ours.op.name == theirs.op.name == ours.node_def.name
        expected = sentences(theirs)
        if source == "objects":  # of which the original names the keys
            for key, name in (("one", "a"), ("two", "h")):
                expected = [each.replace(f"{key}{END}", name) for each in expected]
        assert expected
        assert sentences(ours) == expected
        assert len(ours.problems) >= 1

    def test_a_wrong_checkpoint_is_not_taken_for_none(self, tf, checkpoints, tmp_path):
        """``except ValueError: start from scratch`` is for a path without one."""
        specs = FAULTS["missing"]
        error = refused(tf, tcm.Saver, "reference", specs, str(tmp_path / "nowhere"))
        assert isinstance(error, ValueError)
        assert "not a valid checkpoint" in str(error)

    def test_an_error_can_be_sent_to_another_process(self, tf, checkpoints):
        specs, path = FAULTS["missing"], checkpoints["named"]
        error = refused(tf, tcm.Saver, "reference", specs, path)
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin), twin.problems) == (
            type(error),
            str(error),
            error.problems,
        )


class TestReader:
    def theirs_and_ours(self, tf, call):
        errors = []
        for load in (tf.train.load_checkpoint, tcm.load_checkpoint):
            with pytest.raises(Exception) as caught:  # noqa: PT011 of TensorFlow's choice
                call(load)
            errors.append(caught.value)
        return errors

    @pytest.mark.parametrize("path", ["nothing", "no/folder", "", "stale"])
    def test_no_checkpoint(self, tf, tmp_path, path):
        (tmp_path / "stale").mkdir()
        (tmp_path / "stale" / "checkpoint").write_text('model_checkpoint_path: "m-1"\n')
        given = str(tmp_path / path) if path else str(tmp_path)
        theirs, ours = self.theirs_and_ours(tf, lambda load: load(given))
        assert isinstance(ours, CheckpointNotFoundError)
        for each in (ValueError, tf.errors.NotFoundError):
            assert isinstance(ours, each) is isinstance(theirs, each), each
        assert isinstance(ours, DirectoryWithoutCheckpointError) == (
            path in {"", "stale"}
        )

    def test_no_tensor(self, tf, checkpoints):
        path = checkpoints["named"]
        theirs, ours = self.theirs_and_ours(tf, lambda load: load(path).get_tensor("x"))
        assert isinstance(ours, type(theirs))
        assert not isinstance(ours, ValueError)
        assert (ours.op, ours.node_def) == (None, None)
        assert theirs.message in ours.message
        assert str(ours) == ours.message

    @pytest.mark.parametrize("damage", ["cut", "no shard", "short shard"])
    def test_damaged_files(self, tf, checkpoints, tmp_path, damage):
        index = pathlib.Path(checkpoints["named"] + ".index").read_bytes()
        (tmp_path / "m.index").write_bytes(index[:-9] if damage == "cut" else index)
        if damage == "short shard":
            (tmp_path / "m.data-00000-of-00001").write_bytes(b"1")
        with pytest.raises(tf.errors.DataLossError) as caught:
            tcm.load_checkpoint(tmp_path / "m").get_tensor("a")
        assert isinstance(caught.value, CheckpointError)
        twin = pickle.loads(pickle.dumps(caught.value))
        assert isinstance(twin, tf.errors.DataLossError)
        assert str(twin) == str(caught.value)

    def test_names_and_paths_as_bytes(self, tf, checkpoints):
        path = checkpoints["named"]
        for load in (tf.train.load_checkpoint, tcm.load_checkpoint):
            for given in (path, path.encode(), pathlib.Path(path)):
                reader = load(given)
                assert reader.get_tensor(b"a").tolist() == [1, 2]
                assert reader.has_tensor(b"a")
                assert not reader.has_tensor(b"b")
                for call in (reader.get_tensor, reader.has_tensor):
                    with pytest.raises(TypeError):
                        call(3)

    def test_a_value_can_be_changed(self, tf, checkpoints):
        for load in (tf.train.load_checkpoint, tcm.load_checkpoint):
            reader = load(checkpoints["named"])
            value = reader.get_tensor("a")
            value[0] = 9
            assert reader.get_tensor("a").tolist() == [1, 2]
        assert not reader.read("a").flags.writeable

    def test_dtypes_are_those_of_tensorflow(self, tf, checkpoints):
        for path in checkpoints.values():
            theirs = tf.train.load_checkpoint(path).get_variable_to_dtype_map()
            ours = tcm.load_checkpoint(path).get_variable_to_dtype_map()
            assert ours == theirs
            assert all(isinstance(each, tf.DType) for each in ours.values())


class TestPaths:
    @pytest.mark.parametrize("keys", ["name", "both", "object"])
    @pytest.mark.parametrize("kind", [str, str.encode, pathlib.Path])
    @pytest.mark.parametrize("eager", [False, True])
    def test_saving_and_restoring(self, tf, tmp_path, keys, kind, eager):
        v1 = tf.compat.v1
        path = str(tmp_path / "m")
        if eager:
            variable = tf.Variable([1.0, 2.0])
            saver = tcm.Saver({"v": variable}, keys=keys)
            assert saver.save(None, kind(path), global_step=3) == f"{path}-3"
            variable.assign([0.0, 0.0])
            saver.restore(None, kind(f"{path}-3"))
            assert variable.numpy().tolist() == [1, 2]
            return
        with tf.Graph().as_default(), v1.Session() as session:
            variable = v1.get_variable("v", initializer=[1.0, 2.0])
            session.run(variable.initializer)
            saver = tcm.Saver(keys=keys)
            assert saver.save(session, kind(path), global_step=3) == f"{path}-3"
            session.run(variable.assign([0.0, 0.0]))
            saver.restore(session, kind(f"{path}-3"))
            assert session.run(variable).tolist() == [1, 2]

    def test_the_result_of_a_conversion(self, tf, checkpoints, tmp_path):
        result = tcm.convert_tf2_to_tf1(checkpoints["objects"], tmp_path / "named")
        variable = tf.Variable([0.0, 0.0])
        tcm.Saver({"a": variable}).restore(None, result)
        assert variable.numpy().tolist() == [1, 2]
        assert tf.train.load_checkpoint(f"{result}").get_tensor("gone") == 1
        assert f"{result:>40}".strip() == result.prefix

    @pytest.mark.parametrize("keys", ["name", "both", "object"])
    @pytest.mark.parametrize("hook", [False, True])
    def test_below_a_file(self, tf, tmp_path, keys, hook):
        v1 = tf.compat.v1
        (tmp_path / "taken").write_text("a file")
        with tf.Graph().as_default(), v1.Session() as session:
            session.run(v1.get_variable("v", [2]).initializer)
            saver = tcm.Saver(keys=keys)
            if hook:
                saver = KeyedSaver(v1.train.Saver, keys)
            with pytest.raises(ValueError, match=r"^Parent directory of .*taken"):
                saver.save(session, str(tmp_path / "taken" / "m"))
        assert (tmp_path / "taken").read_text() == "a file"


class TestSaveables:
    @pytest.mark.parametrize("eager", [False, True])
    @pytest.mark.parametrize("mapped", [False, True])
    def test_frozen_ones_of_a_checkpoint(self, tf, tmp_path, eager, mapped):
        """They ask for the object graph too, which no variable gets."""
        from tensorflow.python.checkpoint import graph_view

        name = "old" if mapped else "v"
        source = tf.train.Checkpoint(**{name: tf.Variable([1.0, 2.0])})
        prefix = source.save(str(tmp_path / "m"))
        rules = {f"old{END}": f"v{END}"} if mapped else None
        v1 = tf.compat.v1

        def saver_of(checkpoint):
            view = graph_view.ObjectGraphView(checkpoint)
            return tcm.Saver(view.frozen_saveable_objects(), assignment_map=rules)

        if eager:
            variable = tf.Variable([0.0, 0.0])
            checkpoint = tf.train.Checkpoint(v=variable)
            assert checkpoint.save_counter.numpy() == 0
            saver_of(checkpoint).restore(None, prefix)
            assert variable.numpy().tolist() == [1, 2]
            return
        with tf.Graph().as_default(), v1.Session() as session:
            variable = v1.get_variable("v", [2])
            checkpoint = tf.train.Checkpoint(v=variable)
            counter = checkpoint.save_counter
            session.run(v1.global_variables_initializer())
            saver = saver_of(checkpoint)
            saver.restore(session, prefix)
            assert session.run(variable).tolist() == [1, 2]
            assert session.run(counter) == 1
            own = saver.save(session, str(tmp_path / "own"))
            session.run(variable.assign([0.0, 0.0]))
            saver.restore(session, own)
            assert session.run(variable).tolist() == [1, 2]

    def test_reshape_in_eager_mode(self, tf, checkpoints):
        for kind in (tf.compat.v1.train.Saver, tcm.Saver):
            variable = tf.Variable([[0.0], [0.0]])
            kind({"a": variable}, reshape=True).restore(None, checkpoints["named"])
            assert variable.numpy().tolist() == [[1], [2]]
            too_many = tf.Variable([0.0, 0.0, 0.0])
            with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
                kind({"a": too_many}, reshape=True).restore(None, checkpoints["named"])


class TestCopies:
    @pytest.mark.parametrize(
        "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
    )
    def test_a_saver(self, tf, tmp_path, copied):
        v1 = tf.compat.v1
        for kind in (v1.train.Saver, tcm.Saver):
            eager = kind({"w": tf.Variable([1.0, 2.0])})
            path = copied(eager).save(None, str(tmp_path / "eager"))
            copied(eager).restore(None, path)
            with tf.Graph().as_default(), v1.Session() as session:
                variable = v1.get_variable("w", initializer=[1.0, 2.0])
                session.run(variable.initializer)
                saver = kind(saver_def=kind().saver_def)
                path = copied(saver).save(session, str(tmp_path / "graph"))
                saver.restore(session, path)
                copied(saver).restore(session, path)
                assert np.array_equal(session.run(variable), [1, 2])
