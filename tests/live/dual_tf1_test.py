"""Real TensorFlow 1.15 restores what is saved for both worlds."""

import numpy as np

import tf_ckpt_migrate as tcm
from tests.live.readers import names_in
from tests.tf1 import restored_by_tf1


def test_saver_of_tf1_restores_by_name(tmp_path, tf1_python):
    jobs = [_job(path) for path in _saved(tmp_path)]
    assert len(jobs) == 10
    for job, found in zip(
        jobs, restored_by_tf1(tf1_python, jobs, tmp_path), strict=True
    ):
        reader = tcm.load_checkpoint(job["prefix"])
        assert found.keys() == job["variables"].keys()
        for name, value in found.items():
            assert value == reader[job["keys"][name]].tobytes().hex(), (job, name)


def _saved(folder):
    """Save in every way that writes both keys, and yield the prefixes."""
    import tensorflow as tf  # the fixture would mark the test for other runs too

    v1 = tf.compat.v1
    model = tf.keras.Sequential([tf.keras.layers.Dense(3, name="d1")])
    model.build((None, 2))
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    step = tf.Variable(7, dtype=tf.int64, name="global_step")
    checkpoint = tcm.Checkpoint(model=model, optimizer=optimizer, step=step)
    checkpoint.saving(keys="both")
    yield checkpoint.save(str(folder / "saved"))
    yield checkpoint.write(str(folder / "written"))
    yield checkpoint.write(str(folder / "written"))  # of an empty shard more
    yield checkpoint.write(str(folder / "named"), keys="name")
    checkpoint.write(str(folder / "m"), keys="object", twin_directory=folder / "twin")
    yield str(folder / "twin" / "m")
    inside = tf.function(lambda: checkpoint.write(str(folder / "inside")))
    yield inside().numpy().decode()
    rules = [tcm.Recipe("lstm", "cell/", "rnn/basic_lstm_cell/")]
    cell = tf.keras.layers.LSTMCell(3, name="cell")
    cell.build((None, 2))
    lstm = tcm.Checkpoint(cell=cell)
    yield lstm.save(str(folder / "lstm"), keys="both", names=rules)
    weights = {"a/w": tf.Variable(np.ones((2, 3), np.float32)), "b": tf.Variable([1])}
    yield tcm.Saver(weights).save(None, str(folder / "eager"), keys="both")
    model.compile("sgd", "mse")
    callback = tcm.keras.DualModelCheckpoint(folder / "keras")
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0, callbacks=[callback])
    yield str(folder / "keras")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("emb", [5, 2], partitioner=v1.fixed_size_partitioner(2))
        session.run(v1.global_variables_initializer())
        yield tcm.Saver(keys="both").save(session, str(folder / "session"))


def _job(prefix):
    reader = tcm.load_checkpoint(prefix)
    names = names_in(prefix)
    assert names
    specs = {name: reader.specs[name] for name in names}
    return {
        "prefix": prefix,
        "keys": {name: name for name in names},
        "variables": {n: [s.dtype.name, list(s.shape)] for n, s in specs.items()},
        "object_based": False,
    }
