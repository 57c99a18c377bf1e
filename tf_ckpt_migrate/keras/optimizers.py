"""Optimizers that go on from TF1 where none of Keras does, step for step.

Those here are for ``tf.keras``; `of` makes them for another Keras. Each has the name,
the arguments and the defaults that it has in TF1, and takes what every optimizer of
Keras takes: a schedule, ``clipnorm``, ``name``. A recipe carries the state of TF1 into
it, and `tcm.save_like` back.

Example:
  >>> import tensorflow as tf
  >>> rate = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 1000, 0.5)
  >>> MomentumOptimizer(rate, momentum=0.9).tf1
  Momentum(momentum=0.9, use_nesterov=False)
"""

from __future__ import annotations

from inspect import Signature
from types import SimpleNamespace
from typing import Any

from tf_ckpt_migrate.keras.tf1_optimizers import (
    LAMB,
    LARS,
    AdagradDA,
    AdamWeightDecay,
    Momentum,
    Nadam,
    OfKeras3,
    OfTfKeras,
    ProximalAdagrad,
    ProximalGradientDescent,
    Rule,
    TF1Optimizer,
)
from tf_ckpt_migrate.live.framework import tensorflow

__all__ = [
    "AdagradDAOptimizer",
    "AdamWeightDecayOptimizer",
    "LAMBOptimizer",
    "LARSOptimizer",
    "MomentumOptimizer",
    "NadamOptimizer",
    "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer",
    "of",
]

_RULES = (
    *(AdagradDA, AdamWeightDecay, LAMB, LARS, Momentum, Nadam, ProximalAdagrad),
    ProximalGradientDescent,
)
_MADE: dict[type, SimpleNamespace] = {}


def of(keras: Any) -> Any:
    """Return the optimizers for the models of a Keras.

    They are registered with it too, so that it loads models that have been compiled
    with them.

    Args:
      keras: The package: ``tf_keras``, or ``keras`` of version 2.11 and newer, which
        from version 3 on must have TensorFlow as its backend.

    Returns:
      What has the classes of this module as attributes.

    Example:
      >>> import tf_keras
      >>> optimizer = of(tf_keras).NadamOptimizer(0.01)
      >>> isinstance(optimizer, tf_keras.optimizers.Optimizer)
      True
    """
    base = keras.optimizers.Optimizer  # the same one in ``tf.keras`` and its package
    if base not in _MADE:
        made = [_class_of(rule, base, keras) for rule in _RULES]
        _MADE[base] = SimpleNamespace(**{each.__name__: each for each in made})
    return _MADE[base]


def _class_of(rule: type[Rule], base: type, keras: Any) -> type[TF1Optimizer]:
    adapter = OfKeras3 if hasattr(base, "stateless_apply") else OfTfKeras
    name = rule.__name__ + "Optimizer"
    contents = {
        "__doc__": rule.__doc__,
        "__module__": __name__,
        "__signature__": _signature(rule),
        "rule": rule,
        "tf1_kind": rule.kind,
        "keras": keras,
    }
    made = type(name, (adapter, base), contents)
    return keras.utils.register_keras_serializable("tf_ckpt_migrate")(made)


def _signature(rule: type[Rule]) -> Signature:
    own = Signature.from_callable(rule).parameters.values()
    rate, _, *common = Signature.from_callable(TF1Optimizer).parameters.values()
    return Signature([rate, *own, *common])


_ours = of(tensorflow().keras)
AdagradDAOptimizer = _ours.AdagradDAOptimizer
AdamWeightDecayOptimizer = _ours.AdamWeightDecayOptimizer
LAMBOptimizer = _ours.LAMBOptimizer
LARSOptimizer = _ours.LARSOptimizer
MomentumOptimizer = _ours.MomentumOptimizer
NadamOptimizer = _ours.NadamOptimizer
ProximalAdagradOptimizer = _ours.ProximalAdagradOptimizer
ProximalGradientDescentOptimizer = _ours.ProximalGradientDescentOptimizer
