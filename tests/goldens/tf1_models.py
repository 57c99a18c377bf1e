"""Goldens of what TF1 training code saves: slots, averages, RNN cells, layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, ramp, save, tf1

if TYPE_CHECKING:
    from collections.abc import Callable

train = tf1.train
contrib = getattr(tf, "contrib", None)

_OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adadelta": lambda: train.AdadeltaOptimizer(0.5),
    "adagrad": lambda: train.AdagradOptimizer(0.5),
    "adagrad_da": lambda: train.AdagradDAOptimizer(
        0.5, train.get_or_create_global_step()
    ),
    "adam": lambda: train.AdamOptimizer(0.1),
    "adam_named": lambda: train.AdamOptimizer(0.1, name="generator_opt"),
    "ftrl": lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=0.01),
    "gradient_descent": lambda: train.GradientDescentOptimizer(0.1),
    "momentum": lambda: train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "proximal_adagrad": lambda: train.ProximalAdagradOptimizer(0.1),
    "proximal_gradient_descent": lambda: train.ProximalGradientDescentOptimizer(0.1),
    "rmsprop": lambda: train.RMSPropOptimizer(0.1),
    "rmsprop_centered": lambda: train.RMSPropOptimizer(
        0.1, momentum=0.9, centered=True
    ),
}

# No weight decay: it races with the gradients, so values would differ between runs.
_CONTRIB_OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adamax": lambda: contrib.opt.AdaMaxOptimizer(0.1),
    "adamw": lambda: contrib.opt.AdamWOptimizer(0.0, 0.1),
    "add_sign": lambda: contrib.opt.AddSignOptimizer(0.1),
    "ggt": lambda: contrib.opt.GGTOptimizer(0.1, window=2),
    "lars": lambda: contrib.opt.LARSOptimizer(0.1),
    "lazy_adam": lambda: contrib.opt.LazyAdamOptimizer(0.1),
    "momentumw": lambda: contrib.opt.MomentumWOptimizer(0.0, 0.1, 0.9),
    "nadam": lambda: contrib.opt.NadamOptimizer(0.1),
    "power_sign": lambda: contrib.opt.PowerSignOptimizer(0.1),
    "shampoo": lambda: contrib.opt.ShampooOptimizer(),  # noqa: PLW0108 - only TF1 has it
}


def _loss() -> Any:
    """Return the loss of a small dense net; its variables are ``net/{w,b}``."""
    with tf1.variable_scope("net"):
        w = tf1.get_variable("w", initializer=ramp(2, 3))
        b = tf1.get_variable("b", initializer=ramp(3))
    return tf.reduce_sum(tf.square(tf.matmul(ramp(4, 2), w) + b))


def _optimizer(make: Callable[[], Any]) -> Written:
    step = train.get_or_create_global_step()
    minimize = make().minimize(_loss(), global_step=step)
    return Written(values=save(minimize, minimize, minimize))


def _register(name: str, make: Callable[[], Any]) -> None:
    def write() -> Written:
        return _optimizer(make)

    graph_golden(write, f"optimizer_{name}")


for _name, _make in _OPTIMIZERS.items():
    _register(_name, _make)
for _name, _make in _CONTRIB_OPTIMIZERS.items():
    _register(_name, _make)


@graph_golden
def optimizer_scoped() -> Written:
    """An optimizer in a variable scope: the scope stands before the slots."""
    loss = _loss()
    with tf1.variable_scope("train_op"):
        minimize = train.AdamOptimizer(0.1).minimize(loss)
    return Written(values=save(minimize))


@graph_golden
def optimizer_two_adams() -> Written:
    """Two optimizers over one variable: slots _2 and _3, beta1_power_1."""
    loss = _loss()
    first = train.AdamOptimizer(0.1).minimize(loss)
    second = train.AdamOptimizer(0.1).minimize(loss)
    return Written(values=save(first, second))


@graph_golden
def optimizer_gan() -> Written:
    """Two optimizers of one name over variables of their own, one twice as often."""
    variables = {
        scope: tf1.get_variable(f"{scope}/w", initializer=ramp(2, 3))
        for scope in ("generator", "discriminator")
    }
    steps = {
        scope: train.AdamOptimizer(0.1, beta1=beta1).minimize(
            tf.reduce_sum(tf.square(variables[scope])),
            var_list=[variables[scope]],
            global_step=step,
        )
        for scope, beta1, step in (
            ("discriminator", 0.5, None),
            ("generator", 0.9, train.get_or_create_global_step()),
        )
    }
    both = steps["discriminator"], steps["generator"]
    return Written(values=save(*both, *both, steps["discriminator"]))


@graph_golden
def optimizer_loss_scale() -> Written:
    """The mixed-precision wrapper's own variables."""
    scale = tf1.train.experimental.DynamicLossScale(8.0, increment_period=2)
    wrapper = tf1.train.experimental.MixedPrecisionLossScaleOptimizer
    minimize = wrapper(train.AdamOptimizer(0.1), scale).minimize(_loss())
    return Written(values=save(minimize, minimize))


