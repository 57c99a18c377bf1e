"""Goldens of whole directories: model directories, Estimators, SavedModels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, ramp, tf1, values_of

train = tf1.train
_KEPT = ("checkpoint", ".index", ".data-", "saved_model.pb")


def strip(directory: str) -> None:
    """Delete what is not part of the point: graphs, events."""
    for path in sorted(Path(directory).rglob("*"), reverse=True):
        if path.is_file() and not any(kept in path.name for kept in _KEPT):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _train(session: Any, saver: Any, run: str, saves: int) -> None:
    step = train.get_global_step()
    for _ in range(saves):
        session.run(tf1.assign_add(step, 1))
        saver.save(session, run + "/model.ckpt", step, write_meta_graph=False)


def _model_directory(run: str = "run", saves: int = 3, **options: Any) -> Any:
    """Save ``saves`` times and return the last values."""
    tf1.get_variable("w", initializer=ramp(2, 3))
    train.get_or_create_global_step()
    saver = train.Saver(max_to_keep=2, **options)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        _train(session, saver, run, saves)
        return values_of(session)


@graph_golden
def model_directory() -> Written:
    """A directory with a state file and two checkpoints; the first is gone."""
    Path("run").mkdir()
    return Written(prefix="run", values=_model_directory())


@graph_golden
def model_directory_elsewhere() -> Written:
    """The state file holds paths of a machine that is no more."""
    Path("run").mkdir()
    values = _model_directory()
    state = Path("run/checkpoint")
    text = state.read_text(encoding="utf-8")
    gone = text.replace('"model.ckpt', '"/gone/machine/model/model.ckpt')
    state.write_text(gone, encoding="utf-8")
    return Written(prefix="run", values=values, tf_prefix="run/model.ckpt-3")


@graph_golden
def model_directory_v1() -> Written:
    """The state file names a V1 file."""
    Path("run").mkdir()
    values = _model_directory(write_version=train.SaverDef.V1)
    return Written("v1", "run", values)


@graph_golden
def model_directory_v1_sharded() -> Written:
    """The state file names V1 shards by a pattern."""
    Path("run").mkdir()
    options = {"write_version": train.SaverDef.V1, "sharded": True}
    return Written("v1", "run", _model_directory(**options))


@graph_golden
def monitored_session() -> Written:
    """What MonitoredTrainingSession leaves."""
    w = tf1.get_variable("w", initializer=ramp(2, 3))
    step = train.get_or_create_global_step()
    minimize = train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(w), step)
    hook = train.StopAtStepHook(3)
    with train.MonitoredTrainingSession(
        checkpoint_dir="run", hooks=[hook], save_checkpoint_steps=2
    ) as session:
        while not session.should_stop():
            session.run(minimize)
    strip("run")
    return Written(prefix="run")


@graph_golden
def saved_model() -> Written:
    """What simple_save writes, of a graph with a partitioned variable."""
    tf1.get_variable("w", initializer=ramp(2, 3))
    emb = tf1.get_variable(
        "emb",
        [4, 2],
        initializer=tf1.ones_initializer(),
        partitioner=tf1.fixed_size_partitioner(2),
    )
    x = tf1.placeholder(tf.int64, [None], name="x")
    y = tf.nn.embedding_lookup(emb, x)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, "model", {"x": x}, {"y": y})
        values = values_of(session)
    return Written("saved_model", "model", values, "model/variables/variables")


def _input() -> Any:
    features = {"x": ramp(4, 2), "word": [["a"], ["b"], ["c"], ["a"]]}
    rows = tf1.data.Dataset.from_tensor_slices((features, [0, 1, 0, 1]))
    return rows.repeat().batch(2)


def _config() -> Any:
    return tf1.estimator.RunConfig("run", tf_random_seed=1, save_checkpoints_steps=2)


def _estimate(estimator: Any, format: str = "name-based") -> Written:
    estimator.train(_input, steps=3)
    strip("run")
    return Written(format, "run")


def _columns() -> Any:
    column = tf1.feature_column
    words = column.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    return words, column.numeric_column("x", [2])


@graph_golden
def estimator_dnn() -> Written:
    """The canned DNN, with its head's own Adam."""
    words, x = _columns()
    columns = [x, tf1.feature_column.embedding_column(words, 2)]
    return _estimate(
        tf1.estimator.DNNClassifier(
            [3],
            columns,
            optimizer=lambda: train.AdamOptimizer(0.1),
            config=_config(),
            batch_norm=True,
        )
    )


@graph_golden
def estimator_linear() -> Written:
    """The canned linear model, whose weights are partitioned."""
    return _estimate(tf1.estimator.LinearClassifier(_columns(), config=_config()))


@graph_golden
def estimator_partitioned() -> Written:
    """The canned linear model and the canned DNN, their variables in two parts."""
    words, x = _columns()
    return _estimate(
        tf1.estimator.DNNLinearCombinedClassifier(
            linear_feature_columns=[words, x],
            dnn_feature_columns=[tf1.feature_column.embedding_column(words, 2)],
            dnn_hidden_units=[3],
            dnn_optimizer=lambda: train.AdamOptimizer(0.1),
            linear_optimizer=lambda: train.FtrlOptimizer(0.1),
            input_layer_partitioner=tf1.fixed_size_partitioner(2),
            config=_config(),
        )
    )


@graph_golden
def estimator_custom() -> Written:
    """A model function over get_variable, with averages."""

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        w = tf1.get_variable("net/w", initializer=ramp(2, 1))
        error = tf.matmul(features["x"], w)[:, 0] - tf.cast(labels, tf.float32)
        loss = tf.reduce_sum(tf.square(error))
        step = train.get_global_step()
        minimize = train.RMSPropOptimizer(0.1).minimize(loss, step)
        with tf.control_dependencies([minimize]):
            update = train.ExponentialMovingAverage(0.9).apply([w])
        return tf1.estimator.EstimatorSpec(mode, loss=loss, train_op=update)

    return _estimate(tf1.estimator.Estimator(model_fn, config=_config()))


@graph_golden
def estimator_object_based() -> Written:
    """A model function that saves through tf.train.Checkpoint in its Scaffold."""

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
        optimizer = _object_optimizer()
        step = train.get_global_step()
        error = model(features["x"])[:, 0] - tf.cast(labels, tf.float32)
        loss = tf.reduce_sum(tf.square(error))
        variables = model.trainable_variables
        updates = optimizer.get_updates(loss, variables)
        saved = tf.compat.v2.train.Checkpoint(
            model=model, optimizer=optimizer, step=step
        )
        with tf.control_dependencies([updates[0]]):
            advance = tf1.assign_add(step, 1)
        return tf1.estimator.EstimatorSpec(
            mode,
            loss=loss,
            train_op=advance,
            scaffold=train.Scaffold(saver=saved),
        )

    return _estimate(
        tf1.estimator.Estimator(model_fn, config=_config()), "object-based"
    )


def _object_optimizer() -> Any:
    optimizers = tf.keras.optimizers
    legacy = getattr(optimizers, "legacy", optimizers)
    return legacy.Adam(0.1)
