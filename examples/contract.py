"""A TF1 model is refactored step by step; a test holds each step to its checkpoint.

::

    python -m examples.contract

Nothing but the names of the checkpoint is needed, a few lines that are kept beside the
code. The step that breaks them is told what mends it.
"""

from __future__ import annotations

import tensorflow as tf

import tf_ckpt_migrate as tcm

__all__ = ["main"]

v1 = tf.compat.v1

# What `tf-ckpt-migrate manifest model.ckpt --drop_role=slot …` wrote, once.
NAMES = tcm.testing.NameManifest.from_yaml(
    """
version: 1
source: model.ckpt-200000
names:
  tower/dense/bias: float32[4]
  tower/dense/kernel: float32[3, 4]
  tower/dense_1/bias: float32[2]
  tower/dense_1/kernel: float32[4, 2]
"""
)


def as_trained() -> None:
    """Build the graph as it was when the checkpoint was trained."""
    with v1.variable_scope("tower"):
        build_dense("dense", 3, 4)
        build_dense("dense_1", 4, 2)


def build_dense(scope: str, inputs: int, units: int) -> None:
    """Make the variables of a layer, as ``tf.layers.dense`` did."""
    with v1.variable_scope(scope):
        v1.get_variable("kernel", [inputs, units])
        v1.get_variable("bias", [units])


def renamed() -> None:
    """Build it with names that say what is meant."""
    with v1.variable_scope("classifier"):
        build_dense("hidden", 3, 4)
        build_dense("logits", 4, 2)


class Classifier(tf.Module):
    """The same without ``get_variable``: the objects keep the names."""

    def __init__(self, units: int = 4) -> None:
        """Make the variables."""
        super().__init__(name="classifier")
        with self.name_scope:
            self.hidden = Dense(3, units, "hidden")
            self.logits = Dense(units, 2, "logits")


class Dense(tf.Module):
    """A layer."""

    def __init__(self, inputs: int, units: int, name: str) -> None:
        """Make its variables."""
        super().__init__(name=name)
        with self.name_scope:
            self.kernel = tf.Variable(tf.zeros([inputs, units]), name="kernel")
            self.bias = tf.Variable(tf.zeros([units]), name="bias")


RULES = [
    tcm.RenameScope("tower/dense/", "classifier/hidden/"),
    tcm.RenameScope("tower/dense_1/", "classifier/logits/"),
]


def main() -> None:
    """Hold every step to the contract, as unit tests would."""
    check("as it was trained", as_trained)
    check("with other names", renamed)
    check("with other names and a map", renamed, RULES)
    check("as a module, with the same map", Classifier(), RULES)
    check("with a wider layer", Classifier(units=5), RULES)


def check(step: str, model: object, rules: list[object] | None = None) -> None:
    """Print what a test of this step would say."""
    try:
        tcm.testing.assert_checkpoint_compatible(model, NAMES, rules)
    except AssertionError as error:
        print(f"--- {step}: BROKEN\n{error}\n")
    else:
        print(f"--- {step}: fits\n")


if __name__ == "__main__":
    main()
