"""Settings of Keras layers and optimizers that decide how state is translated."""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.conversion.optimizers.settings import as_written
from tf_ckpt_migrate.live.framework import keras_without_tensorflow
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings, LayerSettings
from tf_ckpt_migrate.recipes.optimizer_kinds import OWN_MODULE, Flavor

__all__ = ["settings_of", "settings_of_layer"]


def settings_of(optimizer: Any) -> KerasSettings:
    """Return the settings of an optimizer of any Keras.

    Example:
      >>> import tensorflow as tf
      >>> settings_of(tf.keras.optimizers.SGD(0.5)).learning_rate
      0.5
    """
    # What scales the loss for mixed precision wraps the one that has the slots.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    config = inner.get_config()
    rate = as_written(config["learning_rate"])
    is_constant = isinstance(rate, int | float) and not config.get("decay")
    name = type(inner).__name__
    return KerasSettings(
        f"{OWN_MODULE}.{name}" if hasattr(inner, "tf1_kind") else name,
        _flavor(inner),
        {name: as_written(value) for name, value in config.items()},
        float(rate) if is_constant else None,
        dense_gradients=keras_without_tensorflow() is not None,
    )


def _flavor(optimizer: Any) -> Flavor:
    if hasattr(optimizer, "get_slot"):
        return "legacy"
    return "keras_3" if hasattr(optimizer, "stateless_apply") else "tf_keras"


_NAMES = (
    *("recurrent_activation", "activation", "reset_after", "approximate"),
    *("epsilon", "momentum", "alpha", "negative_slope"),
)


def settings_of_layer(layer: Any) -> LayerSettings:
    """Return the settings of a layer of any Keras.

    Example:
      >>> import tensorflow as tf
      >>> settings_of_layer(tf.keras.layers.LSTM(2)).values["recurrent_activation"]
      'sigmoid'
    """
    values: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(layer, name, None)
        if callable(value):
            value = getattr(value, "__name__", None)
        if isinstance(value, str | bool | int | float):
            values[name] = value
        elif value is not None and name in ("alpha", "negative_slope"):
            values[name] = float(value)  # an array in Keras 2
    kind = type(layer).__name__
    return LayerSettings(str(layer.name), kind, hasattr(layer, "path"), values)
