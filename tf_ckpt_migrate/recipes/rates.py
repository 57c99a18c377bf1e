"""Learning rates, and decay of weights: in Keras that is by the learning rate too."""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.verdicts import LiveSettings, Verdict

__all__ = ["decay_of_weights", "rate_of_learning"]

_ANY = float("inf")
# Whose steps are as long as the learning rate says, whatever went before.
_IN_PROPORTION = ("Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "Nadam")


def rate_of_learning(known: Known, live: LiveSettings) -> Verdict:
    """Return the verdict on the learning rate.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> adam = Known("Adam", KINDS["Adam"], {"learning_rate": 0.1})
      >>> print(rate_of_learning(adam, LiveSettings("Adam", "keras_3", {}, 0.1)))
      Adam learning_rate exact: 0.1, as you say
    """
    name, have = known.name, live.learning_rate
    decays = "decay" in known.kind.settings  # a setting of another meaning, of Nadam
    decay = 0.0 if decays else known.saved.get("decay", 0.0)
    if have is None and decays:
        have = live.values["learning_rate"]
    if "learning_rate" not in known.told | known.saved:
        if have is None:
            why = "if TF1 had the schedule that it has"
            return Verdict(
                name, "learning_rate", "exact", why, assumes="the same schedule"
            )
        assumed = f"learning_rate={have:.6g}"
        why = f"if TF1 had {assumed} at this step"
        return Verdict(name, "learning_rate", "exact", why, assumes=assumed)
    source = "as you say" if "learning_rate" in known.told else "as the checkpoint has"
    wanted = (known.saved | known.told)["learning_rate"]
    if decay:
        return _decayed(known, live, wanted, decay)
    if have is None:
        why = f"it has a schedule, TF1 had {wanted:.6g}"
        return Verdict(name, "learning_rate", "approximate", why, _set(wanted), _ANY)
    far = abs(have / wanted - 1) if wanted else _ANY
    if far <= 1e-6:
        return Verdict(name, "learning_rate", "exact", f"{have:.6g}, {source}")
    why = f"it has learning_rate={have:.6g}, TF1 had {wanted:.6g}"
    is_in_proportion = known.kind.by_rate or known.kind.keras in _IN_PROPORTION
    far = far if is_in_proportion or known.kind.keras == "SGD" else _ANY
    return Verdict(name, "learning_rate", "approximate", why, _set(wanted), far)


def _set(rate: Any) -> str:
    return f"set learning_rate={rate:.6g}"


def _decayed(known: Known, live: LiveSettings, rate: float, decay: float) -> Verdict:
    """Return the verdict where each step of TF1 had ``rate / (1 + decay * step)``."""
    told = f"learning_rate={rate:.6g} with decay={decay:.6g}"
    if live.flavor == "legacy":
        have = (live.values["learning_rate"], live.values.get("decay", 0.0))
        instead = f"set learning_rate={rate:.6g}, decay={decay:.6g}"
    else:
        schedule = live.values["learning_rate"]
        config = schedule.get("config", {}) if isinstance(schedule, dict) else {}
        fits = config.get("decay_steps") == 1 and not config.get("staircase")
        have = (config.get("initial_learning_rate"), config.get("decay_rate"))
        have = (
            have if fits and "InverseTime" in schedule["class_name"] else (None, None)
        )
        instead = (
            "set learning_rate=tf.keras.optimizers.schedules.InverseTimeDecay("
            f"{rate:.6g}, 1, {decay:.6g})"
        )
    same = [
        isinstance(value, int | float) and abs(value - wanted) <= wanted * 1e-6
        for value, wanted in zip(have, (rate, decay), strict=True)
    ]
    if all(same):
        why = f"{told}, as the checkpoint has"
        return Verdict(known.name, "learning_rate", "exact", why)
    why = f"TF1 had {told}, it has not"
    return Verdict(known.name, "learning_rate", "approximate", why, instead, _ANY)


def decay_of_weights(known: Known, live: LiveSettings) -> Verdict:
    """Return the verdict on a decay of weights that in TF1 is not by the rate.

    Example:
      >>> from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS
      >>> adamw = Known("AdamW", KINDS["AdamW"], {"weight_decay": 0.01})
      >>> live = LiveSettings("AdamW", "keras_3", {"weight_decay": 0.004}, 0.1)
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
        why = f"if TF1 had {assumed}: {by_rate}"
        return Verdict(known.name, what, "exact", why, assumes=assumed)
    if abs(have * rate - wanted) <= abs(wanted) * 1e-6:
        why = f"{by_rate}, while the rate stays {rate:.6g}"
        return Verdict(known.name, what, "exact", why)
    why = f"{by_rate}, which had {wanted!r}"
    instead = f"set weight_decay={wanted / rate:.7g}, {wanted!r} by the learning rate"
    return Verdict(known.name, what, "approximate", why, instead, _ANY)


def _without_decay(known: Known, live: LiveSettings, wanted: float | None) -> Verdict:
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
