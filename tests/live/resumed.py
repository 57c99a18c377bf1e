"""Training that began in TF1 and goes on in a Keras of today."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import tf_ckpt_migrate as tcm

GOLDENS = Path(__file__).parent.parent / "goldens" / "tf1_15"
RULES = {"net/w": "dense/kernel", "net/b": "dense/bias"}
_LOOKED_UP = {"net/w": "table/embeddings", "net/b": "b"}
_WITH_ROWS = {**RULES, "net/e": "rows/embeddings"}
# Which rows each example of a step looks up, counted from the number of the step.
_ROWS = np.array([0, 0, 1, 0, 1, 1, 0, 1])


def prefix_of(name):
    return str(GOLDENS / f"resume_{name}" / "model.ckpt")


def continued(name):
    """What TensorFlow 1.15 did after the checkpoint."""
    path = GOLDENS / f"resume_{name}" / "continued.json"
    return json.loads(path.read_text(encoding="utf-8"))


def flavors(tf):
    """The modules of optimizers there are, by what they are."""
    new = tf.keras.optimizers
    if hasattr(new.Adam, "stateless_apply"):
        return {"keras_3": new}
    return {"tf_keras": new, "legacy": new.legacy}


def built(tf, optimizer, variables):
    """Give an optimizer its slots."""
    if hasattr(optimizer, "get_slot"):  # legacy: they come with the first step
        zeros = [tf.zeros_like(v) for v in variables]
        optimizer.apply_gradients(zip(zeros, variables, strict=True))
    else:
        optimizer.build(variables)


def model_and(tf, optimizer):
    """A dense layer that the optimizer has slots for, in one checkpoint."""
    layer = tf.keras.layers.Dense(2, name="dense")
    layer.build((None, 3))
    built(tf, optimizer, layer.trainable_variables)
    return tf.train.Checkpoint(dense=layer, optimizer=optimizer)


def embedding_and(tf, optimizer):
    """An embedding and a bias that the optimizer has slots for, in one checkpoint."""
    table = tf.keras.layers.Embedding(3, 2, name="table")
    table.build(None)
    b = tf.Variable(tf.zeros(2), name="b")
    built(tf, optimizer, [*table.trainable_variables, b])
    return tf.train.Checkpoint(table=table, b=b, optimizer=optimizer)


def model_with_rows_and(tf, optimizer):
    """A dense layer beside an embedding, that the optimizer has slots for."""
    layer = tf.keras.layers.Dense(2, name="dense")
    layer.build((None, 3))
    rows = tf.keras.layers.Embedding(4, 2, name="rows")
    rows.build(None)
    built(tf, optimizer, [*layer.trainable_variables, *rows.trainable_variables])
    return tf.train.Checkpoint(dense=layer, rows=rows, optimizer=optimizer)


def _sort_of(golden):
    """Return the model and the names of a golden."""
    if golden.startswith("sparse_"):
        return embedding_and, _LOOKED_UP
    if "net/e" in continued(golden)["weights"]:
        return model_with_rows_and, _WITH_ROWS
    return model_and, RULES


def restored(tf, optimizer, case):
    """Restore a golden into a fresh model and optimizer; return them, the report."""
    make, _ = _sort_of(case.golden)
    checkpoint = make(tf, optimizer)
    checkpoint.is_dense = not case.told.get("sparse", True)
    return checkpoint, tcm.restore(prefix_of(case.golden), checkpoint, rules_of(case))


def rules_of(case):
    _, names = _sort_of(case.golden)
    recipe = tcm.Recipe("optimizer", case.name, "optimizer", **case.told)
    return [*names.items(), recipe]


def train_on(tf, checkpoint, record, done=7):
    """Take the steps that TF1 took; return the losses and the weights after each."""
    is_sparse = hasattr(checkpoint, "table")
    kernel, bias = (
        (*checkpoint.table.trainable_variables, checkpoint.b)
        if is_sparse
        else (checkpoint.dense.kernel, checkpoint.dense.bias)
    )
    x, y = (tf.constant(record[name], tf.float32) for name in "xy")
    table = getattr(checkpoint, "rows", None)
    trained = {"net/w": kernel, "net/b": bias}
    if table is not None:
        trained["net/e"] = table.embeddings
    losses, weights = [], {name: [] for name in trained}
    for step in range(done, done + len(record["losses"])):
        rows = tf.constant([0, 0, 1] if 7 <= step < 17 else [0, 0, 1, 2])
        with tf.GradientTape() as tape:
            if is_sparse:
                wanted = tf.cast(rows, tf.float32)[:, tf.newaxis]
                found = checkpoint.table(rows) + bias
                loss = tf.reduce_sum(tf.square(found - wanted))
            else:
                found = checkpoint.dense(x)
                if table is not None:
                    found += table((step + _ROWS) % 4)
                loss = tf.reduce_mean(tf.square(found - y))
        variables = list(trained.values())
        gradients = tape.gradient(loss, variables)
        if getattr(checkpoint, "is_dense", False):
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        checkpoint.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        losses.append(float(loss))
        for name, variable in trained.items():
            weights[name].append(variable.numpy())
    return losses, weights


def apart(record, weights):
    """How far weights are from those of TF1, as a fraction of the largest of these."""
    pairs = [(np.array(record["weights"][key]), weights[key]) for key in weights]
    largest = max(np.abs(known).max() for known, _ in pairs)
    return max(np.abs(known - mine).max() for known, mine in pairs) / largest


def longest_step(record):
    """The longest step of TF1, as a fraction of the largest weight."""
    known = [np.array(each) for each in record["weights"].values()]
    largest = max(np.abs(each).max() for each in known)
    return max(np.abs(np.diff(each, axis=0)).max() for each in known) / largest
