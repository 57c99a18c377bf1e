"""Finds Keras layers whose variables do not exist yet.

A value cannot be restored into a variable that is made later, and a target that lacks
them would look complete: this is how partial loads stay unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tf_ckpt_migrate.errors import UnbuiltTargetError, capped

__all__ = ["is_layer", "unbuilt_error", "unbuilt_layers"]

_KERAS = ("keras", "tf_keras")
# Classes of Keras whose own build() only builds what they contain, which is looked at
# by itself. (A Sequential is not among them: before it is built, Keras 3 hides that.)
_CONTAINERS = ("Layer", "Model", "Functional", "Operation")


def unbuilt_layers(objects: Iterable[Any]) -> list[Any]:
    """Return the layers that will make variables only when they are built.

    Example:
      >>> import tensorflow as tf
      >>> layers = [tf.keras.layers.Dense(3, name="d"), tf.keras.layers.Flatten()]
      >>> [layer.name for layer in unbuilt_layers(layers)]
      ['d']
    """
    return [each for each in objects if is_layer(each) and _awaits_build(each)]


def unbuilt_error(paths: Iterable[str], description: str) -> UnbuiltTargetError:
    """Return the error that names such layers.

    Example:
      >>> print(unbuilt_error(["net.d"], "a Checkpoint"))
      a Checkpoint: 1 layer has no variables yet: net.d. Build first, ...
    """
    missing = [path or "the target itself" for path in paths]
    count = len(missing)
    layers = "layer has" if count == 1 else "layers have"
    return UnbuiltTargetError(
        f"{description}: {count:,} {layers} no variables yet: "
        f"{', '.join(capped(missing))}. Build first, by model.build(input_shape) or by "
        "calling the model on a batch; then restore"
    )


def is_layer(candidate: object) -> bool:
    """Return whether an object is a layer, or a model, of any Keras.

    Example:
      >>> import tensorflow as tf
      >>> is_layer(tf.keras.layers.Flatten()), is_layer(tf.Module())
      (True, False)
    """
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
