"""Goldens of RNN cells that TF1 trains, and of those that no layer of Keras is like.

Those called ``resume_rnn_*`` have a ``continued.json``: what the program was, the loss
before each of the 20 steps after the checkpoint, and weights and averages after them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, ramp, save, tf1, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

train = tf1.train
contrib = getattr(tf, "contrib", None)
_CELLS = tf1.nn.rnn_cell

_BEFORE, _AFTER = 7, 20
_UNITS = 2
_X = np.sin(np.arange(24, dtype=np.float32)).reshape(2, 4, 3)
_DECAY = 0.9


def _one(cell: Any) -> Any:
    return tf1.nn.dynamic_rnn(cell, tf.constant(_X), dtype="float")[0]


def _fused(cell: Any) -> Any:
    outputs, _ = cell(tf.constant(_X.transpose(1, 0, 2)), dtype=tf.float32)
    return tf.transpose(outputs, [1, 0, 2])


def _stack() -> Any:
    return _one(_CELLS.MultiRNNCell([_CELLS.BasicLSTMCell(2), _CELLS.BasicLSTMCell(2)]))


def _two_ways() -> Any:
    cells = (_CELLS.GRUCell(_UNITS) for _ in range(2))
    inputs = tf.constant(_X)
    outputs, _ = tf1.nn.bidirectional_dynamic_rnn(*cells, inputs, dtype="float")
    return tf.concat(outputs, 2)


def _two_ways_stacked() -> Any:
    make = contrib.cudnn_rnn.CudnnCompatibleLSTMCell
    ways = [[make(_UNITS) for _ in range(2)] for _ in range(2)]
    run = contrib.rnn.stack_bidirectional_dynamic_rnn
    return run(*ways, tf.constant(_X), dtype=tf.float32)[0]


# What makes the outputs. The names in the graph are TensorFlow's own.
PROGRAMS: dict[str, Callable[[], Any]] = {
    "basic_rnn": lambda: _one(_CELLS.BasicRNNCell(_UNITS)),
    "basic_lstm": lambda: _one(_CELLS.BasicLSTMCell(_UNITS)),
    "lstm": lambda: _one(_CELLS.LSTMCell(_UNITS, forget_bias=0.25)),
    "lstm_block": lambda: _one(contrib.rnn.LSTMBlockCell(_UNITS)),
    "lstm_fused": lambda: _fused(contrib.rnn.LSTMBlockFusedCell(_UNITS)),
    "cudnn_lstm": lambda: _one(contrib.cudnn_rnn.CudnnCompatibleLSTMCell(_UNITS)),
    "gru": lambda: _one(_CELLS.GRUCell(_UNITS)),
    "gru_block": lambda: _one(contrib.rnn.GRUBlockCellV2(_UNITS)),
    "cudnn_gru": lambda: _one(contrib.cudnn_rnn.CudnnCompatibleGRUCell(_UNITS)),
    "stack": _stack,
    "two_ways": _two_ways,
    "two_ways_stacked": _two_ways_stacked,
}


def _begin(weights: Any) -> Any:
    """Return what gives every weight another small value, a wave."""
    given = []
    for number, each in enumerate(weights):
        count = tf.range(each.shape.num_elements(), dtype="float")
        value = tf.sin(count * 1.3 + number) / 2
        given.append(each.assign(tf.reshape(value, each.shape)))
    return tf.group(*given)


class Training:
    """A program with its loss, one step of Adam or Momentum, and its averages."""

    def __init__(self, name: str) -> None:
        """Build the graph."""
        outputs = PROGRAMS[name]()
        size = int(np.prod([2, 4, outputs.shape[2]]))
        wanted = np.cos(np.arange(size, dtype=np.float32) * 2).reshape(2, 4, -1)
        self.outputs = outputs
        self.loss = tf.reduce_mean(tf.square(outputs - wanted))
        self.weights = tf1.trainable_variables()
        optimizer = (
            train.AdamOptimizer(0.01)
            if name in ("lstm", "gru")
            else train.MomentumOptimizer(0.05, 0.9)
        )
        step = train.get_or_create_global_step()
        self._minimize = optimizer.minimize(self.loss, global_step=step)
        average = train.ExponentialMovingAverage(_DECAY)
        self._average = average.apply(self.weights)
        self.averages = [average.average(each) for each in self.weights]

    def take_step(self, session: Any) -> None:
        """Train, and then average.

        Two runs: within one, an average takes its variable from before the step or from
        after it, whatever the control dependencies.
        """
        session.run(self._minimize)
        session.run(self._average)

    def go_on(self, session: Any) -> dict[str, Any]:
        """Take the steps, and return losses, weights and averages."""
        losses = []
        for _ in range(_AFTER):
            losses.append(float(session.run(self.loss)))
            self.take_step(session)
        known = self.weights + self.averages
        values = session.run({each.op.name: each for each in known})
        return {"losses": losses, "values": {n: v.tolist() for n, v in values.items()}}


def _resumed(name: str) -> Written:
    training = Training(name)
    saver = train.Saver()
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(_begin(training.weights))
        session.run([each.initializer for each in training.averages])
        for _ in range(_BEFORE):
            training.take_step(session)
        saver.save(session, "model.ckpt", write_meta_graph=False, write_state=False)
        values = values_of(session)
        record = {"x": _X.tolist(), "outputs": session.run(training.outputs).tolist()}
        record.update(training.go_on(session))
    text = json.dumps(record, sort_keys=True)
    Path("continued.json").write_text(text + "\n", encoding="utf-8")
    return Written(values=values)


def _register(name: str) -> None:
    graph_golden(lambda: _resumed(name), f"resume_rnn_{name}")


for _name in PROGRAMS:
    _register(_name)


@graph_golden
def rnn_rare() -> Written:
    """Cells that Keras has no layer for, beside those of rnn_contrib."""
    from tensorflow.contrib.rnn.python.ops import rnn_cell

    rnn = contrib.rnn
    cells = {
        "AttentionCellWrapper": lambda: rnn.AttentionCellWrapper(
            _CELLS.BasicLSTMCell(2), 2, state_is_tuple=True
        ),
        "BlockPeephole": lambda: rnn.LSTMBlockCell(2, use_peephole=True),
        "CFNCell": lambda: rnn_cell.CFNCell(2),
        "GLSTMCell": lambda: rnn.GLSTMCell(4, number_of_groups=2),
        "HighwayWrapper": lambda: rnn.HighwayWrapper(_CELLS.GRUCell(4)),
        "IndRNNCell": lambda: rnn.IndRNNCell(2),
        "IndyGRUCell": lambda: rnn.IndyGRUCell(2),
        "IndyLSTMCell": lambda: rnn.IndyLSTMCell(2),
        "IntersectionRNNCell": lambda: rnn.IntersectionRNNCell(2, num_in_proj=2),
        "LayerNormLSTMCell": lambda: rnn_cell.LayerNormLSTMCell(2),
        "MinimalRNNCell": lambda: rnn_cell.MinimalRNNCell(2),
        "PhasedLSTMCell": lambda: rnn.PhasedLSTMCell(2),
        "Projection": lambda: _CELLS.LSTMCell(3, num_proj=2),
        "SRUCell": lambda: rnn.SRUCell(2),
        "WeightNormLSTMCell": lambda: rnn_cell.WeightNormLSTMCell(2),
    }
    inputs = tf.constant(ramp(2, 3, 4))
    times = tf.constant(ramp(2, 3, 1))
    for scope, make in cells.items():
        given = (times, inputs) if scope == "PhasedLSTMCell" else inputs
        tf1.nn.dynamic_rnn(make(), given, dtype=tf.float32, scope=scope)
    grid = {
        "GridLSTMCell": rnn.GridLSTMCell(
            2, feature_size=4, frequency_skip=4, num_frequency_blocks=[1]
        ),
        "TimeFreqLSTMCell": rnn.TimeFreqLSTMCell(2, feature_size=4, frequency_skip=4),
    }
    for scope, cell in grid.items():
        steps = tf.unstack(inputs, axis=1)
        tf1.nn.static_rnn(cell, steps, dtype=tf.float32, scope=scope)
    conv = rnn.Conv1DLSTMCell(input_shape=[4, 1], output_channels=2, kernel_shape=[3])
    wide = tf.constant(ramp(2, 3, 4, 1))
    tf1.nn.dynamic_rnn(conv, wide, dtype=tf.float32, scope="ConvLSTMCell")
    return Written(values=save())
