"""What the optimizers of a TF1 graph and of a Keras model are set to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow

if TYPE_CHECKING:
    from tf_ckpt_migrate.testing.tf1 import Tf1Model

__all__ = ["Setting", "other_kind", "other_settings"]

# The operations that update a variable, and the names of their inputs in Keras; None
# for what is no setting. TensorFlow's op definitions, training_ops.
_INPUTS: Mapping[str, tuple[str | None, ...]] = {
    "ApplyGradientDescent": (None, "learning_rate", None),
    "ApplyMomentum": (None, None, "learning_rate", None, "momentum"),
    "ApplyKerasMomentum": (None, None, "learning_rate", None, "momentum"),
    "ApplyAdam": (
        *(None, None, None, None, None),
        *("learning_rate", "beta_1", "beta_2", "epsilon", None),
    ),
    "ApplyAdagrad": (None, None, "learning_rate", None),
    "ApplyAdadelta": (None, None, None, "learning_rate", "rho", "epsilon", None),
    "ApplyRMSProp": (
        *(None, None, None, "learning_rate", "rho", "momentum", "epsilon", None),
    ),
    "ApplyCenteredRMSProp": (
        *(None, None, None, None),
        *("learning_rate", "rho", "momentum", "epsilon", None),
    ),
}
# What does in Keras what these operations do.
_CLASSES: Mapping[str, str] = {
    "ApplyGradientDescent": "SGD",
    "ApplyMomentum": "SGD",
    "ApplyKerasMomentum": "SGD",
    "ApplyAdam": "Adam",
    "ApplyAdagrad": "Adagrad",
    "ApplyAdadelta": "Adadelta",
    "ApplyRMSProp": "RMSprop",
    "ApplyCenteredRMSProp": "RMSprop",
    "ApplyFtrl": "Ftrl",
    "ApplyFtrlV2": "Ftrl",
}
_ALIKE = 1e-6


class Setting(NamedTuple):
    """A setting that two optimizers do not share.

    Attributes:
      name: Its name in Keras.
      tf1: TF1's value.
      keras: The value in Keras.
    """

    name: str
    tf1: float
    keras: float

    def __str__(self) -> str:
        return f"{self.name}={self.keras:.6g}, TF1's is {self.tf1:.6g}"


def other_settings(tf1: Tf1Model, optimizer: Any) -> Iterator[Setting]:
    """Yield what a Keras optimizer is set to otherwise than TF1's.

    TF1's settings are the inputs of its update operations, as the graph computes them.

    Args:
      tf1: The TF1 model.
      optimizer: Of Keras.
    """
    known: dict[str, float] = {}
    for kind, op in _updates(tf1):
        names = _INPUTS.get(kind, ())
        for name, tensor in zip(names, op.inputs, strict=False):
            if name is not None and name not in known:
                known[name] = float(tf1.run(tensor))
        if kind == "ApplyMomentum":
            known.setdefault("nesterov", float(op.get_attr("use_nesterov")))
    for name, value in known.items():
        mine = _value(getattr(optimizer, name, None))
        if mine is not None and abs(mine - value) > _ALIKE * max(abs(mine), abs(value)):
            yield Setting(name, value, mine)


def other_kind(tf1: Tf1Model, optimizer: Any) -> str:
    """Return what to say of an optimizer of another kind; empty if it is of the same.

    Args:
      tf1: The TF1 model.
      optimizer: Of Keras.
    """
    kinds = {kind for kind, _ in _updates(tf1)}
    classes = {_CLASSES[kind] for kind in kinds}
    mine = type(optimizer).__name__
    if not classes or mine in classes:
        return ""
    return f"TF1 trains by {' and '.join(sorted(kinds))}, the model by {mine}"


def _updates(tf1: Tf1Model) -> Iterator[tuple[str, Any]]:
    """Yield the operations that update a variable, and which kind they are of."""
    for op in tf1.graph.get_operations():
        kind = op.type.removeprefix("Resource").removeprefix("Sparse")
        if kind in _CLASSES:
            yield kind, op


def _value(setting: Any) -> float | None:
    if setting is None or (callable(setting) and not hasattr(setting, "dtype")):
        return None
    if isinstance(setting, bool | int | float):
        return float(setting)
    return float(tensorflow().convert_to_tensor(setting).numpy())
