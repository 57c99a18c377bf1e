"""RNN cells that TF1 has trained, and the Keras that goes on."""

import json
from typing import Any, NamedTuple

import numpy as np

import tf_ckpt_migrate as tcm
from tests.live.resumed import GOLDENS
from tf_ckpt_migrate.live.variables import name_of

DECAY = 0.9  # of the averages


class Case(NamedTuple):
    """A program of `tests/goldens/tf1_rnn.py`, and what continues it.

    Attributes:
      cells: What it is called in the table of `docs/recipes.md`.
      layers: The layers of Keras.
      kind: The recipe.
      source: The scope of the cells.
      options: What the recipe is told.
    """

    cells: str
    layers: str
    kind: str
    source: str
    options: dict[str, Any] = {}  # noqa: RUF012 never written to


CASES = {
    "basic_rnn": Case("`BasicRNNCell`", "SimpleRNN", "simple_rnn", "rnn/"),
    "basic_lstm": Case("`BasicLSTMCell`", "LSTM", "lstm", "rnn/"),
    "lstm": Case(
        "`LSTMCell(forget_bias=0.25)`", "LSTM", "lstm", "rnn/", {"forget_bias": 0.25}
    ),
    "lstm_block": Case("`LSTMBlockCell`", "LSTM", "lstm", "rnn/"),
    "lstm_fused": Case("`LSTMBlockFusedCell`", "LSTM", "lstm", "lstm_fused_cell/"),
    "cudnn_lstm": Case("`CudnnCompatibleLSTMCell`", "LSTM", "lstm", "rnn/"),
    "gru": Case("`GRUCell`", "GRU(reset_after=False)", "gru", "rnn/"),
    "gru_block": Case("`GRUBlockCellV2`", "GRU(reset_after=False)", "gru", "rnn/"),
    "stack": Case("`MultiRNNCell` of two", "LSTM, LSTM", "lstm", "rnn/"),
    "two_ways": Case(
        "`bidirectional_dynamic_rnn`",
        "Bidirectional(GRU)",
        "gru",
        "bidirectional_rnn/",
    ),
    "two_ways_stacked": Case(
        "`stack_bidirectional_dynamic_rnn`",
        "Bidirectional(LSTM), twice",
        "lstm",
        "stack_bidirectional_rnn/",
    ),
}
ADAM = ("lstm", "gru")  # the others are trained by Momentum


def prefix_of(name):
    return str(GOLDENS / f"resume_rnn_{name}" / "model.ckpt")


def continued(name):
    """What TensorFlow 1.15 did after the checkpoint."""
    path = GOLDENS / f"resume_rnn_{name}" / "continued.json"
    return json.loads(path.read_text(encoding="utf-8"))


def model_for(tf, name):
    """A model of the layers, and an optimizer that averages, in one checkpoint."""
    return tf.train.Checkpoint(**parts_for(tf.keras, name))


def parts_for(keras, name):
    """A model of the layers, and an optimizer that averages, with its slots."""
    layers, known = keras.layers, {"return_sequences": True}

    def made():
        kind = CASES[name].kind if name in CASES else "gru"
        if kind == "gru":
            return layers.GRU(2, reset_after=name == "cudnn_gru", **known)
        return (layers.LSTM if kind == "lstm" else layers.SimpleRNN)(2, **known)

    count = 2 if "stack" in name else 1
    listed = [
        layers.Bidirectional(made()) if "two_ways" in name else made()
        for _ in range(count)
    ]
    model = keras.Sequential(listed, name="net")
    model.build((None, None, 3))
    averaging = {"use_ema": True, "ema_momentum": DECAY}
    optimizer = (
        keras.optimizers.Adam(0.01, epsilon=1e-8, **averaging)
        if name in ADAM
        else keras.optimizers.SGD(0.05, momentum=0.9, **averaging)
    )
    optimizer.build(model.trainable_variables)
    return {"model": model, "optimizer": optimizer}


def rules_for(name):
    """All that it takes: three lines, and where steps of TF1 go is told by the last."""
    case = CASES[name]
    return [
        tcm.Recipe("averages", "/", "/", use="both"),
        tcm.Recipe(case.kind, case.source, "/", **case.options),
        tcm.Recipe(
            "optimizer",
            "Adam" if name in ADAM else "Momentum",
            "optimizer",
            ema_momentum=DECAY,
        ),
    ]


def train_on(tf, checkpoint, record):
    """Take the steps that TF1 took, and return the losses."""
    model, optimizer = checkpoint.model, checkpoint.optimizer
    x = tf.constant(record["x"], tf.float32)
    wanted = tf.constant(wanted_of(record))
    losses = []
    for _ in record["losses"]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - wanted))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        losses.append(float(loss))
    return losses


def wanted_of(record):
    """What the outputs were to become."""
    outputs = np.array(record["outputs"])
    wave = np.cos(np.arange(outputs.size, dtype=np.float32) * 2)
    return wave.reshape(outputs.shape)


def bound(name):
    """To the rounding of float32; what Adam divides by is rounded too."""
    return 4e-6 if name in ADAM else 1e-6


def apart(known, found):
    """How far tensors are from those of TF1, as a fraction of the largest value."""
    pairs = [(np.array(known[name]), found[name]) for name in known]
    largest = max(np.abs(value).max() for value, _ in pairs)
    return max(np.abs(value - mine).max() for value, mine in pairs) / largest


def names(checkpoint):
    return [name_of(each) for each in checkpoint.model.weights]
