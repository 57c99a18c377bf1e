"""Compares the settings of a live optimizer with those that TF1 had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.recipes.epsilon import has_squares, is_outside
from tf_ckpt_migrate.recipes.known import Known, Wanted, with_suppositions
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.recipes.limits import limits
from tf_ckpt_migrate.recipes.rates import decay_of_weights, rate_of_learning

__all__ = ["BESIDE_ALL", "CLIPPING", "judged"]

_ANY = float("inf")
_FLOAT32 = 2.0**-24
# What Keras does besides, and no optimizer of TF1 that is known here did. Averages that
# are kept (use_ema) change no step unless they overwrite the variables.
_BESIDES = ("weight_decay", "gradient_accumulation_steps", "ema_overwrite_frequency")
CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
# What a TF1 program does beside its optimizer, and any optimizer of Keras by a setting.
BESIDE_ALL = (*CLIPPING, "ema_momentum")


def judged(known: Known, live: KerasSettings) -> tuple[Verdict, ...]:
    """Return the verdicts on an optimizer that goes on in a live one, by its settings.

    Args:
      known: What is known of the optimizer of TF1.
      live: The settings of the one that goes on.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> adam = Known("Adam", KINDS["Adam"], epsilon_fraction=1e-3)
      >>> have = KerasSettings("Adam", "keras_3", {"epsilon": 1e-7}, 1)
      >>> [v.instead for v in judged(adam, have) if v.kind == "approximate"]
      ['set epsilon=1e-08, or say epsilon=… as TF1 had it']
    """
    name, keras = known.name, known.kind.keras
    if live.keras_class != keras:
        why = f"the steps of {live.keras_class} are not those of {name}"
        return (Verdict(name, "state", "impossible", why, f"go on with {keras}"),)
    found = (
        *_settings(known, live),
        *_besides(known, live),
        *_beside_all(known, live),
        rate_of_learning(known, live),
        *limits(known, live),
    )
    if not live.supposed:
        return found
    return tuple(with_suppositions(found, known, live))


def _settings(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    for argument, setting in known.kind.settings.items():
        if setting.keras in live.supposed and setting.keras not in live.values:
            continue
        if setting.per_rate:
            yield decay_of_weights(known, live)
            continue
        wanted = known.wanted(argument, live)
        have = live.values.get(setting.keras)
        if setting.keras in ("amsgrad", "weight_decay") and have is None:
            have = False
        if wanted is None or have is None:
            continue
        if argument == "epsilon" and has_squares(known.kind.slots):
            yield from _epsilon(known, live, wanted)
        elif _same(have, wanted.value) or _is_trick(known, live, argument, wanted):
            if setting.is_told:
                yield _exact(known, setting.keras, have, wanted)
        else:
            yield _differs(known, argument, have, wanted)


def _same(have: Any, wanted: Any) -> bool:
    return abs(float(have) - float(wanted)) <= abs(float(wanted)) * 1e-6


def _exact(known: Known, what: str, have: Any, wanted: Wanted) -> Verdict:
    why = wanted.why if wanted.assumes else f"{have!r}, {wanted.why}"
    return Verdict(known.name, what, "exact", why, assumes=wanted.assumes)


def _besides(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    settings = {setting.keras for setting in known.kind.settings.values()}
    for what in _BESIDES:
        have = live.values.get(what)
        if what == "ema_overwrite_frequency" and not live.values.get("use_ema"):
            continue
        if have and what not in settings:
            why = f"it has {what}={have!r}, of which {known.name} of TF1 has nothing"
            instead = f"set {what}=None"
            yield Verdict(known.name, what, "approximate", why, instead, _ANY)


def _beside_all(known: Known, live: KerasSettings) -> Iterator[Verdict]:
    """Yield verdicts on clipped gradients and averaged weights.

    TF1 does both outside of the optimizer, so that no checkpoint tells.
    """
    for what in BESIDE_ALL:
        is_used = what in CLIPPING or live.values.get("use_ema")
        have = live.values.get(what) if is_used else None
        told = known.told.get(what)
        if have is None and what == "ema_momentum":
            continue  # on file nobody knows it
        if not have and not told:
            continue
        if told is not None and _same(have or 0.0, told):
            yield Verdict(known.name, what, "exact", f"{have!r}, as you say")
            continue
        had = (
            f"{known.saved_by} had {told!r}"
            if told is not None
            else "nothing was said of TF1"
        )
        instead = f"say {what}={have!r} if TF1 did the same, or set what TF1 had"
        if told is not None:
            instead = f"set {what}={told or None!r}"
        why = f"it has {what}={have!r}, {had}"
        yield Verdict(known.name, what, "approximate", why, instead, _ANY)


def _is_trick(known: Known, live: KerasSettings, argument: str, wanted: Wanted) -> bool:
    """Whether a momentum of nearly 0 stands for 0: then legacy RMSprop is TF1's."""
    is_momentum = known.name == "RMSProp" and argument == "momentum"
    return is_momentum and not wanted.value and _is_nearly_0(live)


def _is_nearly_0(live: KerasSettings) -> bool:
    return 0 < live.values["momentum"] < _FLOAT32 * 1e-6


def _differs(known: Known, argument: str, have: Any, wanted: Wanted) -> Verdict:
    setting = known.kind.settings[argument]
    # Without these an optimizer has other slots, and the one that goes on needs them.
    needs_slots = argument in ("amsgrad", "centered") or (
        argument == "momentum" and bool(have) != bool(wanted.value)
    )
    value = wanted.value
    why = f"it has {setting.keras}={have!r}, {known.saved_by} had {value!r}"
    instead = f"set {setting.keras}={value!r}"
    if setting.is_told and argument not in {**known.saved, **known.told}:
        instead += f", or say {argument}=… as TF1 had it"
    if needs_slots:
        return Verdict(known.name, setting.keras, "impossible", why, instead)
    return Verdict(known.name, setting.keras, "approximate", why, instead, _ANY)


def _epsilon(known: Known, live: KerasSettings, wanted: Wanted) -> Iterator[Verdict]:
    have, setting = live.values["epsilon"], known.kind.settings["epsilon"]
    if not known.epsilon_fraction:
        if setting.is_told:
            yield _exact(known, "epsilon", have, wanted)
        return
    keras, momentum = known.kind.keras, live.values.get("momentum") or 0.0
    if (
        known.flavor is None
        and keras == "RMSprop"
        and is_outside(keras, live.flavor, momentum)
    ):
        why = "legacy RMSprop without momentum adds epsilon to the root, TF1 below it"
        instead = f"set momentum=1e-30, epsilon={wanted.value!r}"
    elif (
        known.flavor is not None
        and keras in ("Adagrad", "RMSprop")
        and _same(have, wanted.value)
    ):
        ends = ("to", "below") if known.flavor == "legacy" else ("below", "to")
        why = f"it adds epsilon {ends[1]} the root, {known.saved_by} {ends[0]} it"
        instead = "choose an epsilon for the steps that you want"
        if known.flavor == "legacy":
            instead = f"go on with tf.keras.optimizers.legacy.{keras}"
    else:
        why = f"it has epsilon={have!r}, {known.saved_by} had {wanted.value!r}"
        # Legacy optimizers take 0 for "the default".
        instead = f"set epsilon={wanted.value or 1e-30!r}"
        if setting.is_told and "epsilon" not in known.told:
            instead += ", or say epsilon=… as TF1 had it"
    # The norm of all that changes makes LAMB's steps as long as the variable.
    far = _ANY if known.name == "LAMB" else known.epsilon_fraction
    yield Verdict(known.name, "epsilon", "approximate", why, instead, far)
