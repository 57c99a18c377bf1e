"""Says at which step two trainings part, by how much, and what explains it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from tf_ckpt_migrate.checkpoint.text import Table, counted, plain_text
from tf_ckpt_migrate.testing.comparing import compared
from tf_ckpt_migrate.testing.outputs_text import shown
from tf_ckpt_migrate.testing.settings import Setting, other_kind, other_settings
from tf_ckpt_migrate.testing.trained import Trained, put_back, trained_model
from tf_ckpt_migrate.testing.trials import setting
from tf_ckpt_migrate.testing.updates import update_causes

__all__ = ["training_text"]

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
