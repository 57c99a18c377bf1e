"""Vocabularies as TensorFlow changes them, and into live targets."""

import importlib

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write

OLD = ["the", "of", "and", "to"]
NEW = ["the", "and", "cat", "of", "dog"]
COLUMNS = ["x", "y", "z"], ["z", "w", "x", "v"]
KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def files(tmp_path):
    names = {"old": OLD, "new": NEW, "old_c": COLUMNS[0], "new_c": COLUMNS[1]}
    for name, words in names.items():
        (tmp_path / name).write_text("".join(f"{word}\n" for word in words))
    return {name: str(tmp_path / name) for name in names}


@pytest.fixture
def source(tmp_path):
    tensors = {"k": KERNEL, "k/Adagrad": KERNEL + 50, "b": KERNEL[0]}
    return write(tmp_path / "source", tensors)


def rows(files, name="k", target=None, **options):
    return tcm.Recipe(
        "vocabulary",
        name,
        target or name,
        old_vocab=files["old"],
        new_vocab=files["new"],
        **options,
    )


def columns(files, axis, name="k", **options):
    files = {"old_vocab": files["old_c"], "new_vocab": files["new_c"]}
    return tcm.Recipe("vocabulary", name, name, axis=axis, **files, **options)


def ours(source, tmp_path, *rules):
    plan = tcm.plan_migration(source, None, rules, unused="keep")
    return tcm.load_checkpoint(tcm.convert(plan, tmp_path / "ours"))


class TestAsTensorFlow:
    def test_load_and_remap_matrix(self, tf, source, files, tmp_path):
        ops = tf.raw_ops
        options = {"new_vocab_offset": 0, "old_vocab_size": -1}
        remapped = [
            ops.GenerateVocabRemapping(
                new_vocab_file=new,
                old_vocab_file=old,
                num_new_vocab=size,
                **options,
            ).remapping
            for old, new, size in [
                (files["old"], files["new"], 5),
                (files["old_c"], files["new_c"], 4),
            ]
        ]
        missing = 5 * 4 - 3 * 2
        theirs = ops.LoadAndRemapMatrix(
            ckpt_path=source,
            old_tensor_name="k",
            row_remapping=remapped[0],
            col_remapping=remapped[1],
            initializing_values=np.zeros(missing, np.float32),
            num_rows=5,
            num_cols=4,
        )
        both = {"col_old_vocab": files["old_c"], "col_new_vocab": files["new_c"]}
        found = ours(source, tmp_path, rows(files, **both))["k"]
        np.testing.assert_array_equal(found, theirs)

    @pytest.mark.parametrize("sizes", [{}, {"new": 4, "old": 2}])
    def test_warm_start(self, tf, source, files, tmp_path, sizes):
        v1 = tf.compat.v1
        new_size = sizes.get("new", 5)
        rest = 4 - sizes.get("old", 4)  # TensorFlow calls these rows out of reach
        info = {
            "k": v1.train.VocabInfo(
                files["new"], new_size, 2, files["old"], sizes.get("old", -1)
            )
        }
        with tf.Graph().as_default(), v1.Session() as session:
            partitioner = v1.fixed_size_partitioner(3)
            v1.get_variable("k", (new_size + 2, 3), partitioner=partitioner)
            v1.train.warm_start(source, "k", info)
            session.run(v1.global_variables_initializer())
            theirs = np.concatenate(session.run(v1.global_variables()))
        rule = rows(
            files,
            num_oov_buckets=2,
            old_num_oov_buckets=rest,
            keep_buckets=False,
            **{f"{which}_vocab_size": size for which, size in sizes.items()},
        )
        found = ours(source, tmp_path, rule)["k"]
        np.testing.assert_array_equal(found, theirs)

    def test_warm_start_of_a_softmax_layer(self, tf, source, files, tmp_path):
        v1 = tf.compat.v1
        given = (files["new_c"], 4, 0, files["old_c"], -1, None)
        info = {
            "k": v1.train.VocabInfo(*given, axis=1),
            "b": v1.train.VocabInfo(*given, axis=0),
        }
        with tf.Graph().as_default(), v1.Session() as session:
            made = [v1.get_variable("k", (4, 4)), v1.get_variable("b", (4, 1))]
            two = write(tmp_path / "two", {"k": KERNEL, "b": KERNEL[0][:, None]})
            v1.train.warm_start(two, ".*", info)
            session.run(v1.global_variables_initializer())
            theirs = session.run(made)
        found = ours(source, tmp_path, columns(files, 1), columns(files, 0, "b"))
        np.testing.assert_array_equal(found["k"], theirs[0])
        np.testing.assert_array_equal(found["b"], theirs[1][:, 0])

    def test_keras_warmstart_embedding_matrix(self, tf, source, files, tmp_path):
        has_it = hasattr(tf.keras.utils, "warmstart_embedding_matrix")  # not Keras 3
        keras = tf.keras if has_it else importlib.import_module("tf_keras")
        theirs = keras.utils.warmstart_embedding_matrix(
            base_vocabulary=OLD,
            new_vocabulary=NEW,
            base_embeddings=KERNEL,
            new_embeddings_initializer="zeros",
        )
        found = ours(source, tmp_path, rows(files))["k"]
        np.testing.assert_array_equal(found, theirs)


EXPECTED = [[0, 1, 2], [6, 7, 8], [0, 0, 0], [3, 4, 5], [0, 0, 0]]


