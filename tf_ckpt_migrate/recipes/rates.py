"""Learning rates, and decay of weights: in Keras that is by the learning rate too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tf_ckpt_migrate.names.moves import Verdict
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings

__all__ = ["decay_of_weights", "rate_of_learning"]

_ANY = float("inf")
_NOTHING = 1e-6  # of a setting that was written down and read again
_RATE = "learning_rate"
# Whose steps are as long as the learning rate says, whatever went before.
_IN_PROPORTION = ("Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "Nadam")


def rate_of_learning(known: Known, live: KerasSettings) -> Verdict:
    """Return the verdict on the learning rate.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> adam = Known("Adam", KINDS["Adam"], {"learning_rate": 0.1})
      >>> print(rate_of_learning(adam, KerasSettings("Adam", "keras_3", {}, 0.1)))
      Adam learning_rate exact: 0.1, as you say
    """
    name, have = known.name, live.learning_rate
    # Nadam has a setting of that name that is none of the rate.
    is_of_rate = "decay" not in known.kind.settings
    if have is None and not is_of_rate:
        have = float(live.values["learning_rate"])
    source = "as you say" if _RATE in known.told else "as the checkpoint tells"
    rate: float | None = {**known.saved, **known.told}.get(_RATE)
    if rate is None:
        return _assumed(known, have)
    if is_of_rate and known.saved.get("decay"):
        return _decayed(known, live, rate, float(known.saved["decay"]))
    instead = f"set learning_rate={rate:.6g}"
    if have is None:
        why = f"it has a schedule, {known.saved_by} had {rate:.6g}"
        return Verdict(name, _RATE, "approximate", why, instead, _ANY)
    far = abs(have / rate - 1) if rate else _ANY
    if far <= _NOTHING:
        return Verdict(name, _RATE, "exact", f"{have:.6g}, {source}")
    why = f"it has learning_rate={have:.6g}, {known.saved_by} had {rate:.6g}"
    is_in_proportion = known.kind.by_rate or known.kind.keras in _IN_PROPORTION
    far = far if is_in_proportion or known.kind.keras == "SGD" else _ANY
    return Verdict(name, _RATE, "approximate", why, instead, far)


def _assumed(known: Known, have: float | None) -> Verdict:
    if have is None:
        why = f"if {known.saved_by} had the schedule that it has"
        return Verdict(known.name, _RATE, "exact", why, assumes="the same schedule")
    assumed = f"learning_rate={have:.6g}"
    why = f"if {known.saved_by} had {assumed} at this step"
    return Verdict(known.name, _RATE, "exact", why, assumes=assumed)


def _decayed(known: Known, live: KerasSettings, rate: float, decay: float) -> Verdict:
    """Return the verdict where each step of TF1 had ``rate / (1 + decay * step)``."""
    told = f"learning_rate={rate:.6g} with decay={decay:.6g}"
    pairs = zip(_rate_and_decay(live), (rate, decay), strict=True)
    if all(abs(have - wanted) <= wanted * _NOTHING for have, wanted in pairs):
        return Verdict(known.name, _RATE, "exact", f"{told}, as the checkpoint tells")
    instead = f"set learning_rate={rate:.6g}, decay={decay:.6g}"
    if live.flavor != "legacy":
        schedule = "tf.keras.optimizers.schedules.InverseTimeDecay"
        instead = f"set learning_rate={schedule}({rate:.6g}, 1, {decay:.6g})"
    why = f"{known.saved_by} had {told}, it has not"
    return Verdict(known.name, _RATE, "approximate", why, instead, _ANY)


def _rate_and_decay(live: KerasSettings) -> tuple[float, float]:
    """Return the learning rate at step 0, and what it is divided by more each step.

    What is no such decay is told as one that does not exist, of infinity.
    """
    rate = live.values.get(_RATE)
    if rate is None:  # on file no schedule is
        return 0.0, _ANY
    if not isinstance(rate, Mapping):
        return float(rate), float(live.values.get("decay") or 0.0)
    schedule = cast("Mapping[str, Any]", rate)
    config = schedule["config"]
    is_such = schedule["class_name"] == "InverseTimeDecay" and not config["staircase"]
    if not is_such:
        return 0.0, _ANY
    first, each = config["initial_learning_rate"], config["decay_rate"]
    return float(first), float(each) / float(config["decay_steps"])


def decay_of_weights(known: Known, live: KerasSettings) -> Verdict:
    """Return the verdict on a decay of weights that in TF1 is not by the rate.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> adamw = Known("AdamW", KINDS["AdamW"], {"weight_decay": 0.01})
      >>> live = KerasSettings("AdamW", "keras_3", {"weight_decay": 0.004}, 0.1)
      >>> decay_of_weights(adamw, live).instead
      'set weight_decay=0.1, 0.01 by the learning rate'
    """
    what, rate = "weight_decay", live.learning_rate
    have, wanted = live.values.get(what) or 0.0, known.told.get(what)
    if wanted == have == 0:
        return Verdict(known.name, what, "exact", "0, as you say")
    if not have or live.flavor == "legacy":
        return _without_decay(known, live, wanted)
    if rate is None:
        why = (
            "TF1 takes it as it is at every step, Keras times the rate of the step: "
            "the same only if that of TF1 followed the same schedule"
        )
        instead = "set a constant learning rate"
        return Verdict(known.name, what, "approximate", why, instead, _ANY)
    by_rate = f"{have!r} times the learning rate is TF1's {have * rate:.6g}"
    if wanted is None:
        assumed = f"weight_decay={have * rate:.6g}"
        why = f"if {known.saved_by} had {assumed}: {by_rate}"
        return Verdict(known.name, what, "exact", why, assumes=assumed)
    if abs(have * rate - wanted) <= abs(wanted) * _NOTHING:
        why = f"{by_rate}, while the rate stays {rate:.6g}"
        return Verdict(known.name, what, "exact", why)
    why = f"{by_rate}, which had {wanted!r}"
    instead = f"set weight_decay={wanted / rate:.7g}, {wanted!r} by the learning rate"
    return Verdict(known.name, what, "approximate", why, instead, _ANY)


def _without_decay(known: Known, live: KerasSettings, wanted: float | None) -> Verdict:
    why = f"{known.name} decays weights, it does not"
    keras = known.kind.keras
    instead = "set weight_decay to what TF1 had by the learning rate"
    if wanted and live.learning_rate:
        instead = f"set weight_decay={wanted / live.learning_rate:.7g}"
    if wanted is None:
        instead += ", or say weight_decay=0.0 if TF1 did not"
    if live.flavor == "legacy":
        instead = f"go on with tf.keras.optimizers.{keras}, and {instead}"
    return Verdict(known.name, "weight_decay", "impossible", why, instead)
