"""Optimizers of TF1 that those of `tcm.keras.optimizers` go on with."""

from __future__ import annotations

from typing import Any

import tf_ckpt_migrate as tcm
from tests.live.optimizer_cases import Case

__all__ = ["OF_TCM", "TF1Case"]


class TF1Case(Case):
    """One whose optimizer is not of Keras."""

    def made(self, tf: Any, flavor: str, module: Any) -> Any:
        """Return the optimizer, under the schedule that TF1 had."""
        if flavor == "legacy":
            return None
        own = tcm.keras.optimizers.of(tf.keras)
        settings = dict(self.settings)
        rate = settings.pop("learning_rate")
        schedule = module.schedules.ExponentialDecay(rate, 10, 0.5)
        return getattr(own, self.keras_class)(schedule, **settings)


def _case(tf1: str, keras: str, golden: str, name: str, **more: Any) -> TF1Case:
    told = more.pop("told", {})
    return TF1Case(tf1, keras, f"decaying_{golden}", name, more, told)


_REGULAR = {"l1_regularization_strength": 0.005, "l2_regularization_strength": 0.01}
_BERT = {
    "learning_rate": 0.05,
    "weight_decay_rate": 0.01,
    "exclude_from_weight_decay": ["bias"],
}

OF_TCM = (
    _case(
        "`Momentum`",
        "MomentumOptimizer(schedule, 0.9)",
        "momentum",
        "Momentum",
        learning_rate=0.05,
        momentum=0.9,
    ),
    _case(
        "`Momentum(use_nesterov=True)`",
        "MomentumOptimizer(schedule, 0.9, use_nesterov=True)",
        "nesterov",
        "Momentum",
        learning_rate=0.05,
        momentum=0.9,
        use_nesterov=True,
        told={"use_nesterov": True},
    ),
    _case(
        "`AdagradDA(l1…, l2…)`",
        "AdagradDAOptimizer(schedule, l1…, l2…)",
        "adagrad_da",
        "AdagradDA",
        learning_rate=0.5,
        **_REGULAR,
        told=_REGULAR,
    ),
    _case(
        "`ProximalAdagrad(l1…, l2…)`",
        "ProximalAdagradOptimizer(schedule, l1…, l2…)",
        "proximal_adagrad",
        "ProximalAdagrad",
        learning_rate=0.5,
        **_REGULAR,
        told=_REGULAR,
    ),
    _case(
        "`ProximalGradientDescent(l1…, l2…)`",
        "ProximalGradientDescentOptimizer(schedule, l1…, l2…)",
        "proximal_gradient_descent",
        "ProximalGradientDescent",
        learning_rate=0.2,
        **_REGULAR,
        told=_REGULAR,
    ),
    _case(
        "contrib's `Nadam`",
        "NadamOptimizer(schedule)",
        "nadam",
        "Adam",
        learning_rate=0.1,
    ),
    _case(
        "contrib's `LARS`",
        "LARSOptimizer(schedule, weight_decay=0.01, eeta=0.5)",
        "lars",
        "LARSOptimizer",
        learning_rate=0.1,
        weight_decay=0.01,
        eeta=0.5,
        skip_list=["bias"],
        told={"weight_decay": 0.01, "eeta": 0.5},
    ),
    _case(
        "BERT's, ALBERT's `AdamWeightDecay`",
        "AdamWeightDecayOptimizer(schedule, 0.01)",
        "adam_weight_decay",
        "AdamWeightDecay",
        **_BERT,
    ),
    _case(
        "ALBERT's `LAMB`",
        "LAMBOptimizer(schedule, 0.01)",
        "lamb",
        "AdamWeightDecay",
        **_BERT,
    ),
)
