"""Trains a TF1 graph and the model that replaces it, and compares step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointLike
from tf_ckpt_migrate.checkpoint.text import Table, counted, plain_text
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.names.assignment_map import AssignmentMapLike
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.testing.comparing import Near, compared
from tf_ckpt_migrate.testing.layers import as_arrays, called, run
from tf_ckpt_migrate.testing.outputs import migrated, shown
from tf_ckpt_migrate.testing.search import setting
from tf_ckpt_migrate.testing.settings import Setting, other_kind, other_settings
from tf_ckpt_migrate.testing.tf1 import Tf1Model
from tf_ckpt_migrate.testing.trained import (
    Step,
    Trained,
    put_back,
    trained_model,
    values_of_all,
    weights_of,
)
from tf_ckpt_migrate.testing.updates import update_causes

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["assert_same_training", "training_text"]


_STEPS = 6  # that are shown
_WEIGHTS = 8


def training_text(trained: Trained) -> str:
    """Return it for people.

    Args:
      trained: Two trainings that differ.
    """
    first = next(n for n in range(len(trained.batches)) if not trained.agrees(n))
    what = "loss" if not trained.of_losses(first).agrees else "weights"
    of = counted(len(trained.batches), "step")
    differ = "loss differs" if what == "loss" else "weights differ"
    at = f"at step {first + 1} of {of} its {differ}"
    lines = [
        f"the model does not train as TF1 does: {at}; the tolerance is {trained.near}",
        "",
        *_steps(trained, first),
        "",
        *_weights(trained, first),
    ]
    causes = list(dict.fromkeys(_causes(trained, first, what)))
    if causes:
        lines += ["Likely cause:", *(f"  {each}" for each in causes)]
    else:
        lines.append("No cause was found.")
    return "\n".join(lines)


def _steps(trained: Trained, first: int) -> list[str]:
    start = max(0, first - 2)
    rows: list[tuple[str, ...]] = []
    for n in range(start, min(len(trained.batches), start + _STEPS)):
        worst = max(trained.of_weights(n).values(), key=lambda each: each.max_abs)
        rows.append(
            (
                str(n + 1),
                f"{trained.expected[n].loss:.6g}",
                f"{trained.found[n].loss:.6g}",
                shown(trained.of_losses(n).max_abs),
                shown(worst.max_abs),
                "agrees" if trained.agrees(n) else "",
            )
        )
    columns = (
        ">step",
        ">loss in TF1",
        ">in the model",
        ">off by",
        ">weights after",
        "",
    )
    return plain_text([Table(columns, rows)]).splitlines()


def _weights(trained: Trained, first: int) -> list[str]:
    found = trained.of_weights(first)
    wrong = sorted(
        (name for name in found if not found[name].agrees),
        key=lambda name: -found[name].max_abs,
    )
    if not wrong:
        return []
    rows = [(n, shown(found[n].max_abs), found[n].detail) for n in wrong[:_WEIGHTS]]
    columns = (f"after step {first + 1}", ">max abs", "")
    more = [f"… and {len(wrong) - _WEIGHTS:,} more"] if len(wrong) > _WEIGHTS else []
    return [*plain_text([Table(columns, rows)]).splitlines(), *more, ""]


def _causes(trained: Trained, first: int, what: str) -> Iterator[str]:
    if what == "loss":
        if first == 0:
            yield from _of_first_loss(trained)
        return
    optimizer = getattr(trained.model, "optimizer", None)
    if optimizer is not None:
        if other := other_kind(trained.tf1, optimizer):
            yield other
            return
        settings = [*_of_settings(trained, first, optimizer)]
        yield from settings
        if settings:
            return
    if first == 0:
        after = trained.expected[0].weights, trained.found[0].weights
        yield from update_causes(trained.start, *after)


def _of_first_loss(trained: Trained) -> Iterator[str]:
    """Yield why losses differ before anything was trained."""
    expected, found = trained.expected[0].loss, trained.found[0].loss
    more = trained.regularization
    if more and compared(expected - more, found, trained.near).agrees:
        yield f"TF1's loss has its regularization losses, {more:.6g}, the model's not"
        return
    for one, other, text in (
        (expected, found, "TF1's loss is {:,.0f} times the model's"),
        (found, expected, "the model's loss is {:,.0f} times TF1's"),
    ):
        factor = round(one / other) if other else 0
        if factor > 1 and compared(one, factor * other, trained.near).agrees:
            yield f"{text.format(factor)}: a sum, where the other takes the mean"
            return
    yield (
        "the losses differ before the first step: compare what the models give, by "
        "assert_same_outputs(…, training=True), and how the loss is computed"
    )


def _of_settings(trained: Trained, first: int, optimizer: object) -> Iterator[str]:
    """Yield settings of TF1's optimizer with which the model trains as it does."""
    others = [*other_settings(trained.tf1, optimizer)]
    listed = ", ".join(map(str, others))
    for each in others:
        if _agree_with(trained, first, optimizer, [each]):
            value = f"{each.name}={each.tf1:.6g}"
            yield f"trained anew with {value} it agrees; it has {each}"
            return
    if len(others) > 1 and _agree_with(trained, first, optimizer, others):
        yield f"trained anew with TF1's settings it agrees; it has {listed}"
    elif others:
        yield f"the optimizers have other settings: {listed}"


def _agree_with(
    trained: Trained, first: int, optimizer: object, settings: list[Setting]
) -> bool:
    """Train the model anew with other settings; return whether it is as TF1 then."""
    remake = getattr(trained.model, "make_train_function", None)
    if remake is None:
        return False
    with ExitStack() as stack:
        put_back(trained)
        for each in settings:
            kind = type(getattr(optimizer, each.name))
            value = kind(each.tf1) if kind in (bool, int, float) else each.tf1
            stack.enter_context(setting(optimizer, each.name, value))
        remake(force=True)  # the settings are constants of what it was before
        batches = trained.batches[: first + 1]
        found = trained_model(trained.model, trained.train, batches, trained.moves)
    remake(force=True)
    return trained._replace(found=found).agrees(first)


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
