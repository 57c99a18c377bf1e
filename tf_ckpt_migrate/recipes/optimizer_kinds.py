"""What optimizers of TF1 and of each Keras call the same things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["KINDS", "Flavor", "Kind", "Setting", "kind_for"]

# Legacy OptimizerV2, the optimizers of tf-keras since 2.11, and those of Keras 3.
Flavor: TypeAlias = Literal["legacy", "tf_keras", "keras_3"]


class Setting(NamedTuple):
    """A setting that must be the same on both sides, as no checkpoint holds it.

    Attributes:
      keras: What Keras calls it.
      default: What it is in TF1 if no one says otherwise; None where it is then taken
        to be what the live optimizer has.
      is_told: Whether TF1 has such an argument, so that someone may say what it was.
    """

    keras: str
    default: float | bool | None = None
    is_told: bool = True


class Kind(NamedTuple):
    """An optimizer of TF1, and the one of Keras that continues it.

    Attributes:
      keras: The class of Keras.
      slots: By TF1's slot, what the slot is called in each Keras.
      settings: By TF1's argument, the setting of Keras.
      betas: Whether it counts its steps by powers of betas.
    """

    keras: str
    slots: Mapping[str, Mapping[Flavor, str]]
    settings: Mapping[str, Setting]
    betas: bool = False


def _names(legacy: str, tf_keras: str = "", keras_3: str = "") -> dict[Flavor, str]:
    new = tf_keras or legacy
    return {"legacy": legacy, "tf_keras": new, "keras_3": keras_3 or new}


_MOMENTS = {"m": _names("m", "m", "momentum"), "v": _names("v", "v", "velocity")}

# Slots and defaults as TensorFlow 1.15 has them, by the name it gives the optimizer.
KINDS: Mapping[str, Kind] = {
    "Adadelta": Kind(
        "Adadelta",
        {
            "accum": _names("accum_grad", "accumulated_grad"),
            "accum_update": _names("accum_var", "accumulated_delta_var"),
        },
        {"rho": Setting("rho", 0.95), "epsilon": Setting("epsilon", 1e-8)},
    ),
    "Adagrad": Kind(
        "Adagrad",
        {"accumulator": _names("accumulator")},
        # TF1 divides by the root itself.
        {"epsilon": Setting("epsilon", 0.0, is_told=False)},
    ),
    "Adam": Kind(
        "Adam",
        _MOMENTS,
        {
            "beta1": Setting("beta_1", 0.9),
            "beta2": Setting("beta_2", 0.999),
            "epsilon": Setting("epsilon", 1e-8),
            "amsgrad": Setting("amsgrad", False, is_told=False),
        },
        betas=True,
    ),
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
    ),
    "Ftrl": Kind(
        "Ftrl",
        {"accum": _names("accumulator"), "linear": _names("linear")},
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
    "GradientDescent": Kind(
        "SGD", {}, {"momentum": Setting("momentum", 0.0, is_told=False)}
    ),
    "Momentum": Kind(
        "SGD",
        {"momentum": _names("momentum", "m", "momentum")},
        {"momentum": Setting("momentum"), "use_nesterov": Setting("nesterov")},
    ),
    "RMSProp": Kind(
        "RMSprop",
        {
            "rms": _names("rms", "velocity"),
            "mg": _names("mg", "average_gradient"),
            "momentum": _names("momentum"),
        },
        {
            "decay": Setting("rho", 0.9),
            "momentum": Setting("momentum"),
            "epsilon": Setting("epsilon", 1e-10),
            "centered": Setting("centered", is_told=False),
        },
    ),
}


def kind_for(name: str, keras_class: str) -> str | None:
    """Return the kind of an optimizer by its name in TF1, else by who continues it.

    Args:
      name: What TF1 calls it; the user may have.
      keras_class: The class of the optimizer of Keras.

    Example:
      >>> kind_for("Adam", "Adam"), kind_for("generator", "SGD"), kind_for("x", "Lion")
      ('Adam', 'Momentum', None)
    """
    if name in KINDS:
        return name
    fit = [kind for kind, each in KINDS.items() if each.keras == keras_class]
    return fit[-1] if fit else None
