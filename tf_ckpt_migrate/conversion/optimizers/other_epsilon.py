"""What another epsilon does to the steps of an optimizer, given what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.optimizers.slots import Slots
from tf_ckpt_migrate.recipes.epsilon import Epsilons, is_outside, step_fraction
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.transforms import JoinParts, StorePart

__all__ = ["epsilon_fraction"]

_DECAYS = ("beta_2", "beta2", "rho")  # of means of squares


def epsilon_fraction(
    known: Known,
    have: KerasSettings,
    source: CheckpointReader,
    slots: Slots,
    parts: Mapping[str, Mapping[str, StorePart]] = MappingProxyType({}),
) -> float:
    """Return by how much of itself a step differs for another epsilon.

    Args:
      known: What is known of the optimizer of TF1.
      have: The settings of that of Keras.
      source: The checkpoint that it goes on from.
      slots: Those of the source.
      parts: Where the parts lie of those that are stored in parts.
    """
    epsilons = _epsilons(known, have)
    if epsilons is None:
        return 0.0
    is_adamax = known.kind.keras == "Adamax"  # its v is no square
    if is_adamax:
        epsilons = epsilons._replace(decay=epsilons.decay**2)
    found = (
        step_fraction(_values(source, each, parts, is_adamax=is_adamax), epsilons)
        for each in slots.values()
    )
    return max(found, default=0.0)


def _epsilons(known: Known, have: KerasSettings) -> Epsilons | None:
    """Return how each side keeps its divisor from 0; None if they do it alike."""
    keras, live = known.kind.keras, have.values.get("epsilon")
    if "epsilon" not in known.kind.settings or live is None:
        return None
    wanted = known.wanted("epsilon", have)
    # TF1's own optimizers of these kinds add epsilon below the root, as Keras 3 does.
    outside = is_outside(
        keras, known.flavor or "keras_3", known.saved.get("momentum", 0.0)
    )
    epsilons = Epsilons(
        wanted.value if wanted else live,
        live,
        float(next((have.values[n] for n in _DECAYS if have.values.get(n)), 1)),
        outside,
        is_outside(keras, have.flavor, have.values.get("momentum") or 0.0),
    )
    is_alike = epsilons.tf1 == live and epsilons.live_outside == outside
    return None if is_alike else epsilons


def _values(
    source: CheckpointReader,
    slots: Mapping[str, str],
    parts: Mapping[str, Mapping[str, StorePart]],
    *,
    is_adamax: bool,
) -> dict[str, Any]:
    values = {name: source.part(key) for name, key in slots.items()}
    for name, key in slots.items():
        if key in parts:
            joined = JoinParts(tuple(parts[key].values()))
            values[name] = joined(*map(source.part, parts[key]))
    if is_adamax:
        values["v"] = values["v"].astype("float64") ** 2
    return values
