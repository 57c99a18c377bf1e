"""``tcm.Saver`` saving by name, by object, or both."""

import os
from contextlib import ExitStack

import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import sequential
from tests.live.readers import by_saver, names_in, same_values
from tf_ckpt_migrate.conversion.saved import saved_aside
from tf_ckpt_migrate.errors import (
    LayoutError,
    OutputInUseError,
    OutputPathError,
    PlanError,
)

EXPECTED = {"net/w": [[1.0, 2.0]], "net/b": [3, 4]}


def variables(tf):
    v1 = tf.compat.v1
    return [
        v1.get_variable("net/w", initializer=[[1.0, 2.0]]),
        v1.get_variable("net/b", initializer=[3, 4]),
    ]


@pytest.fixture
def session(tf):
    """A session with initialized variables, within its graph until it is left."""
    v1 = tf.compat.v1
    with ExitStack() as stack:
        stack.enter_context(tf.Graph().as_default())
        session = stack.enter_context(v1.Session())
        variables(tf)
        session.run(v1.global_variables_initializer())
        session.leave = stack.close
        yield session


def check_guide(tf, path):
    """Check that the guide's layout is restored by TensorFlow's Checkpoint."""
    w, b = tf.Variable([[0.0, 0.0]]), tf.Variable([0, 0])
    status = tf.train.Checkpoint(vars={"net/w": w, "net/b": b}).restore(path)
    status.assert_consumed()
    same_values({"net/w": w.numpy(), "net/b": b.numpy()}, EXPECTED)


def holder(tf, w, b):
    module = tf.Module()
    module.kernel, module.items = w, [b]
    return module


def check_module(tf, path):
    module = holder(tf, tf.Variable([[0.0, 0.0]]), tf.Variable([0, 0]))
    tf.train.Checkpoint(module).restore(path).assert_consumed()
    found = {"net/w": module.kernel.numpy(), "net/b": module.items[0].numpy()}
    same_values(found, EXPECTED)


