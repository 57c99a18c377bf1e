"""Whether an optimizer goes on as it would have in TF1: a verdict, and its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from tf_ckpt_migrate.recipes.epsilon import STEPS_AHEAD
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, Flavor, Setting

__all__ = [
    "STEPS_WITHOUT_BIAS",
    "LiveSettings",
    "Verdict",
    "VerdictKind",
    "judged",
    "without_counterpart",
]

VerdictKind: TypeAlias = Literal["exact", "approximate", "impossible"]

# Steps after which 0.999 to their power is nothing beside 1: no bias is corrected.
STEPS_WITHOUT_BIAS = 1_000_000
_FLOAT32 = 2.0**-24

# What Keras does besides, and no optimizer of TF1 that is known here did. Averages that
# are kept (use_ema) change no step unless they overwrite the variables.
_BESIDES = ("weight_decay", "gradient_accumulation_steps", "ema_overwrite_frequency")

_NO_COUNTERPART = {
    "AdagradDA": "Keras has no dual averaging",
    "ProximalAdagrad": "Keras has no proximal steps",
    "ProximalGradientDescent": "Keras has no proximal steps",
    "Nadam": "that of Keras has a schedule of momentum, which TF1's has not",
    "AddSignOptimizer": "Keras has none",
    "PowerSignOptimizer": "Keras has none",
    "LARSOptimizer": "Keras has none",
    "Shampoo": "Keras has none",
    "GGT": "Keras has none",
}


class Verdict(NamedTuple):
    """How well training goes on, in one respect.

    Attributes:
      optimizer: What TF1 calls the optimizer.
      what: What is judged: a slot, a setting, ``"iterations"``.
      kind: ``"exact"``, ``"approximate"`` or ``"impossible"``.
      why: The reason; of an exact one, what it stands on.
      instead: What makes it exact, or what to do instead.
      how_far: Of an approximate one, the largest fraction of itself by which any of the
        next 20 steps differs, from the same point and whatever the gradients; infinite
        where no bound is known.
    """

    optimizer: str
    what: str
    kind: VerdictKind
    why: str = ""
    instead: str = ""
    how_far: float = 0.0

    def __str__(self) -> str:
        far = ""
        if self.kind == "approximate" and self.how_far < float("inf"):
            far = (
                f" (each of the next {STEPS_AHEAD} steps differs by up to "
                f"{self.how_far:.1e} of itself)"
            )
        why = f": {self.why}" if self.why else ""
        instead = f"; {self.instead}" if self.instead else ""
        return f"{self.optimizer} {self.what} {self.kind}{far}{why}{instead}"


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


def judged(
    kind: str,
    live: LiveSettings,
    told: Mapping[str, Any],
    *,
    is_centered: bool = False,
    epsilon_fraction: float = 0.0,
) -> tuple[Verdict, ...]:
    """Return the verdicts on a kind of optimizer that goes on in a live one.

    Args:
      kind: Which of `KINDS`.
      live: The settings of the one that goes on.
      told: What TF1 was given, by the names of its arguments; defaults where it is not
        said.
      is_centered: Whether the checkpoint has the mean of gradients of RMSProp.
      epsilon_fraction: By how much of itself a step differs for what is done with
        epsilon; `epsilon.step_fraction` knows.

    Example:
      >>> settings = LiveSettings("Adam", "keras_3", {"epsilon": 1e-7}, 0.001)
      >>> verdicts = judged("Adam", settings, {}, epsilon_fraction=1e-3)
      >>> [v.instead for v in verdicts if v.kind == "approximate"]
      ['set epsilon=1e-08, or say epsilon=… as TF1 had it']
    """
    keras = KINDS[kind].keras
    if live.keras_class != keras:
        return (
            Verdict(
                kind,
                "state",
                "impossible",
                f"the steps of {live.keras_class} are not those of {kind}",
                f"go on with {keras}",
            ),
        )
    found = [*_settings(kind, live, told, is_centered), *_besides(kind, live)]
    if epsilon_fraction:
        found.append(_epsilon(kind, live, told, epsilon_fraction))
    if kind == "Momentum":
        found += _momentum(live)
    if kind == "AdamWeightDecay":
        found += _weight_decay(live)
    if any(verdict.kind != "exact" for verdict in found):
        return tuple(found)
    return (Verdict(kind, "state", "exact", _stands_on(kind, live, told)), *found)


def _settings(
    kind: str, live: LiveSettings, told: Mapping[str, Any], is_centered: bool
) -> Iterator[Verdict]:
    """Yield a verdict on each setting that is not as TF1 had it, but epsilon."""
    for argument, setting in KINDS[kind].settings.items():
        wanted = (
            is_centered if argument == "centered" else _wanted(argument, setting, told)
        )
        have = live.values.get(setting.keras)
        have = False if setting.keras == "amsgrad" and have is None else have
        if argument == "epsilon" or wanted is None or have is None:
            continue
        if abs(float(have) - float(wanted)) <= abs(float(wanted)) * 1e-6:
            continue
        if not (
            kind == "RMSProp" and argument == "momentum" and _is_trick(live, wanted)
        ):
            yield _differs(kind, argument, setting.keras, have, wanted)


def _besides(kind: str, live: LiveSettings) -> Iterator[Verdict]:
    known = {setting.keras for setting in KINDS[kind].settings.values()}
    for name in _BESIDES:
        have = live.values.get(name)
        if name == "ema_overwrite_frequency" and not live.values.get("use_ema"):
            continue
        if have and name not in known:
            why = f"it has {name}={have!r}, of which {kind} of TF1 has nothing"
            instead = f"set {name}=None"
            yield Verdict(kind, name, "approximate", why, instead, float("inf"))


def _is_trick(live: LiveSettings, wanted: float) -> bool:
    """Whether a momentum of nearly 0 stands for 0: then legacy RMSprop is TF1's."""
    return not wanted and 0 < live.values["momentum"] < _FLOAT32 * 1e-6


