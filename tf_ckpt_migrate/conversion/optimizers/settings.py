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
from tf_ckpt_migrate.naming.optimizer_names import HYPERPARAMETERS
from tf_ckpt_migrate.recipes.judging import CLIPPING
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings

__all__ = [
    "OF_CLASS",
    "OF_KERAS",
    "as_written",
    "completed",
    "live_settings",
    "saved_settings",
]

OF_KERAS = "keras_"  # before the name of a setting, in a recipe
OF_CLASS = "keras_class"  # which names the class of an optimizer on file
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
    def optimizer_settings(self, path: str) -> KerasSettings | None:
        """Return the settings of the optimizer at a path; None if there is none."""
        ...


def live_settings(view: CheckpointView, path: str) -> KerasSettings | None:
    """Return the settings of the optimizer at a path, if it is a live one."""
    if isinstance(view, _HasLiveOptimizers):
        return view.optimizer_settings(path)
    return None


def saved_settings(view: CheckpointView, optimizer: KerasOptimizer) -> KerasSettings:
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
    return KerasSettings("", optimizer.flavor, values, rate)


def completed(
    known: Known, have: KerasSettings, told: Mapping[str, Any], *, is_whole: bool
) -> KerasSettings:
    """Return settings with what is told of Keras, and supposed where nobody tells.

    Args:
      known: What is known of the optimizer of TF1.
      have: What is known of that of Keras.
      told: What a recipe says of both.
      is_whole: Whether all settings are known, as those of a live one.

    Raises:
      RuleError: If what is told contradicts what is known.
    """
    values, rate = dict(have.values), have.learning_rate
    for option, value in told.items():
        if not option.startswith(OF_KERAS) or option == OF_CLASS:
            continue
        name = option.removeprefix(OF_KERAS)
        _check_agrees(name, value, values, rate)
        values.setdefault(name, value)
        rate = value if name == "learning_rate" else rate
    have = have._replace(keras_class=have.keras_class or known.kind.keras)
    have = have._replace(learning_rate=rate)
    if is_whole:
        return have._replace(values=values)
    supposed = {
        setting.keras: _supposed(known, argument, have)
        for argument, setting in known.kind.settings.items()
        if setting.keras not in values
    }
    values |= {name: value for name, value in supposed.items() if value is not None}
    if values.get("use_ema"):
        supposed["ema_overwrite_frequency"] = values["ema_overwrite_frequency"] = None
        if "ema_momentum" not in values:
            supposed["ema_momentum"] = None
    if not values.keys() & {*CLIPPING}:
        supposed["clipping"] = None
    known_class = () if OF_CLASS in told else ("class",)
    return have._replace(values=values, supposed=(*known_class, *supposed))


def _supposed(known: Known, argument: str, have: KerasSettings) -> Any:
    """Return a setting of Keras that makes it go on as TF1 did; None if none is known.

    Raises:
      RuleError: If it cannot be that.
    """
    wanted, setting = known.wanted(argument, have), known.kind.settings[argument]
    if wanted is None:
        return None
    value = wanted.value
    if setting.keras == "momentum" and value == 0 and have.values.get(_HAS_MOMENTUM):
        raise RuleError(
            "the optimizer of Keras has slots for momentum, TF1 had none; say "
            "keras_momentum=… as it has it"
        )
    if setting.per_rate:
        return value / have.learning_rate if have.learning_rate else None
    # Keras takes an epsilon of 0 for its default.
    return (value or 1e-30) if argument == "epsilon" else value


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