class TestLive:
    def test_a_partitioned_variable_with_slots(self, tf, source, files):
        v1 = tf.compat.v1
        for restoring in (True, False):
            with tf.Graph().as_default(), v1.Session() as session:
                halves = v1.fixed_size_partitioner(2)
                emb = v1.get_variable("k", (5, 3), partitioner=halves)
                adagrad = v1.train.AdagradOptimizer(0.1)
                adagrad.minimize(v1.reduce_sum(emb.as_tensor()))
                rules = [rows(files)]
                if restoring:
                    everything = v1.global_variables()
                    drop = tcm.Drop("b")
                    tcm.restore(source, everything, [*rules, drop], session=session)
                else:
                    tcm.init_from_checkpoint(source, rules)
                    session.run(v1.global_variables_initializer())
                slots = [adagrad.get_slot(p, "accumulator") for p in emb]
                found = np.concatenate(session.run([*emb]))
                slot = np.concatenate(session.run(slots))
            assert found.tolist() == EXPECTED
            assert slot[[0, 1, 3]].tolist() == (KERNEL[[0, 2, 1]] + 50).tolist()
            np.testing.assert_array_equal(slot[[2, 4]], np.full((2, 3), 0.1, "f4"))

    @pytest.mark.parametrize("name", ["Adagrad", "ProximalAdagrad"])
    def test_an_optimizer_of_keras_goes_on(self, tf, tmp_path, files, name):
        tensors = {"k": KERNEL, f"k/{name}": KERNEL + 50, "global_step": np.int64(3)}
        source = write(tmp_path / "m", tensors)
        k = tf.Variable(np.zeros((5, 3), np.float32), name="k")
        adagrad = tf.keras.optimizers.Adagrad(0.1, epsilon=1e-30)
        if name == "ProximalAdagrad":
            adagrad = tcm.keras.optimizers.ProximalAdagradOptimizer(0.1)
        adagrad.build([k])
        target = tf.train.Checkpoint(k=k, optimizer=adagrad)
        rules = [rows(files), tcm.Recipe("optimizer", name, "optimizer")]
        report = tcm.restore(source, target, rules)
        assert k.numpy().tolist() == EXPECTED
        (slot,) = [v for v in adagrad.variables if tuple(v.shape) == (5, 3)]
        assert slot.numpy()[1].tolist() == [56, 57, 58]
        np.testing.assert_array_equal(slot.numpy()[2], np.full(3, 0.1, "f4"))
        assert any("1 kept, 2 moved, 2 new" in note for note in report.plan.notes)

    def test_a_variable_of_another_size_is_refused(self, tf, source, files):
        k = tf.Variable(np.zeros((6, 3), np.float32))
        rules = [rows(files), tcm.Drop("b"), tcm.Drop("k/")]
        with pytest.raises(tcm.errors.PlanError, match=r"float32\[6, 3\]"):
            tcm.restore(source, {"k": k}, rules)


SCALING = ["GlorotUniform", "HeNormal", "VarianceScaling"]


class TestWarmStart:
    def info(self, tf, files, initializer=None, axis=0):
        old, new = ("old_c", "new_c") if axis else ("old", "new")
        size = len(COLUMNS[1] if axis else NEW)
        given = (files[new], size, 1, files[old], -1, initializer)
        return tf.compat.v1.train.VocabInfo(*given, axis=axis)

    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("chosen", ["k", None, "variables"])
    def test_eagerly_it_is_what_it_is_in_a_graph(self, tf, source, files, axis, chosen):
        v1 = tf.compat.v1
        ones = v1.ones_initializer()
        infos = {"k": self.info(tf, files, ones, axis)}
        shape = (4, 5) if axis else (6, 3)
        with tf.Graph().as_default(), v1.Session() as session:
            k = v1.get_variable("k", shape)
            v1.train.warm_start(source, "k", infos)
            session.run(v1.global_variables_initializer())
            theirs = session.run(k)
        k = tf.Variable(np.zeros(shape, np.float32), name="k")
        target = None if chosen == "variables" else {"k": k}
        given = [k] if chosen == "variables" else chosen
        tcm.warm_start(source, given, infos, target=target)
        np.testing.assert_array_equal(k.numpy(), theirs)

    @pytest.mark.parametrize("name", SCALING)
    @pytest.mark.parametrize("parts", [1, 2])
    def test_initializers_that_scale_by_fans(self, tf, source, files, name, parts):
        v1 = tf.compat.v1
        made = getattr(tf.initializers, name)
        infos = {"k": self.info(tf, files, made(seed=1))}
        with tf.Graph().as_default(), v1.Session() as session:
            partitioner = v1.fixed_size_partitioner(parts)
            v1.get_variable("k", (6, 3), partitioner=partitioner)
            tcm.warm_start(source, "k", infos)
            session.run(v1.global_variables_initializer())
            found = np.concatenate(session.run(v1.global_variables()))
        k = tf.Variable(np.zeros((6, 3), np.float32), name="k")
        tcm.warm_start(
            source, "k", {"k": self.info(tf, files, made(seed=1))}, target=[k]
        )
        for value in (found, k.numpy()):
            assert value[[0, 1, 3]].tolist() == KERNEL[[0, 2, 1]].tolist()
            assert 0 < np.abs(value[[2, 4, 5]]).max() < 3
            assert len(np.unique(value[[2, 4, 5]], axis=0)) == 3

    def test_with_a_name_of_its_own_and_no_vocabulary_beside(self, tf, source, files):
        target = {
            "new/k": tf.Variable(np.zeros((6, 3), np.float32)),
            "new/b": tf.Variable(np.zeros(3, np.float32)),
        }
        names = {"new/k": "k", "new/b": "b"}
        infos = {"new/k": self.info(tf, files)}
        tcm.warm_start(source, "new/", infos, names, target=target)
        assert target["new/k"].numpy().tolist() == [*EXPECTED, [0, 0, 0]]
        assert target["new/b"].numpy().tolist() == [0, 1, 2]
