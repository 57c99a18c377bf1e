"""Goldens of training in TF1 that goes on: what the next 20 steps are to be.

Each has a ``continued.json``: the settings, the data, and of every step after the
checkpoint the loss before it and the weights after it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from recording import Written
from tf1_graph import graph_golden, tf1, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

train = tf1.train

_BEFORE, _AFTER = 7, 20
_X = np.sin(np.arange(24, dtype=np.float32)).reshape(8, 3)
_Y = np.cos(np.arange(16, dtype=np.float32) * 2).reshape(8, 2)


class AdamWeightDecay:
    """What BERT trains with: Adam without bias correction, and decay of kernels."""

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float,
        epsilon: float,
        without_decay: tuple[str, ...] = ("b",),
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epsilon = epsilon
        self.without_decay = without_decay

    def minimize(self, loss: Any, global_step: Any) -> Any:
        """Return one step; unlike TensorFlow's own, it leaves no beta powers."""
        variables = tf1.trainable_variables()
        updates = [tf1.assign_add(global_step, 1)]
        # All of them before any assignment, as BERT's clipping makes it; that of an
        # embedding is sparse.
        found = map(tf.convert_to_tensor, tf.gradients(loss, variables))
        for variable, gradient in zip(variables, tf.tuple(list(found))):
            m, v = (
                tf1.get_variable(
                    f"{variable.op.name}/{name}",
                    shape=variable.shape,
                    trainable=False,
                    initializer=tf1.zeros_initializer(),
                )
                for name in ("adam_m", "adam_v")
            )
            new_m = 0.9 * m + 0.1 * gradient
            new_v = 0.999 * v + 0.001 * tf.square(gradient)
            change = new_m / (tf.sqrt(new_v) + self.epsilon)
            if not variable.op.name.endswith(self.without_decay):
                change += self.weight_decay * variable
            new = variable - self.learning_rate * change
            # All reads before any write: the order of assignments must not matter.
            with tf.control_dependencies([new, new_m, new_v, gradient]):
                updates += [variable.assign(new), m.assign(new_m), v.assign(new_v)]
        return tf.group(*updates)


OPTIMIZERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "gradient_descent": (train.GradientDescentOptimizer, {"learning_rate": 0.1}),
    "momentum": (
        train.MomentumOptimizer,
        {"learning_rate": 0.05, "momentum": 0.9},
    ),
    "nesterov": (
        train.MomentumOptimizer,
        {"learning_rate": 0.05, "momentum": 0.9, "use_nesterov": True},
    ),
    "adam": (train.AdamOptimizer, {"learning_rate": 0.1}),
    "adam_named": (train.AdamOptimizer, {"learning_rate": 0.1, "name": "opt"}),
    "adagrad": (train.AdagradOptimizer, {"learning_rate": 0.5}),
    "adadelta": (train.AdadeltaOptimizer, {"learning_rate": 1.0, "epsilon": 1e-4}),
    "rmsprop": (train.RMSPropOptimizer, {"learning_rate": 0.05, "epsilon": 1.0}),
    "rmsprop_momentum": (
        train.RMSPropOptimizer,
        {"learning_rate": 0.01, "momentum": 0.9, "epsilon": 1e-3},
    ),
    "rmsprop_centered": (
        train.RMSPropOptimizer,
        {"learning_rate": 0.01, "momentum": 0.9, "centered": True, "epsilon": 1e-3},
    ),
    "ftrl": (
        train.FtrlOptimizer,
        {"learning_rate": 0.5, "l1_regularization_strength": 0.01},
    ),
    "adam_weight_decay": (
        AdamWeightDecay,
        {"learning_rate": 0.05, "weight_decay": 0.01, "epsilon": 1e-6},
    ),
}


def dense_loss(more: Any = None) -> Any:
    """Return the loss of a kernel and a bias, and what more there is in the sum."""
    with tf1.variable_scope("net"):
        w = tf1.get_variable("w", initializer=np.full([3, 2], 0.5, np.float32))
        b = tf1.get_variable("b", initializer=np.zeros(2, np.float32))
    found = tf.matmul(_X, w) + b
    return tf.reduce_mean(tf.square((found if more is None else found + more) - _Y))


def train_on(session: Any, step: Any, loss: Any) -> dict[str, list[Any]]:
    """Go on training; return the losses, and the weights by name."""
    weights = {v.op.name: v for v in tf1.trainable_variables()}
    losses, values = [], {name: [] for name in weights}
    for _ in range(_AFTER):
        losses.append(float(session.run(loss)))
        session.run(step)
        for name, value in session.run(weights).items():
            values[name].append(value.tolist())
    return {"losses": losses, "weights": values}


def begun(name: str) -> tuple[Any, Any]:
    """Return what takes a step of a golden's training, and its loss."""
    make, settings = OPTIMIZERS[name]
    tf1.get_variable_scope().set_use_resource(getattr(make, "use_resource", False))
    loss = getattr(make, "loss", dense_loss)()
    counts = {"global_step": train.get_or_create_global_step()}
    return make(**settings).minimize(loss, **counts), loss


def _resumed(name: str) -> Written:
    step, loss = begun(name)
    saver = train.Saver()
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for _ in range(_BEFORE):
            session.run(step)
        saver.save(session, "model.ckpt", write_meta_graph=False, write_state=False)
        values = values_of(session)
        settings = OPTIMIZERS[name][1]
        record = {"settings": settings, "x": _X.tolist(), "y": _Y.tolist()}
        record.update(train_on(session, step, loss))
    text = json.dumps(record, indent=None, sort_keys=True)
    Path("continued.json").write_text(text + "\n", encoding="utf-8")
    return Written(values=values)


def register(golden: str, make: Callable[..., Any], **settings: Any) -> None:
    """Add a golden of an optimizer.

    Args:
      golden: Its name, less ``resume_``.
      make: Makes the optimizer. It may have a ``loss`` of its own, and be said to
        ``use_resource`` variables.
      **settings: What it is given.
    """
    OPTIMIZERS[golden] = (make, settings)
    graph_golden(lambda: _resumed(golden), f"resume_{golden}")


for _name, (_make, _settings) in list(OPTIMIZERS.items()):
    register(_name, _make, **_settings)