def _differs(kind: str, argument: str, keras: str, have: Any, wanted: Any) -> Verdict:
    # Without these an optimizer has other slots, and the one that goes on needs them.
    needs_slots = argument in ("amsgrad", "centered") or (
        argument == "momentum" and bool(have) != bool(wanted)
    )
    why = f"it has {keras}={have!r}, TF1 had {wanted!r}"
    instead = f"set {keras}={wanted!r}"
    if KINDS[kind].settings[argument].is_told:
        instead += f", or say {argument}=… as TF1 had it"
    if needs_slots:
        return Verdict(kind, keras, "impossible", why, instead)
    return Verdict(kind, keras, "approximate", why, instead, float("inf"))


def _epsilon(
    kind: str, live: LiveSettings, told: Mapping[str, Any], fraction: float
) -> Verdict:
    wanted = _wanted("epsilon", KINDS[kind].settings["epsilon"], told)
    have = live.values["epsilon"]
    if kind == "RMSProp" and live.flavor == "legacy" and not live.values["momentum"]:
        why = "legacy RMSprop without momentum adds epsilon to the root, TF1 below it"
        instead = f"set momentum=1e-30, epsilon={wanted!r}"
    else:
        why = f"it has epsilon={have!r}, TF1 had {wanted!r}"
        # Legacy optimizers take 0 for "the default".
        instead = f"set epsilon={wanted or 1e-30!r}"
        if KINDS[kind].settings["epsilon"].is_told:
            instead += ", or say epsilon=… as TF1 had it"
    return Verdict(kind, "epsilon", "approximate", why, instead, fraction)


def _momentum(live: LiveSettings) -> Iterator[Verdict]:
    if not live.values.get("momentum"):
        yield Verdict(
            "Momentum",
            "momentum",
            "impossible",
            "it has momentum=0.0 and no use for what TF1 accumulated",
            "set momentum as TF1 had it",
        )
    if live.learning_rate is None:
        yield Verdict(
            "Momentum",
            "momentum",
            "impossible",
            "under a schedule TF1 multiplies all that it accumulated by the rate of "
            "the step, Keras each gradient by the rate of its own: no state goes on",
            "set a constant learning rate, or keep "
            "tf.compat.v1.train.MomentumOptimizer",
        )


def _weight_decay(live: LiveSettings) -> Iterator[Verdict]:
    what = (
        "AdamWeightDecay corrects no bias, AdamW does; it stops when iterations are "
        f"{STEPS_WITHOUT_BIAS:,} more"
    )
    if live.learning_rate is None:
        yield Verdict(
            "AdamWeightDecay",
            "iterations",
            "impossible",
            f"{what}, by which a schedule would be over",
            "set a constant learning rate, and change it from outside",
        )
    elif live.values["beta_2"] ** STEPS_WITHOUT_BIAS > _FLOAT32:
        yield Verdict(
            "AdamWeightDecay",
            "iterations",
            "impossible",
            f"{what}, which for beta_2={live.values['beta_2']!r} are too few",
            "keep the optimizer of TF1",
        )
    else:
        yield Verdict("AdamWeightDecay", "iterations", "exact", what)


def _wanted(argument: str, setting: Setting, told: Mapping[str, Any]) -> Any:
    return told.get(argument, setting.default)


def _stands_on(kind: str, live: LiveSettings, told: Mapping[str, Any]) -> str:
    """Return what no checkpoint tells and nobody said."""
    given: list[str] = []
    for argument, setting in KINDS[kind].settings.items():
        if setting.is_told and argument not in told:
            taken = live.values.get(setting.keras)
            value = taken if setting.default is None else setting.default
            given.append(f"{argument}={value!r}")
    parts = [f"if TF1 had {', '.join(given)}"] if given else []
    if kind == "Momentum":
        parts.append(f"while the learning rate stays {live.learning_rate:.6g}")
    return ", ".join(parts)
