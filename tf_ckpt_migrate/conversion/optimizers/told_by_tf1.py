"""The settings of an optimizer of TF1, as far as a checkpoint of TF1 tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.recipes.iterations import beta_after, likely_beta
from tf_ckpt_migrate.recipes.optimizers import SavedOptimizer

__all__ = ["settings_told"]


def settings_told(
    saved: SavedOptimizer,
    tf1: CheckpointReader | None,
    told: Mapping[str, Any],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """Return settings by the names of TF1's arguments.

    Args:
      saved: The optimizer.
      tf1: The checkpoint that has it; None if it is still to be made.
      told: What someone says that TF1 had.
      values: What that of Keras has, by Keras's names: a beta may be the same.
    """
    found: dict[str, Any] = {}
    if tf1 is not None:
        found = {
            name: float(f"{float(tf1[key]):.7g}")
            for name, key in saved.settings.items()
        }
    slots = {name for each in saved.slots.values() for name in each}
    for setting, slot in (("centered", "mg"), ("amsgrad", "vhat")):
        if slot in saved.kind.slots:
            found[setting] = slot in slots
    return found if tf1 is None else found | _fitting_betas(saved, tf1, told, values)


def _fitting_betas(
    saved: SavedOptimizer,
    tf1: CheckpointReader,
    told: Mapping[str, Any],
    values: Mapping[str, Any],
) -> dict[str, float]:
    """Return the betas that powers prove; a power of 0 proves none."""
    found: dict[str, float | None] = {}
    for name, key in saved.powers.items():
        beta, setting = told.get(name), saved.kind.settings[name]
        others = [values.get(setting.keras), setting.default]
        if saved.global_step is not None:
            others += beta_after(tf1[key], int(tf1[saved.global_step]))
        found[name] = likely_beta(tf1[key], filter(None, [beta] if beta else others))
    return {name: beta for name, beta in found.items() if beta}
