"""What optimizers of TF1 and of each Keras call the same things."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = [
    "KINDS",
    "KINDS_OF_TF1",
    "OWN_MODULE",
    "Flavor",
    "Kind",
    "Setting",
    "by_flavor",
    "call_of",
    "kind_for",
    "own_kind_for",
]


# Where the optimizers of this package with TF1's steps are.
OWN_MODULE = "tcm.keras.optimizers"

# Legacy OptimizerV2, the optimizers of tf-keras since 2.11, and those of Keras 3.
Flavor: TypeAlias = Literal["legacy", "tf_keras", "keras_3"]


class Setting(NamedTuple):
    """A setting that must be the same on both sides.

    Attributes:
      keras: What Keras calls it.
      default: What it is in TF1 if no one says otherwise; None where it is then taken
        to be what the live optimizer has.
      is_told: Whether TF1 has such an argument, so that someone may say what it was.
      per_rate: Whether Keras multiplies it by the learning rate and TF1 does not.
    """

    keras: str
    default: float | bool | None = None
    is_told: bool = True
    per_rate: bool = False


class Kind(NamedTuple):
    """An optimizer of TF1, and the one of Keras that continues it.

    Attributes:
      keras: The class of Keras.
      slots: By TF1's slot, what the slot is called in each Keras.
      settings: By TF1's argument, the setting of Keras.
      powers: The settings of whose powers it counts its steps.
      named: What TF1 calls it by default, where that is not what it is called here.
      by_rate: Whether Keras has the learning rate in its slots and TF1 has not.
      corrects_bias: False if Keras divides by ``1 - beta ** steps`` and TF1 does not.
      is_lazy: Whether rows that are not looked up stay as they are.
      scalars: What it remembers besides its slots.
      counts: Whether its steps depend on how many there were, besides by powers.
      starts: What a slot holds before the first step, for one of tf.keras, where that
        is not 0; of the others `SLOT_STARTS` tells.
    """

    keras: str
    slots: Mapping[str, Mapping[Flavor, str]]
    settings: Mapping[str, Setting]
    powers: tuple[str, ...] = ()
    named: str = ""
    by_rate: bool = False
    corrects_bias: bool = True
    is_lazy: bool = False
    scalars: tuple[str, ...] = ()
    counts: bool = False
    starts: Mapping[str, float] = MappingProxyType({})

    @property
    def corrects_bias_by_steps(self) -> bool:
        """Whether the length of a step of Keras depends on how many it has taken."""
        is_own = self.keras.startswith(OWN_MODULE)
        betas = {"beta1", "beta2", "beta_1", "beta_2"} & self.settings.keys()
        return bool(self.powers) if is_own else bool(betas)


def by_flavor(legacy: str, tf_keras: str = "", keras_3: str = "") -> dict[Flavor, str]:
    """Return what a slot is called in each Keras; as in the one before if not said.

    Example:
      >>> by_flavor("m", "m", "momentum")["tf_keras"]
      'm'
    """
    new = tf_keras or legacy
    return {"legacy": legacy, "tf_keras": new, "keras_3": keras_3 or new}


_MOMENTS = {"m": by_flavor("m", "m", "momentum"), "v": by_flavor("v", "v", "velocity")}
_ADAM = {
    "beta1": Setting("beta_1", 0.9),
    "beta2": Setting("beta_2", 0.999),
    "epsilon": Setting("epsilon", 1e-8),
    "amsgrad": Setting("amsgrad", False, is_told=False),
}
_BETAS = ("beta1", "beta2")
_VELOCITY = {"momentum": by_flavor("momentum", "m", "momentum")}
_MOMENTUM = {"momentum": Setting("momentum"), "use_nesterov": Setting("nesterov")}
_DECAY = {"weight_decay": Setting("weight_decay", per_rate=True)}

# Slots and defaults as TensorFlow 1.15 has them. Of those that go on in one class of
# Keras the first is the one that an optimizer with a name of its own is taken for.
KINDS: Mapping[str, Kind] = {
    "Adadelta": Kind(
        "Adadelta",
        {
            "accum": by_flavor("accum_grad", "accumulated_grad"),
            "accum_update": by_flavor("accum_var", "accumulated_delta_var"),
        },
        {"rho": Setting("rho", 0.95), "epsilon": Setting("epsilon", 1e-8)},
        is_lazy=True,
    ),
    "Adagrad": Kind(
        "Adagrad",
        {"accumulator": by_flavor("accumulator")},
        # TF1 divides by the root itself.
        {"epsilon": Setting("epsilon", 0.0, is_told=False)},
    ),
    "AdaMax": Kind(
        "Adamax",
        {
            "m": by_flavor("m", "m", "momentum"),
            "v": by_flavor("v", "u", "norm"),
        },
        {name: _ADAM[name] for name in ("beta1", "beta2", "epsilon")},
        powers=("beta1",),
        is_lazy=True,
    ),
    "Adam": Kind("Adam", _MOMENTS, _ADAM, powers=_BETAS),
    # Of tf.contrib.opt; "GS" counts by global_step.
    "AdamGS": Kind("Adam", _MOMENTS, _ADAM, named="Adam"),
    "LazyAdam": Kind(
        "Adam", _MOMENTS, _ADAM, powers=_BETAS, named="Adam", is_lazy=True
    ),
    "LazyAdamGS": Kind("Adam", _MOMENTS, _ADAM, named="Adam", is_lazy=True),
    "AdamW": Kind("AdamW", _MOMENTS, _ADAM | _DECAY, powers=_BETAS, is_lazy=True),
    "AdamWeightDecay": Kind(
        "AdamW",
        _MOMENTS,
        {
            "beta_1": Setting("beta_1", 0.9),
            "beta_2": Setting("beta_2", 0.999),
            "epsilon": Setting("epsilon", 1e-6),
            "weight_decay_rate": Setting("weight_decay"),
            "amsgrad": Setting("amsgrad", False, is_told=False),
        },
        corrects_bias=False,
    ),
    "Ftrl": Kind(
        "Ftrl",
        {"accum": by_flavor("accumulator"), "linear": by_flavor("linear")},
        {
            "learning_rate_power": Setting("learning_rate_power", -0.5),
            "l1_regularization_strength": Setting("l1_regularization_strength"),
            "l2_regularization_strength": Setting("l2_regularization_strength"),
            "l2_shrinkage_regularization_strength": Setting(
                "l2_shrinkage_regularization_strength"
            ),
            "beta": Setting("beta", 0.0, is_told=False),
        },
    ),
    "Momentum": Kind("SGD", _VELOCITY, _MOMENTUM, by_rate=True, is_lazy=True),
    "MomentumW": Kind("SGD", _VELOCITY, _MOMENTUM | _DECAY, by_rate=True, is_lazy=True),
    "GradientDescent": Kind(
        "SGD", {}, {"momentum": Setting("momentum", 0.0, is_told=False)}
    ),
    "RMSProp": Kind(
        "RMSprop",
        {
            "rms": by_flavor("rms", "velocity"),
            "mg": by_flavor("mg", "average_gradient"),
            "momentum": by_flavor("momentum"),
        },
        {
            "decay": Setting("rho", 0.9),
            "momentum": Setting("momentum"),
            "epsilon": Setting("epsilon", 1e-10),
            "centered": Setting("centered", is_told=False),
        },
        is_lazy=True,
    ),
}


def kind_for(
    name: str, keras_class: str, kinds: Mapping[str, Kind] = KINDS
) -> str | None:
    """Return the kind of an optimizer by its name in TF1, else by who continues it.

    Args:
      name: What TF1 calls it; the user may have.
      keras_class: The class of the optimizer of Keras.
      kinds: Those that it may be.

    Example:
      >>> kind_for("Adam", "Adam"), kind_for("generator", "SGD"), kind_for("x", "Lion")
      ('Adam', 'Momentum', None)
    """
    if name in kinds:
        return name
    fit = (kind for kind, each in kinds.items() if each.keras == keras_class)
    return next(fit, None)


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