@graph_golden
def ema() -> Written:
    """Averages beside their variables, and over an optimizer."""
    minimize = train.AdamOptimizer(0.1).minimize(_loss())
    average = train.ExponentialMovingAverage(0.9)
    with tf.control_dependencies([minimize]):
        update = average.apply(tf1.trainable_variables())
    return Written(values=save(update, update))


@graph_golden
def ema_scoped() -> Written:
    """Averages made in a variable scope, under a name of their own."""
    _loss()
    with tf1.variable_scope("train"):
        average = train.ExponentialMovingAverage(0.9, name="avg", zero_debias=True)
        update = average.apply(tf1.trainable_variables())
    return Written(values=save(update))


_CELLS = tf1.nn.rnn_cell
_INPUTS = ramp(2, 3, 4)


def _rnn(cell: Any) -> Written:
    """Save what ``cell`` makes under ``rnn``."""
    tf1.nn.dynamic_rnn(cell, tf.constant(_INPUTS), dtype=tf.float32)
    return Written(values=save())


@graph_golden
def rnn_basic() -> Written:
    """BasicRNNCell."""
    return _rnn(_CELLS.BasicRNNCell(2))


@graph_golden
def rnn_basic_lstm() -> Written:
    """BasicLSTMCell."""
    return _rnn(_CELLS.BasicLSTMCell(2))


@graph_golden
def rnn_lstm_peepholes() -> Written:
    """LSTMCell with peepholes and a projection."""
    return _rnn(_CELLS.LSTMCell(3, use_peepholes=True, num_proj=2))


@graph_golden
def rnn_gru() -> Written:
    """GRUCell."""
    return _rnn(_CELLS.GRUCell(2))


@graph_golden
def rnn_multi() -> Written:
    """A stack of cells of two kinds."""
    return _rnn(_CELLS.MultiRNNCell([_CELLS.BasicLSTMCell(2), _CELLS.GRUCell(3)]))


@graph_golden
def rnn_bidirectional() -> Written:
    """Two directions, each with an optimizer's slots."""
    outputs, _ = tf1.nn.bidirectional_dynamic_rnn(
        _CELLS.BasicLSTMCell(2),
        _CELLS.BasicLSTMCell(2),
        tf.constant(_INPUTS),
        dtype=tf.float32,
    )
    loss = tf.reduce_sum(tf.square(outputs[0]) + outputs[1])
    return Written(values=save(train.AdamOptimizer(0.1).minimize(loss)))


@graph_golden
def rnn_cudnn_compatible() -> Written:
    """Cells that read what a Cudnn layer saved."""
    cudnn = contrib.cudnn_rnn
    lstm = [cudnn.CudnnCompatibleLSTMCell(2) for _ in range(2)]
    tf1.nn.dynamic_rnn(
        _CELLS.MultiRNNCell(lstm), tf.constant(_INPUTS), dtype=tf.float32, scope="lstm"
    )
    gru = cudnn.CudnnCompatibleGRUCell(2)
    tf1.nn.dynamic_rnn(gru, tf.constant(_INPUTS), dtype=tf.float32, scope="gru")
    return Written(values=save())