class TestInASession:
    def test_both(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both")
        path = saver.save(session, str(tmp_path / "m"), global_step=7)
        assert path == str(tmp_path / "m-7")
        assert (tmp_path / "m-7.meta").exists()
        assert tf.train.latest_checkpoint(tmp_path) == path
        assert saver.last_checkpoints == [path]
        assert not list(tmp_path.glob(".*"))
        session.leave()
        same_values(by_saver(tf, path), EXPECTED)
        check_guide(tf, path)

    def test_of_objects(self, tf, session, tmp_path):
        module = holder(tf, *tf.compat.v1.global_variables())
        saver = tcm.Saver(keys="both", target=module)
        path = saver.save(session, str(tmp_path / "m"))
        session.leave()
        same_values(by_saver(tf, path), EXPECTED)
        check_module(tf, path)

    def test_of_a_checkpoint_under_other_names(self, tf, session, tmp_path):
        w, b = tf.compat.v1.global_variables()
        target = tf.train.Checkpoint(holder(tf, w, b))
        saver = tcm.Saver({"x": w, "y": b}, target=target)
        path = saver.save(session, str(tmp_path / "m"), keys="both")
        session.leave()
        found = by_saver(tf, path)
        same_values(found, {"x": EXPECTED["net/w"], "y": EXPECTED["net/b"]})
        check_module(tf, path)

    def test_name_is_what_tensorflow_writes(self, tf, session, tmp_path):
        for name, kind in (("m", tcm.Saver), ("s", tf.compat.v1.train.Saver)):
            kind().save(session, str(tmp_path / name), write_meta_graph=False)
        for end in (".index", ".data-00000-of-00001"):
            mine, stock = ((tmp_path / (n + end)).read_bytes() for n in "ms")
            assert mine == stock

    def test_object(self, tf, session, tmp_path):
        path = tcm.Saver().save(session, str(tmp_path / "m"), keys="object")
        assert not names_in(path)
        session.leave()
        check_guide(tf, path)

    def test_object_would_lose_what_the_target_has_not(self, tf, session, tmp_path):
        w, _ = tf.compat.v1.global_variables()
        saver = tcm.Saver(target=tf.train.Checkpoint(w=w))
        with pytest.raises(PlanError, match="would lose tensors of no object: 'net/b'"):
            saver.save(session, str(tmp_path / "m"), keys="object")
        assert not os.listdir(tmp_path)
        path = saver.save(session, str(tmp_path / "m"), keys="both")
        assert sorted(names_in(path)) == ["net/b", "net/w"]

    def test_a_target_with_more_than_is_saved(self, tf, session, tmp_path):
        w, b = tf.compat.v1.global_variables()
        saver = tcm.Saver([w], keys="both", target=tf.train.Checkpoint(w=w, b=b))
        with pytest.raises(PlanError, match=r"does not save.*\n  'b' int32\[2\]"):
            saver.save(session, str(tmp_path / "m"))
        assert not os.listdir(tmp_path)

    def test_parts_are_not_the_whole(self, tf, session, tmp_path):
        v1 = tf.compat.v1
        emb = v1.get_variable("emb", [4, 2], partitioner=v1.fixed_size_partitioner(2))
        session.run(v1.global_variables_initializer())
        path = tcm.Saver(keys="both").save(session, str(tmp_path / "m"))
        value = session.run(tf.convert_to_tensor(emb))
        saver = tcm.Saver(keys="both", target=tf.train.Checkpoint(parts=list(emb)))
        with pytest.raises(PlanError, match=r"\[2, 2\].*'emb' float32\[4, 2\]"):
            saver.save(session, str(tmp_path / "other"))
        session.leave()
        assert len(tcm.load_checkpoint(path).places("emb")) == 2
        same_values(by_saver(tf, path, ["emb"]), {"emb": value})

    def test_it_keeps_so_many(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both", max_to_keep=2)
        for step in range(4):
            path = saver.save(session, str(tmp_path / "m"), global_step=step)
        assert len(list(tmp_path.glob("*.index"))) == 2
        assert len(list(tmp_path.glob("*.meta"))) == 2
        assert tf.train.latest_checkpoint(tmp_path) == path
        state = tf.train.get_checkpoint_state(tmp_path)
        assert list(state.all_model_checkpoint_paths) == saver.last_checkpoints

    def test_the_graph_is_written_only_if_asked_for(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both")
        saver.save(session, str(tmp_path / "m"), write_meta_graph=False)
        assert not list(tmp_path.glob("*.meta"))

    def test_the_written_graph_restores_it(self, tf, session, tmp_path):
        path = tcm.Saver(keys="both").save(session, str(tmp_path / "m"))
        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as other:
            v1.train.import_meta_graph(path + ".meta").restore(other, path)
            value = other.run("net/b/Read/ReadVariableOp:0")
            assert value.tolist() == [3, 4]

    @pytest.mark.parametrize("sharded", [True, False])
    def test_sharded_and_by_a_saver_def(self, tf, session, tmp_path, sharded):
        saver_def = tcm.Saver(sharded=sharded).saver_def
        saver = tcm.Saver.from_proto(saver_def)
        path = saver.save(session, str(tmp_path / "m"), keys="both")
        session.leave()
        same_values(by_saver(tf, path), EXPECTED)
        check_guide(tf, path)

    def test_format_v1(self, tf, session, tmp_path):
        version = tf.compat.v1.train.SaverDef.V1
        saver = tcm.Saver(write_version=version, keys="both")
        with pytest.raises(LayoutError, match="needs a saver of format V2"):
            saver.save(session, str(tmp_path / "m"))

    def test_what_is_no_session(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both")
        with pytest.raises(TypeError, match="must be a Session"):
            saver.save("session", str(tmp_path / "m"))
        assert not os.listdir(tmp_path)

    def test_a_prefix_in_use(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both")
        path = saver.save(session, str(tmp_path / "m"))
        with (
            saved_aside(path),
            pytest.raises(OutputInUseError, match="another writer"),
        ):
            saver.save(session, path)
        saver.save(session, path)

    def test_a_path_that_tensorflow_cannot_write_to(self, tf, session):
        with pytest.raises(OutputPathError, match="memory://tests/m"):
            tcm.Saver(keys="both").save(session, "memory://tests/m")

    def test_it_restores_what_it_saves(self, tf, session, tmp_path):
        saver = tcm.Saver(keys="both")
        path = saver.save(session, str(tmp_path / "m"))
        w, _ = tf.compat.v1.global_variables()
        session.run(w.assign([[0.0, 0.0]]))
        saver.restore(session, path)
        assert session.run(w).tolist() == [[1.0, 2.0]]


class TestInEagerMode:
    @pytest.fixture
    def made(self, tf):
        return [
            tf.Variable([[1.0, 2.0]], name="net/w"),
            tf.Variable([3, 4], name="net/b"),
        ]

    @pytest.mark.parametrize("kind", ["list", "dict"])
    def test_both(self, tf, tmp_path, made, kind):
        given = made if kind == "list" else dict(zip(EXPECTED, made, strict=True))
        saver = tcm.Saver(given, keys="both", max_to_keep=1)
        for step in range(2):
            path = saver.save(None, str(tmp_path / "m"), global_step=step)
        assert path == tf.train.latest_checkpoint(tmp_path)
        assert len(list(tmp_path.glob("*.index"))) == 1
        same_values(by_saver(tf, path), EXPECTED)
        check_guide(tf, path)

    def test_of_objects(self, tf, tmp_path, made):
        saver = tcm.Saver(made, keys="both", target=holder(tf, *made))
        path = saver.save(None, str(tmp_path / "m"))
        same_values(by_saver(tf, path), EXPECTED)
        check_module(tf, path)

    def test_of_a_model(self, tf, tmp_path):
        model = sequential(tf)
        weights = {f"w{n}": each for n, each in enumerate(model.weights)}
        path = tcm.Saver(weights, target=model).save(
            None, str(tmp_path / "m"), keys="both"
        )
        other = sequential(tf)
        tf.train.Checkpoint(other).restore(path).assert_consumed()
        expected = {f"w{n}": w.numpy() for n, w in enumerate(model.weights)}
        same_values(by_saver(tf, path), expected)
        same_values({f"w{n}": w.numpy() for n, w in enumerate(other.weights)}, expected)

    def test_a_word_that_is_none(self, tf, made, tmp_path):
        with pytest.raises(ValueError, match="keys='dual'"):
            tcm.Saver(made, keys="dual")
        with pytest.raises(ValueError, match="keys='dual'"):
            tcm.Saver(made).save(None, str(tmp_path / "m"), keys="dual")
