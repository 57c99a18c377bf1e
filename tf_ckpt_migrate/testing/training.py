"""Trains a TF1 graph and the model that replaces it, and compares step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.conversion.planning import CheckpointLike
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.testing.calls import as_arrays, called
from tf_ckpt_migrate.testing.comparing import Near
from tf_ckpt_migrate.testing.layers import run
from tf_ckpt_migrate.testing.outputs import migrated
from tf_ckpt_migrate.testing.tf1 import Tf1Model
from tf_ckpt_migrate.testing.trained import (
    Step,
    Trained,
    trained_model,
    values_of_all,
    weights_of,
)
from tf_ckpt_migrate.testing.training_text import training_text

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["assert_same_training"]


def assert_same_training(  # noqa: PLR0913 two models and how to train: by keyword
    tf1_model: Any,
    tf2_model: Any,
    batches: Sequence[Any],
    *,
    step: Callable[..., Any] | None = None,
    checkpoint: CheckpointLike | None = None,
    assignment_map: AssignmentMapLike | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Assert that a model trains as the TF1 graph does: losses and weights, each step.

    Args:
      tf1_model: A function of ``tf.compat.v1`` that is called in a new graph, with
        placeholders for a batch, and returns the loss and the operation that trains.
      tf2_model: What has the variables: a compiled Keras model, or with ``step``
        anything that ``tcm.restore`` takes.
      batches: One for each step, all of one shape: mostly tuples of inputs and targets.
      step: Makes one step: it is called with a batch, and returns the loss that the
        batch had before. Without it, it is ``tf2_model.train_on_batch``.
      checkpoint: Restored into both. Without one, TF1's variables get random values,
        and the model those.
      assignment_map: Rules from names in the checkpoint to the model's variables. Slots
        and steps are left behind, unless a ``tcm.Recipe("optimizer", …)`` takes them.
      rtol: How far a value may be off, relative to the largest of its tensor.
      atol: How far a value may be off, beside.
      seed: Of the TF1 graph, and of the model's random operations.

    Raises:
      AssertionError: If a loss or a weight differs. The text says at which step first,
        by how much, and what of the optimizers explains it, where that could be shown.
      PlanError: If the checkpoint does not fit one of the models.
      TypeError: If the function returns anything else, or the model cannot be trained.

    Example:
      >>> import numpy as np, tensorflow as tf
      >>> v1 = tf.compat.v1
      >>> def build(x, y):
      ...     loss = tf.reduce_mean((x @ v1.get_variable("w", [3, 1]) - y) ** 2)
      ...     return loss, v1.train.GradientDescentOptimizer(0.1).minimize(loss)
      >>> w = tf.Variable(tf.zeros([3, 1]))
      >>> def step(x, y):
      ...     with tf.GradientTape() as tape:
      ...         loss = tf.reduce_mean((x @ w - y) ** 2)
      ...     w.assign_sub(0.1 * tape.gradient(loss, w))
      ...     return loss
      >>> batch = np.eye(3, dtype=np.float32), np.ones((3, 1), np.float32)
      >>> assert_same_training(build, {"w": w}, [batch] * 3, step=step)
    """
    arrays = [as_arrays(batch) for batch in batches]
    if not arrays:
        raise TypeError("there are no batches to train with")
    with closing(Tf1Model(tf1_model, arrays[0], None, seed)) as tf1:
        fetches = _loss_and_operation(tf1)
        tf1.start(checkpoint)
        train = _trainer(tf2_model, step)
        if step is None:
            _build(tf2_model, arrays[0])
        moves = _of_weights(migrated(tf1, tf2_model, checkpoint, assignment_map).moves)
        start, before = weights_of(tf2_model, moves), values_of_all(tf2_model)
        regularization = _regularization(tf1)
        expected = _trained_tf1(tf1, fetches, arrays, moves)
        tensorflow().random.set_seed(seed)
        trained = Trained(
            tf1,
            tf2_model,
            train,
            arrays,
            moves,
            Near(rtol, atol),
            start,
            expected,
            trained_model(tf2_model, train, arrays, moves),
            before,
            regularization,
        )
        if not all(trained.agrees(n) for n in range(len(arrays))):
            raise AssertionError(training_text(trained))


def _regularization(tf1: Tf1Model) -> float:
    keys = tensorflow().compat.v1.GraphKeys
    losses = tf1.graph.get_collection(keys.REGULARIZATION_LOSSES)
    return float(sum(tf1.run(losses)))


def _trained_tf1(
    tf1: Tf1Model,
    fetches: tuple[Any, Any],
    batches: Sequence[Any],
    moves: Sequence[Move],
) -> list[Step]:
    steps: list[Step] = []
    for batch in batches:
        tf1.feed(batch)
        loss, _ = tf1.run(fetches)
        steps.append(Step(float(loss), _moved(tf1, moves)))
    return steps


def _loss_and_operation(tf1: Tf1Model) -> tuple[Any, Any]:
    found = list(tf1.results.values())
    if "loss" in tf1.results and len(found) == 2:
        loss = tf1.results["loss"]
        found = [loss, *(each for each in found if each is not loss)]
    if len(found) != 2 or found[1] is None:
        raise TypeError(
            f"the function of TF1 returned {[*tf1.results]}; expected the loss and the "
            "operation that trains, `return loss, optimizer.minimize(loss)`"
        )
    return found[0], found[1]


def _trainer(model: Any, step: Callable[..., Any] | None) -> Callable[[Any], float]:
    if step is None and not hasattr(model, "train_on_batch"):
        raise TypeError(
            f"{model!r} has no train_on_batch: give a compiled Keras model, or step=, "
            "a function that trains with one batch and returns its loss"
        )
    reset = getattr(model, "reset_metrics", None)
    function = model.train_on_batch if step is None else step

    def train(batch: Any) -> float:
        if reset is not None and getattr(model, "optimizer", None) is not None:
            reset()  # Keras 3 returns the mean of all batches since
        result = called(function, batch)
        if isinstance(result, list | tuple):  # the loss, then metrics
            result = result[0]
        return float(result)

    return train


def _of_weights(moves: Sequence[Move]) -> list[Move]:
    names = {source: move.spec for move in moves for source in move.sources}
    return [
        move
        for move in moves
        if all(role_of(source, names) == "weight" for source in move.sources)
    ]


def _moved(tf1: Tf1Model, moves: Sequence[Move]) -> dict[str, Array]:
    """Return TF1's weights as they are now, by the names of the model."""
    values = tf1.saved()
    return {
        move.target: values[move.sources[0]]
        if move.transform is None
        else move.transform(*(values[source] for source in move.sources))
        for move in moves
        if all(source in values for source in move.sources)
    }


def _build(model: Any, batch: Any) -> None:
    """Let a Keras model, and its optimizer, make their variables."""
    if isinstance(batch, tuple):
        run(model, batch[0])
    if hasattr(model.optimizer, "build"):
        model.optimizer.build(model.trainable_variables)