@graph_golden
def rnn_contrib() -> Written:
    """The block cells and the rarer cells of contrib."""
    rnn = contrib.rnn
    cells = [rnn.LSTMBlockCell(2), rnn.GRUBlockCellV2(2), rnn.NASCell(2)]
    cells += [rnn.LayerNormBasicLSTMCell(2), rnn.UGRNNCell(2)]
    cells += [rnn.CoupledInputForgetGateLSTMCell(2)]
    for cell in cells:
        scope = type(cell).__name__
        inputs = tf.constant(_INPUTS)
        tf1.nn.dynamic_rnn(cell, inputs, dtype=tf.float32, scope=scope)
    return Written(values=save())


@graph_golden
def rnn_outputs() -> Written:
    """Cells that Keras has layers for, and what each made of the same inputs."""
    rnn, cudnn = contrib.rnn, contrib.cudnn_rnn
    cells = {
        "basic_rnn": _CELLS.BasicRNNCell(3),
        "basic_lstm": _CELLS.BasicLSTMCell(3),
        "lstm": _CELLS.LSTMCell(3, forget_bias=0.25),
        "lstm_block": rnn.LSTMBlockCell(3),
        "cudnn_lstm": cudnn.CudnnCompatibleLSTMCell(3),
        "gru": _CELLS.GRUCell(3),
        "gru_block": rnn.GRUBlockCellV2(3),
        "cudnn_gru": cudnn.CudnnCompatibleGRUCell(3),
    }
    tf1.get_variable("inputs", initializer=_INPUTS)
    outputs = {
        scope: tf1.nn.dynamic_rnn(
            cell, tf.constant(_INPUTS), scope=scope, dtype="float"
        )
        for scope, cell in cells.items()
    }
    # A wave: every weight differs, and none is large.
    given = [
        each.assign(
            tf.reshape(
                tf.sin(tf.range(each.shape.num_elements(), dtype="float")), each.shape
            )
        )
        for each in tf1.trainable_variables()
        if each.op.name != "inputs"
    ]
    kept = [
        tf1.get_variable(f"{scope}/outputs", output.shape, trainable=False).assign(
            output
        )
        for scope, (output, _) in outputs.items()
    ]
    return Written(values=save(tf.group(*given), tf.group(*kept)))


@graph_golden
def layers() -> Written:
    """tf.layers, with batch normalisation."""
    layers = tf.layers
    net = tf.constant(ramp(2, 4, 4, 1))
    net = layers.conv2d(net, 2, 3)
    net = layers.separable_conv2d(net, 2, 2)
    net = layers.batch_normalization(net, training=True)
    layers.dense(layers.dense(layers.flatten(net), 2), 2)
    return Written(values=save(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)))


@graph_golden
def layers_contrib() -> Written:
    """tf.contrib.layers (slim), whose names differ from those of tf.layers."""
    slim = contrib.layers
    net = tf.constant(ramp(2, 4, 4, 1))
    net = slim.conv2d(net, 2, 3, normalizer_fn=slim.batch_norm)
    net = slim.layer_norm(slim.layer_norm(net))
    slim.fully_connected(slim.flatten(net), 2)
    slim.embed_sequence(np.array([[0, 1]]), vocab_size=3, embed_dim=2)
    return Written(values=save())


@graph_golden
def default_names() -> Written:
    """Scopes that TensorFlow numbered: blk, blk_1."""
    for _ in range(2):
        with tf1.variable_scope(None, default_name="blk"):
            tf1.get_variable("w", initializer=ramp(2))
    for _ in range(2):
        tf1.Variable(ramp(2), name="v")
    tf1.Variable(ramp(2))
    return Written(values=save())


@graph_golden
def string_and_bool_variables() -> Written:
    """Variables that are no numbers, as vocabularies in the graph are."""
    tf1.get_variable("vocab", initializer=np.array([b"the", b"", "ß".encode()], object))
    tf1.get_variable("done", initializer=np.array([True, False]))
    tf1.get_variable("half", initializer=ramp(3).astype(np.float16))
    tf1.get_variable("brain", initializer=tf.cast(ramp(3), tf.bfloat16))
    return Written(values=save())


@graph_golden
def hash_table() -> Written:
    """A mutable table: its keys and values are tensors without a variable."""
    table = tf.lookup.experimental.DenseHashTable(
        tf.string,
        tf.int64,
        default_value=-1,
        empty_key="",
        deleted_key="$",
        initial_num_buckets=4,
    )
    insert = table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
    _loss()
    return Written(values=save(insert))
