"""Settings of a Keras optimizer: what a checkpoint tells, is told, or is supposed.

A legacy one saves most of them, the others the learning rate only. Which slots there
are tells ``amsgrad``, ``centered`` and ``use_ema``. What nobody tells is supposed to be
what TF1 had, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.optimizers.keras import KerasOptimizer
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.optimizer_names import HYPERPARAMETERS
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
from tf_ckpt_migrate.recipes.verdicts import LiveSettings

__all__ = ["OF_KERAS", "as_written", "completed", "live_settings", "saved_settings"]

OF_KERAS = "keras_"  # before the name of a setting, in a recipe
_RATES = ("learning_rate", "_learning_rate")
_SIGNS = {"amsgrad": ("vhat", "velocity_hat"), "use_ema": ("average",)}
_CENTERED = ("mg", "average_gradient")
_HAS_MOMENTUM = "slots for momentum"  # that only one which is not 0 makes


def as_written(value: Any) -> Any:
    """Return a setting as a number of Python: as it was written, before float32.

    Example:
      >>> import numpy as np
      >>> as_written(np.float32(0.9)), as_written("auto")
      (0.9, 'auto')
    """
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.7g}") if isinstance(number, float) else number


@runtime_checkable
class _HasLiveOptimizers(Protocol):
    def optimizer_settings(self, path: str) -> LiveSettings | None:
        """Return the settings of the optimizer at a path; None if there is none."""
        ...


def live_settings(view: CheckpointView, path: str) -> LiveSettings | None:
    """Return the settings of the optimizer at a path, if it is a live one."""
    if isinstance(view, _HasLiveOptimizers):
        return view.optimizer_settings(path)
    return None


def saved_settings(view: CheckpointView, optimizer: KerasOptimizer) -> LiveSettings:
    """Return what a checkpoint tells of the settings of an optimizer; not its class."""
    values: dict[str, Any] = {}
    for name, key in optimizer.hyperparameters.items():
        if name in HYPERPARAMETERS or name in _RATES:
            values[name.lstrip("_")] = as_written(view[key])
    slots = {name for each in optimizer.slots.values() for name in each}
    signs = {**_SIGNS, "centered": _CENTERED}
    values |= {name: bool(slots & {*marks}) for name, marks in signs.items()}
    values[_HAS_MOMENTUM] = "momentum" in slots
    if optimizer.flavor != "legacy" and not slots & {"m", "momentum"}:
        values["momentum"] = 0.0
    rate = None if values.get("decay") else values.get("learning_rate")
    return LiveSettings("", optimizer.flavor, values, rate)


def completed(
    kind: str, have: LiveSettings, told: Mapping[str, Any], is_whole: bool
) -> LiveSettings:
    """Return settings with what is told of Keras, and supposed where nobody tells.

    Args:
      kind: Which of `KINDS`.
      have: What is known.
      told: What a recipe says: settings of TF1 by the names of TF1, of Keras with
        ``keras_`` before its name, and ``learning_rate``, that of Keras.
      is_whole: Whether all settings are known, as those of a live one.

    Raises:
      RuleError: If what is told contradicts what is known.
    """
    values, settings = dict(have.values), KINDS[kind].settings
    for name, value in _of_keras(told).items():
        _check_agrees(name, value, values, have.learning_rate)
        values.setdefault(name, value)
    rate = have.learning_rate
    rate = told.get("learning_rate", rate)
    supposed: list[str] = []
    for argument, setting in settings.items():
        if is_whole or setting.keras in values:
            continue
        supposed.append(setting.keras)
        value = told.get(argument, setting.default)
        if setting.keras == "momentum" and value == 0 and values.get(_HAS_MOMENTUM):
            raise RuleError(
                "the optimizer of Keras has slots for momentum, TF1 had none; say "
                "keras_momentum=… as it has it"
            )
        if value is not None:
            # Keras takes an epsilon of 0 for its default.
            values[setting.keras] = (value or 1e-30) if argument == "epsilon" else value
    name = have.keras_class or KINDS[kind].keras
    return have._replace(
        keras_class=name, values=values, learning_rate=rate, supposed=tuple(supposed)
    )


def _of_keras(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        name.removeprefix(OF_KERAS): value
        for name, value in told.items()
        if name.startswith(OF_KERAS)
    }
    if "learning_rate" in told:
        found["learning_rate"] = told["learning_rate"]
    return found


def _check_agrees(
    name: str, told: Any, values: Mapping[str, Any], rate: float | None
) -> None:
    if name not in values:
        return
    have = rate if name == "learning_rate" else values[name]
    is_number = isinstance(have, int | float)
    if is_number and abs(have - float(told)) <= 1e-6 * abs(have):
        return
    shown = "a schedule" if have is None else f"{have!r}"
    raise RuleError(
        f"the recipe says that the optimizer of Keras has {name}={told!r}, but it has "
        f"{shown}; leave that out, or give the optimizer what it is to have"
    )
