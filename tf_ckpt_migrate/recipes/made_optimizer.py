"""The names that TF1 would give to what an optimizer remembers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tf_ckpt_migrate.naming.optimizer_names import (
    NAMED_SLOTS,
    RMSPROP_CENTERED,
    TF1_SLOTS,
)
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, Kind
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer

__all__ = ["made_optimizer"]


def made_optimizer(
    name: str,
    kind: str,
    variables: Mapping[str, Collection[str]],
    instance: int = 0,
    kinds: Mapping[str, Kind] = KINDS,
) -> SavedOptimizer:
    """Return the optimizer with the names that TF1 gives its tensors.

    Args:
      name: As `saved_optimizer` takes it.
      kind: Which of the kinds it is.
      variables: For each variable that it trains, which slots are known.
      instance: Which one of this name it is, counted from 0.
      kinds: Those that it may be.

    Example:
      >>> made = made_optimizer("train_op/Adam", "Adam", {"w": ["m", "v"]}, 1)
      >>> made.slots["w"], made.powers["beta1"]
      ({'m': 'train_op/w/Adam_2', 'v': 'train_op/w/Adam_3'}, 'train_op/beta1_power_1')
    """
    scope, slash, own = name.rpartition("/")
    start, default = scope + slash, kinds[kind].named or kind
    slots = {
        variable: dict(_named(f"{start}{variable}/", own, default, known, instance))
        for variable, known in variables.items()
    }
    end = f"_{instance}" if instance else ""
    powers = {beta: f"{start}{beta}_power{end}" for beta in kinds[kind].powers}
    return SavedOptimizer(kinds[kind], name, slots, powers, global_step="global_step")


def _named(
    start: str, own: str, kind: str, known: Collection[str], instance: int
) -> Iterator[tuple[str, str]]:
    """Yield the slots of a variable: their roles and names."""
    if kind == "AdamWeightDecay":
        yield from ((slot, start + suffix) for suffix, slot in NAMED_SLOTS.items())
        return
    names = RMSPROP_CENTERED if "mg" in known else TF1_SLOTS.get(kind, ())
    for number, slot in enumerate(names, instance * len(names)):
        yield slot, f"{start}{own}_{number}" if number else start + own
