"""Two trainings side by side, and what it takes to train once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import assign, value_of
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.testing.comparing import Compared, Near, compared
from tf_ckpt_migrate.testing.tf1 import Tf1Model

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "Step",
    "Trained",
    "put_back",
    "trained_model",
    "values_of_all",
    "weights_of",
]


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

    def agrees(self, step: int) -> bool:
        """Return whether loss and weights of a step are the same."""
        weights = self.of_weights(step).values()
        return self.of_losses(step).agrees and all(each.agrees for each in weights)

    def of_weights(self, step: int) -> dict[str, Compared]:
        """Compare the weights after a step."""
        wanted, found = self.expected[step].weights, self.found[step].weights
        return {name: compared(wanted[name], found[name], self.near) for name in wanted}


def trained_model(
    model: Any, train: Callable[[Any], float], batches: Sequence[Any], moves: Any
) -> list[Step]:
    """Train a model, and return its steps.

    The arguments are those of `Trained`.
    """
    return [Step(train(batch), weights_of(model, moves)) for batch in batches]


def weights_of(model: Any, moves: Sequence[Move]) -> dict[str, Array]:
    """Return the model's weights that came from TF1, by their names in the model."""
    live = LiveTarget(model, counted=False)
    names = names_of(live)
    targets = {move.target for move in moves}
    found: dict[str, Array] = {}
    for key, variable in live.variables.items():
        for name in targets & {key, names[key]}:
            found[name] = value_of(variable).copy()
    return found


def values_of_all(model: Any) -> dict[str, Array]:
    """Return the values of all variables of a model, by key."""
    live = LiveTarget(model, counted=False)
    return {key: value_of(each).copy() for key, each in live.variables.items()}


def put_back(trained: Trained) -> None:
    """Give every variable of the model the value that it had before training."""
    live = LiveTarget(trained.model, counted=False)
    for key, value in trained.before.items():
        assign(live.variables[key], value)
