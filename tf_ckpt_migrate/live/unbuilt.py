"""Finds Keras layers whose variables do not exist yet.

A value cannot be restored into a variable that is made later, and a target that lacks
them would look complete: this is how partial loads stay unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tf_ckpt_migrate.errors import UnbuiltTargetError, capped

__all__ = ["check_built", "unbuilt_layers"]

_KERAS = ("keras", "tf_keras")
# Classes of Keras whose own build() only builds what they contain, which is looked at
# by itself. (A Sequential is not among them: before it is built, Keras 3 hides that.)
_CONTAINERS = ("Layer", "Model", "Functional", "Operation")


def unbuilt_layers(objects: Iterable[tuple[Any, str]]) -> list[str]:
    """Return the paths of layers that will make variables only when they are built.

    Args:
      objects: Every object with its path from the root.

    Example:
      >>> import tensorflow as tf
      >>> unbuilt_layers([(tf.keras.layers.Dense(3), "net.dense")])
      ['net.dense']
    """
    return [path for each, path in objects if _is_layer(each) and _awaits_build(each)]


def check_built(objects: Iterable[tuple[Any, str]], description: str) -> None:
    """Check that every layer has its variables.

    Raises:
      UnbuiltTargetError: If one has not.

    Example:
      >>> import tensorflow as tf
      >>> check_built([(tf.keras.layers.Flatten(), "net.flat")], "net")
    """
    missing = unbuilt_layers(objects)
    if missing:
        count = len(missing)
        layers = "layer has" if count == 1 else "layers have"
        raise UnbuiltTargetError(
            f"{description}: {count:,} {layers} no variables yet: "
            f"{', '.join(capped(missing))}. Build first, by model.build(input_shape) "
            "or by calling the model on a batch; then restore"
        )


def _is_layer(candidate: object) -> bool:
    return any(
        kind.__name__ == "Layer" and _is_of_keras(kind)
        for kind in type(candidate).__mro__
    )


def _awaits_build(layer: Any) -> bool:
    if layer.built:
        return False
    definer = next(k for k in type(layer).__mro__ if "build" in vars(k))
    return not (_is_of_keras(definer) and definer.__name__ in _CONTAINERS)


def _is_of_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in _KERAS
