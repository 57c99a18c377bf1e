"""Trains a TF1 graph and the model that replaces it, and compares step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.conversion.planning import CheckpointLike
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import assign, value_of
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.names.slots import role_of
from tf_ckpt_migrate.testing.calls import as_arrays, called
from tf_ckpt_migrate.testing.comparing import Compared, Near, compared
from tf_ckpt_migrate.testing.layers import run
from tf_ckpt_migrate.testing.outputs import migrated
from tf_ckpt_migrate.testing.tf1 import Tf1Model

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Step", "Trained", "assert_same_training", "put_back", "trained_model"]


class Step(NamedTuple):
    """What was after a step of training.

    Attributes:
      loss: The loss of its batch, before the step.
      weights: The model's weights after it, by their names in the model.
    """

    loss: float
    weights: Mapping[str, Array]


class Trained(NamedTuple):
    """Two trainings, and what to train again with.

    Attributes:
      tf1: The TF1 model.
      model: The other one.
      train: Makes a step of the model with a batch, and returns the loss.
      batches: As arrays.
      moves: How the model got TF1's values.
      near: How far apart values may be.
      start: The model's weights before the first step.
      expected: TF1's steps.
      found: The model's.
      before: Every variable of the model before the first step, by key.
      regularization: The sum of TF1's regularization losses before the first step.
    """

    tf1: Tf1Model
    model: Any
    train: Callable[[Any], float]
    batches: Sequence[Any]
    moves: Sequence[Move]
    near: Near
    start: Mapping[str, Array]
    expected: Sequence[Step]
    found: Sequence[Step]
    before: Mapping[str, Array]
    regularization: float = 0.0

    def of_losses(self, step: int) -> Compared:
        """Compare the losses of a step."""
        return compared(self.expected[step].loss, self.found[step].loss, self.near)

    def of_weights(self, step: int) -> dict[str, Compared]:
        """Compare the weights after a step."""
        wanted, found = self.expected[step].weights, self.found[step].weights
        return {name: compared(wanted[name], found[name], self.near) for name in wanted}


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
    tf1 = Tf1Model(tf1_model, arrays[0], None, seed)
    loss, operation = _loss_and_operation(tf1)
    tf1.start(checkpoint)
    train = _trainer(tf2_model, step)
    if step is None:
        _build(tf2_model, arrays[0])
    moves = _of_weights(migrated(tf1, tf2_model, checkpoint, assignment_map))
    start = _weights(tf2_model, moves)
    before = _values(tf2_model)
    keys = tensorflow().compat.v1.GraphKeys
    losses = tf1.graph.get_collection(keys.REGULARIZATION_LOSSES)
    regularization = float(sum(tf1.run(losses)))
    expected: list[Step] = []
    for batch in arrays:
        tf1.feed(batch)
        value, _ = tf1.run([loss, operation])
        expected.append(Step(float(value), _moved(tf1, moves)))
    tensorflow().random.set_seed(seed)
    found = trained_model(tf2_model, train, arrays, moves)
    trained = Trained(
        tf1,
        tf2_model,
        train,
        arrays,
        moves,
        Near(rtol, atol),
        start,
        expected,
        found,
        before,
        regularization,
    )
    if any(
        not trained.of_losses(n).agrees
        or not all(each.agrees for each in trained.of_weights(n).values())
        for n in range(len(arrays))
    ):
        from tf_ckpt_migrate.testing.training_text import training_text

        raise AssertionError(training_text(trained))


def trained_model(
    model: Any, train: Callable[[Any], float], batches: Sequence[Any], moves: Any
) -> list[Step]:
    """Train a model, and return its steps."""
    return [Step(train(batch), _weights(model, moves)) for batch in batches]


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
    names = {source for move in moves for source in move.sources}
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


def _weights(model: Any, moves: Sequence[Move]) -> dict[str, Array]:
    live = LiveTarget(model, counted=False)
    names = names_of(live)
    targets = {move.target for move in moves}
    found: dict[str, Array] = {}
    for key, variable in live.variables.items():
        for name in targets & {key, names[key]}:
            found[name] = value_of(variable).copy()
    return found


def _build(model: Any, batch: Any) -> None:
    """Let a Keras model, and its optimizer, make their variables."""
    if isinstance(batch, tuple):
        run(model, batch[0])
    if hasattr(model.optimizer, "build"):
        model.optimizer.build(model.trainable_variables)


def _values(model: Any) -> dict[str, Array]:
    live = LiveTarget(model, counted=False)
    return {key: value_of(each).copy() for key, each in live.variables.items()}


def put_back(trained: Trained) -> None:
    """Give every variable of the model the value that it had before training."""
    live = LiveTarget(trained.model, counted=False)
    for key, value in trained.before.items():
        assign(live.variables[key], value)
