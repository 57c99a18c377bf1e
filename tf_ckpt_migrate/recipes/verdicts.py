"""Whether an optimizer goes on as it would have in TF1: a verdict, and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.recipes.epsilon import STEPS_AHEAD
from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor

__all__ = [
    "LiveSettings",
    "Verdict",
    "VerdictKind",
    "without_counterpart",
]

VerdictKind: TypeAlias = Literal["exact", "approximate", "impossible"]

_ANY = float("inf")
_LAMB = (
    "Keras 3's Lamb corrects bias, decays weights outside of the trust ratio and gives "
    "every variable one"
)
_NO_COUNTERPART = {
    "AdagradDA": "Keras has no dual averaging",
    "ProximalAdagrad": "Keras has no proximal steps",
    "ProximalGradientDescent": "Keras has no proximal steps",
    "Nadam": "that of Keras has a schedule of momentum, which TF1's has not",
    "AddSignOptimizer": "Keras has none",
    "PowerSignOptimizer": "Keras has none",
    "LARSOptimizer": "Keras has none",
    "LAMB": _LAMB,
    "LAMBOptimizer": _LAMB,
    "Shampoo": "Keras has none",
    "GGT": "Keras has none",
}


class Verdict(NamedTuple):
    """How well training goes on, in one respect.

    Attributes:
      optimizer: What TF1 calls the optimizer.
      what: What is judged: a slot of TF1, a setting of Keras, ``"iterations"``.
      kind: ``"exact"``, ``"approximate"`` or ``"impossible"``.
      why: The reason.
      instead: What makes it exact, or what to do instead.
      how_far: Of an approximate one, the largest fraction of itself by which any of the
        next 20 steps differs, from the same point and whatever the gradients; infinite
        where no bound is known.
      assumes: What TF1 must have had, which no checkpoint tells and nobody said.
      into: Where the optimizer is that goes on.
    """

    optimizer: str
    what: str
    kind: VerdictKind
    why: str = ""
    instead: str = ""
    how_far: float = 0.0
    assumes: str = ""
    into: str = ""

    @property
    def reason(self) -> str:
        """Why, how far and what instead, in a sentence."""
        far = ""
        if self.kind == "approximate" and self.how_far < _ANY:
            far = (
                f"each of the next {STEPS_AHEAD} steps differs by up to "
                f"{self.how_far:.1e} of itself"
            )
        return "; ".join(part for part in (self.why, far, self.instead) if part)

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.optimizer} {self.what} {self.kind}{reason}"

    def as_row(self) -> dict[str, Any]:
        """Return the fields for JSON, where no bound is None."""
        row = self._asdict()
        if self.how_far == _ANY:
            row["how_far"] = None
        return row


class LiveSettings(NamedTuple):
    """The settings of an optimizer of Keras.

    Attributes:
      keras_class: Its class.
      flavor: Of which Keras it is.
      values: Its configuration, by Keras's names.
      learning_rate: What it is now; None under a schedule.
    """

    keras_class: str
    flavor: Flavor
    values: Mapping[str, Any]
    learning_rate: float | None


def without_counterpart(name: str) -> str | None:
    """Return why no optimizer of Keras goes on with one of TF1; None if one does.

    Example:
      >>> without_counterpart("AdagradDA"), without_counterpart("Adam")
      ('Keras has no dual averaging', None)
    """
    return _NO_COUNTERPART.get(name)
