"""Optimizers of TF1 that `tcm.keras.optimizers` go on with, step for step.

These have the arguments of TF1, and its slots by its names, in tf-keras and Keras 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tf_ckpt_migrate.recipes.optimizer_kinds import (
    KINDS,
    OWN_MODULE,
    Kind,
    Setting,
    by_flavor,
)

__all__ = ["KINDS_OF_TF1", "call_of", "own_kind_for"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _kind(slots: str, settings: Mapping[str, Any], name: str, **more: Any) -> Kind:
    return Kind(
        f"{OWN_MODULE}.{name}",
        {slot: by_flavor(slot) for slot in slots.split()},
        {argument: Setting(argument, value) for argument, value in settings.items()},
        **more,
    )


_PROXIMAL = {"l1_regularization_strength": 0.0, "l2_regularization_strength": 0.0}
_BERT = {"weight_decay_rate": None, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6}
_NADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_LARS = {"momentum": 0.9, "weight_decay": 0.0001, "eeta": 0.001, "epsilon": 0.0}

# By the name of the rule; defaults as TF1 has them, or BERT's and ALBERT's code.
KINDS_OF_TF1: Mapping[str, Kind] = {
    "AdagradDA": _kind(
        "gradient_accumulator gradient_squared_accumulator",
        _PROXIMAL,
        "AdagradDAOptimizer",
        counts=True,
    ),
    "AdamWeightDecay": _kind("m v", _BERT, "AdamWeightDecayOptimizer"),
    "LAMB": _kind("m v", _BERT, "LAMBOptimizer", named="AdamWeightDecay"),
    "LARSOptimizer": _kind(
        "momentum", {**_LARS, "use_nesterov": False}, "LARSOptimizer"
    ),
    "Momentum": _kind(
        "momentum", {"momentum": None, "use_nesterov": None}, "MomentumOptimizer"
    ),
    "Nadam": _kind(
        "m v", _NADAM, "NadamOptimizer", powers=("beta1", "beta2"), named="Adam"
    ),
    "ProximalAdagrad": _kind("accumulator", _PROXIMAL, "ProximalAdagradOptimizer"),
    "ProximalGradientDescent": _kind("", _PROXIMAL, "ProximalGradientDescentOptimizer"),
}


def own_kind_for(name: str, keras_class: str) -> str | None:
    """Return the kind that one of `tcm.keras.optimizers` goes on with.

    Args:
      name: What TF1 calls the optimizer, or what the user says that it is.
      keras_class: The class that goes on, with its module.

    Returns:
      None if it is none of those, or TF1 calls another kind by that name.

    Example:
      >>> own_kind_for("Adam", "tcm.keras.optimizers.NadamOptimizer")
      'Nadam'
      >>> own_kind_for("Adam", "tcm.keras.optimizers.MomentumOptimizer") is None
      True
    """
    for kind, each in KINDS_OF_TF1.items():
        if each.keras == keras_class:
            is_another = name in KINDS or name in KINDS_OF_TF1
            return kind if not is_another or name in (kind, each.named) else None
    return None


def call_of(name: str, rate: str, known: Mapping[str, Any] = _NOTHING) -> str:
    """Return what makes the optimizer that goes on; "" if there is none.

    Args:
      name: What TF1 calls the optimizer, or its class.
      rate: The learning rate, as it is written.
      known: What TF1 had, by the names of its arguments.

    Example:
      >>> call_of("Momentum", "schedule", {"momentum": 0.9})
      'tcm.keras.optimizers.MomentumOptimizer(schedule, momentum=0.9)'
    """
    kind = KINDS_OF_TF1.get(name) or KINDS_OF_TF1.get(name.removesuffix("Optimizer"))
    if kind is None:
        return ""
    given = [f"{each}={known[each]!r}" for each in kind.settings if each in known]
    if "weight_decay_rate" in kind.settings:  # as BERT has it, if no one says otherwise
        given.append('exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"]')
    return f"{kind.keras}({', '.join([rate, *given])})"
