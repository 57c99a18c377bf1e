"""Optimizers of tf.keras in a graph of TF1: what they save, and who goes on.

They are the legacy ones of later Keras, with their arithmetic. Most of their settings
are variables, and so in the checkpoint; ``epsilon`` and switches are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from tf_ckpt_migrate.recipes.optimizer_kinds import Flavor, Kind, Setting, by_flavor

__all__ = ["KINDS_OF_KERAS", "kinds_between"]

_MOMENTS = {"m": by_flavor("m", "m", "momentum"), "v": by_flavor("v", "v", "velocity")}
_BETAS = {"beta_1": Setting("beta_1", 0.9), "beta_2": Setting("beta_2", 0.999)}
_STARTS = {"accumulator": 0.1}
_EPSILON = {"epsilon": Setting("epsilon", 1e-7)}

# By class. Slots as TensorFlow 1.15 calls them, settings by their own names.
KINDS_OF_KERAS: Mapping[str, Kind] = {
    "Adadelta": Kind(
        "Adadelta",
        {
            "accum_grad": by_flavor("accum_grad", "accumulated_grad"),
            "accum_var": by_flavor("accum_var", "accumulated_delta_var"),
        },
        {"rho": Setting("rho", 0.95), **_EPSILON},
        is_lazy=True,
    ),
    "Adagrad": Kind(
        "Adagrad",
        {"accumulator": by_flavor("accumulator")},
        _EPSILON,
        starts=_STARTS,
    ),
    "Adam": Kind(
        "Adam",
        {**_MOMENTS, "vhat": by_flavor("vhat", "vhat", "velocity_hat")},
        {**_BETAS, **_EPSILON, "amsgrad": Setting("amsgrad", is_told=False)},
    ),
    "Adamax": Kind(
        "Adamax",
        {"m": by_flavor("m", "m", "momentum"), "v": by_flavor("v", "u", "norm")},
        {**_BETAS, **_EPSILON},
        is_lazy=True,
    ),
    "Ftrl": Kind(
        "Ftrl",
        {"accumulator": by_flavor("accumulator"), "linear": by_flavor("linear")},
        {
            "learning_rate_power": Setting("learning_rate_power", -0.5),
            "l1_regularization_strength": Setting("l1_regularization_strength"),
            "l2_regularization_strength": Setting("l2_regularization_strength"),
            "l2_shrinkage_regularization_strength": Setting(
                "l2_shrinkage_regularization_strength"
            ),
            "beta": Setting("beta", 0.0, is_told=False),
        },
        starts=_STARTS,
    ),
    "Nadam": Kind(
        "Nadam",
        _MOMENTS,
        {**_BETAS, **_EPSILON, "decay": Setting("decay", 0.004, is_told=False)},
        scalars=("momentum_cache",),
    ),
    "RMSprop": Kind(
        "RMSprop",
        {
            "rms": by_flavor("rms", "velocity"),
            "mg": by_flavor("mg", "average_gradient"),
            "momentum": by_flavor("momentum"),
        },
        {
            "rho": Setting("rho", 0.9),
            "momentum": Setting("momentum", 0.0),
            **_EPSILON,
            "centered": Setting("centered", is_told=False),
        },
        is_lazy=True,
    ),
    "SGD": Kind(
        "SGD",
        {"momentum": by_flavor("momentum", "m", "momentum")},
        {"momentum": Setting("momentum", 0.0), "nesterov": Setting("nesterov")},
        is_lazy=True,
    ),
}

_NADAM = ("_u_product",)  # what Nadam remembers since 2.11
_AVERAGE = {"average": by_flavor("average")}
# Those that tf.keras of TF1 did not have.
_NEWER = {
    "AdamW": Kind(
        "AdamW",
        KINDS_OF_KERAS["Adam"].slots,
        {**KINDS_OF_KERAS["Adam"].settings, "weight_decay": Setting("weight_decay")},
    ),
    "Lion": Kind("Lion", {"m": by_flavor("m", "m", "momentum")}, _BETAS),
}


def kinds_between(flavor: Flavor) -> Mapping[str, Kind]:
    """Return the kinds of Keras optimizers that another Keras continues, by class.

    What their checkpoint does not tell is taken to be what the other one has.

    Args:
      flavor: Of which Keras the checkpoint is.

    Example:
      >>> kinds_between("keras_3")["Nadam"].scalars
      ('_u_product',)
    """
    is_legacy = flavor == "legacy"
    return {
        name: kind._replace(
            slots={**kind.slots, **_AVERAGE},
            settings={
                argument: setting._replace(default=None)
                for argument, setting in kind.settings.items()
                if argument != "decay"
            },
            is_lazy=kind.is_lazy and is_legacy,
            scalars=() if not kind.scalars else kind.scalars if is_legacy else _NADAM,
        )
        for name, kind in {**KINDS_OF_KERAS, **_NEWER}.items()
    }
