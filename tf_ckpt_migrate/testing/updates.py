"""What one step's updates of TF1 and of a model tell of their optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["update_causes"]

_ALIKE = 1e-3  # of an update: float32 leaves three digits of a small one
_STATISTICS = ("moving_mean", "moving_variance")


def update_causes(
    start: Mapping[str, Array],
    expected: Mapping[str, Array],
    found: Mapping[str, Array],
) -> Iterator[str]:
    """Yield what explains other weights after one step.

    Args:
      start: Weights before it, by name.
      expected: TF1's after it.
      found: The model's after it.

    Example:
      >>> import numpy as np
      >>> one = {"w": np.ones(2)}
      >>> halved, less = {"w": np.float64([0.9, 0.8])}, {"w": np.float64([0.8, 0.6])}
      >>> print(*update_causes(one, halved, less))
      every update is 2 times TF1's: another learning rate, or a loss summed ...
    """
    updates = {
        name: (
            expected[name].astype("float64") - start[name],
            found[name].astype("float64") - start[name],
        )
        for name in expected
        if expected[name].dtype.kind == "f" and expected[name].size
    }
    yield from _still(updates)
    moving = {n: pair for n, pair in updates.items() if _moves(pair[0], pair[1])}
    statistics = {
        n: p for n, p in moving.items() if n.rpartition("/")[2] in _STATISTICS
    }
    trained = {n: pair for n, pair in moving.items() if n not in statistics}
    ratio = _ratio(trained)
    if ratio is not None and abs(ratio - 1) > _ALIKE:
        yield (
            f"every update is {ratio:.4g} times TF1's: another learning rate, or a "
            "loss summed where the other takes the mean"
        )
    elif ratio is None and (decay := _decay(start, trained)) is not None:
        yield (
            f"the model's updates are TF1's and {decay:.3g} times the weight itself: "
            "weight decay, or an L2 loss, on one side only"
        )
    ratio = _ratio(statistics)
    if ratio is not None and abs(ratio - 1) > _ALIKE:
        yield (
            f"moving averages move {ratio:.4g} times as far as TF1's: another momentum "
            "(decay) of batch normalization"
        )


def _still(updates: Mapping[str, tuple[Array, Array]]) -> Iterator[str]:
    """Yield which weights move on one side only."""
    in_tf1 = [n for n, (one, other) in updates.items() if one.any() and not other.any()]
    in_model = [
        n for n, (one, other) in updates.items() if other.any() and not one.any()
    ]
    if in_tf1:
        yield (
            f"the model does not change {_names(in_tf1)}, which TF1 does: is it "
            "trainable, and among the variables of the gradients?"
        )
    statistics = [n for n in in_model if n.rpartition("/")[2] in _STATISTICS]
    others = [n for n in in_model if n not in statistics]
    if statistics:
        yield (
            f"TF1 does not change {_names(statistics)}, which the model does: its "
            "train operation does not run tf.GraphKeys.UPDATE_OPS, or it normalizes "
            "as in inference"
        )
    if others:
        yield f"TF1 does not change {_names(others)}, which the model does: a var_list?"


def _names(names: list[str]) -> str:
    rest = f" and {len(names) - 2:,} more" if len(names) > 2 else ""
    return ", ".join(map(repr, names[:2])) + rest


def _moves(one: Array, other: Array) -> bool:
    return bool(one.any() and other.any())


def _ratio(updates: Mapping[str, tuple[Array, Array]]) -> float | None:
    """Return by what all updates of TF1 have to be multiplied; None if by no number."""
    if not updates:
        return None
    up = sum(float((one * other).sum()) for one, other in updates.values())
    down = sum(float((one * one).sum()) for one, _ in updates.values())
    ratio = up / down
    for one, other in updates.values():
        if abs(other - ratio * one).max() > _ALIKE * abs(other).max():
            return None
    return ratio


def _decay(
    start: Mapping[str, Array], updates: Mapping[str, tuple[Array, Array]]
) -> float | None:
    """Return what times the weight itself is more in the updates; None for nothing."""
    factors: list[float] = []
    for name, (one, other) in updates.items():
        weight, more = start[name].astype("float64"), other - one
        size = float((weight * weight).sum())
        factor = float((weight * more).sum()) / size if size else 0.0
        if abs(more - factor * weight).max() > 2e-2 * abs(more).max(initial=0.0):
            return None
        if more.any():
            factors.append(factor)
    return max(factors, key=abs) if factors else None
