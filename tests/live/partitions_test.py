"""TensorFlow's own Saver restores what was stored in other slices, slots included."""

import json
import os
import subprocess

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests import partitioned_adam
from tests.conversion.checkpoints import golden, index_entries, write
from tf_ckpt_migrate.conversion.example import example_checkpoint

NAMES = ["deep/emb", "deep/emb/Adam", "deep/emb/Adam_1"]
JOBS = [(1, 0), (2, 0), (5, 0), (7, 0), (2, 1)]


@pytest.fixture(scope="module", params=["partitioned_adam", "partitioned_sharded"])
def jobs(request, tmp_path_factory):
    """Return the source, and the checkpoints made of it with parts and axis."""
    source = golden(f"tf1_15/{request.param}")
    folder = tmp_path_factory.mktemp("parts")
    made = []
    for parts, axis in JOBS:
        recipe = tcm.Recipe("partition", NAMES[0], NAMES[0], parts=parts, axis=axis)
        plan = tcm.plan_migration(source, None, [recipe], unused="keep")
        prefix = os.fspath(tcm.convert(plan, folder / f"{parts}-{axis}", source=source))
        made.append([prefix, parts, axis])
    return source, made


def check(source, found):
    expected = {name: source[name].tobytes().hex() for name in NAMES}
    assert found == [expected] * len(JOBS)


def test_this_tensorflow(tf, jobs):
    source, made = jobs
    check(source, [partitioned_adam.restored(*job) for job in made])


def test_tensorflow_1_15(tf1_python, jobs, tmp_path):
    source, made = jobs
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(made))
    done = subprocess.run(
        [tf1_python, "-W", "ignore", partitioned_adam.__file__, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    check(source, json.loads(done.stdout))


def test_the_reader_of_tensorflow(tf, jobs):
    source, made = jobs
    for prefix, *_ in made:
        reader = tf.train.load_checkpoint(prefix)
        for name in NAMES:
            np.testing.assert_array_equal(reader.get_tensor(name), source[name])


def test_what_tensorflow_saves_of_such_a_variable_is_the_same(tf, tmp_path):
    value = np.arange(22, dtype=np.float32).reshape(11, 2)
    v1 = tf.compat.v1
    for parts, axis in [(3, 0), (11, 0), (20, 0), (2, 1), (1, 0)]:
        with tf.Graph().as_default(), v1.Session() as session:
            emb = v1.get_variable(
                "emb", value.shape, partitioner=v1.fixed_size_partitioner(parts, axis)
            )
            for part in emb:
                start = part._get_save_slice_info().var_offset
                ends = zip(start, part.shape.as_list(), strict=True)
                box = tuple(slice(at, at + size) for at, size in ends)
                part.load(value[box], session)
            saved = str(tmp_path / f"tf-{parts}-{axis}")
            v1.train.Saver().save(session, saved, write_meta_graph=False)
        recipe = tcm.Recipe("partition", "emb", "emb", parts=parts, axis=axis)
        whole = write(tmp_path / f"whole-{parts}-{axis}", {"emb": value})
        plan = tcm.plan_migration(whole, None, [recipe])
        ours = os.fspath(tcm.convert(plan, tmp_path / f"ours-{parts}-{axis}"))
        ours, saved = index_entries(ours), index_entries(saved)
        assert {*ours} == {*saved}
        if parts < 10:  # TensorFlow lists part 10 before part 2
            assert ours[b"emb"] == saved[b"emb"]
        if parts < 10 and axis == 0:  # the whole is the parts one after the other
            assert ours == saved


def test_a_live_variable_of_other_parts(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        halves = v1.fixed_size_partitioner(2, axis=1)
        emb = v1.get_variable("new", (7, 2), partitioner=halves)
        adam = v1.train.AdamOptimizer()
        adam.minimize(v1.reduce_sum(emb.as_tensor()))
        source = golden("tf1_15/partitioned_adam")
        recipe = tcm.Recipe("partition", "deep/emb", "new", parts=2, axis=1)
        tcm.restore(source, v1.global_variables(), [recipe], session=session)
        moments = [adam.get_slot(part, "m") for part in emb]
        found = np.concatenate(session.run(moments), axis=1)
        np.testing.assert_array_equal(found, source["deep/emb/Adam"])


def test_init_from_checkpoint_fills_slots_of_parts(tf):
    v1 = tf.compat.v1
    source = golden("tf1_15/partitioned_adam")
    old = source["deep/emb/Adam_1"]
    assert old.any()
    original = v1.train.init_from_checkpoint
    for initialize, expected in ((original, 0 * old), (tcm.init_from_checkpoint, old)):
        with tf.Graph().as_default(), v1.Session() as session:
            halves = v1.fixed_size_partitioner(2)
            emb = v1.get_variable("deep/emb", (7, 2), partitioner=halves)
            adam = v1.train.AdamOptimizer()
            adam.minimize(v1.reduce_sum(emb.as_tensor()))
            initialize(source.prefix, {"/": "/"})
            session.run(v1.global_variables_initializer())
            slots = [adam.get_slot(part, "v") for part in emb]
            found = np.concatenate(session.run(slots))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["partitioned_sharded", "sliced_v1_sharded"])
def test_no_more_than_a_part_is_read_at_a_time(tf, monkeypatch, name):
    source = golden(f"tf1_15/{name}")
    (whole,) = [source[key] for key in source if key == "deep/emb"]
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        halves = v1.fixed_size_partitioner(2, axis=1)
        emb = v1.get_variable("emb", whole.shape, partitioner=halves)
        rules = [tcm.Rename("deep/emb", "emb"), tcm.Drop("/")]
        monkeypatch.delattr(tcm.CheckpointReader, "__getitem__")
        tcm.restore(source, [emb], rules, session=session)
        found = np.concatenate(session.run([*emb]), axis=1)
    np.testing.assert_array_equal(found, whole)


def test_a_recipe_for_an_eager_variable_changes_no_value(tf):
    w = tf.Variable([0, 0, 0], dtype=tf.int64)
    with example_checkpoint({"w": [1, 2, 3]}) as prefix:
        recipe = tcm.Recipe("partition", "w", "w", parts=2)
        tcm.restore(prefix, {"w": w}, [recipe])
    assert w.numpy().tolist() == [1, 2, 3]


def test_the_shards_of_another_cluster(tf, tmp_path):
    from tensorflow.python.distribute.sharded_variable import ShardedVariable

    value = np.arange(14, dtype=np.float32).reshape(7, 2)
    parts = [tf.Variable(part) for part in np.split(value, [3, 5])]
    made = tf.train.Checkpoint(emb=ShardedVariable(parts, name="emb"))
    path = made.save(str(tmp_path / "three"))
    key = "emb/.ATTRIBUTES/VARIABLE_VALUE"
    plan = tcm.plan_migration(
        path,
        None,
        [tcm.Recipe("partition", key, key, parts=2)],
        unused="keep",
    )
    two = os.fspath(tcm.convert(plan, tmp_path / "two"))
    shards = [tf.Variable(tf.zeros([rows, 2])) for rows in (4, 3)]
    again = tf.train.Checkpoint(emb=ShardedVariable(shards, name="emb"))
    again.restore(two).assert_consumed()
    found = np.concatenate([shard.numpy() for shard in shards])
    np.testing.assert_array_equal(found, value)
    places = tcm.load_checkpoint(two).places(key)
    assert [str(place.piece) for place in places] == ["0,4:0,2", "4,3:0,2"]
