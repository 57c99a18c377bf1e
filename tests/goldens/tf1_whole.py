"""Goldens of whole networks in the middle of their training.

Each has a ``continued.npz``: the data (``data/x``), the losses of the 20 steps that
TensorFlow 1.15 took after the checkpoint, and all variables at their end (by name,
after ``values/``).
"""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
from recording import Written
from tf1_directories import strip
from tf1_graph import graph_golden, ramp, tf1, values_of
from tf1_networks import DATA, NETWORKS

train = tf1.train

BEFORE, AFTER = 7, 20
# Features and labels of the canned Estimator.
ROWS = {"x": ramp(6, 2) - 0.5, "word": ["a", "b", "c", "a", "c", "b"]}
LABELS = [0, 1, 0, 1, 1, 0]


def go_on(session: Any, loss: Any, step: Any) -> tuple[list[float], dict[str, Any]]:
    """Take the next steps; return the losses, and the variables at the end."""
    losses = []
    for _ in range(AFTER):
        losses.append(float(session.run(loss)))
        session.run(step)
    return losses, session.run({v.op.name: v for v in tf1.global_variables()})


def _record(data: Any, losses: list[float], values: dict[str, Any]) -> None:
    arrays = {f"data/{name}": array for name, array in data.items()}
    arrays.update((f"values/{name}", array) for name, array in values.items())
    np.savez_compressed("continued.npz", losses=losses, **arrays)


def _whole(name: str) -> Written:
    loss, step = NETWORKS[name]()
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for _ in range(BEFORE):
            session.run(step)
        train.Saver().save(
            session, "model.ckpt", write_meta_graph=False, write_state=False
        )
        values = values_of(session)
        _record(DATA[name], *go_on(session, loss, step))
    return Written(values=values)


def _register(name: str) -> None:
    graph_golden(lambda: _whole(name), f"whole_{name}")


for _name in NETWORKS:
    _register(_name)


def canned(directory: str) -> Any:
    """Return a DNNClassifier, whose optimizer is Adagrad."""
    column = tf1.feature_column
    words = column.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    columns = [column.numeric_column("x", [2]), column.embedding_column(words, 2)]
    config = tf1.estimator.RunConfig(directory, tf_random_seed=1)
    return tf1.estimator.DNNClassifier([4, 3], columns, config=config)


def rows() -> Any:
    """Return the input of every step: all rows."""
    return tf1.data.Dataset.from_tensors((ROWS, LABELS)).repeat()


class Losses(train.SessionRunHook):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def before_run(self, context: Any) -> Any:
        """Ask for the loss."""
        del context
        return train.SessionRunArgs(tf1.get_collection(tf1.GraphKeys.LOSSES)[0])

    def after_run(self, context: Any, values: Any) -> None:
        """Keep it."""
        del context
        self.found.append(float(values.results))


def estimator_goes_on(estimator: Any) -> tuple[list[float], dict[str, Any]]:
    """Take the next steps; return the losses, and the variables at the end."""
    losses = Losses()
    estimator.train(rows, steps=AFTER, hooks=[losses])
    names = estimator.get_variable_names()
    values = {name: estimator.get_variable_value(name) for name in names}
    return losses.found, values


@graph_golden
def whole_dnn() -> Written:
    """The canned DNN classifier."""
    canned("run").train(rows, steps=BEFORE)
    shutil.copytree("run", "later")
    _record({**ROWS, "labels": LABELS}, *estimator_goes_on(canned("later")))
    shutil.rmtree("later")
    strip("run")
    return Written(prefix="run")
