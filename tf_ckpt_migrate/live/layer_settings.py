"""The settings of live Keras layers that decide what they compute."""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.recipes.layer_defaults import LayerSettings

__all__ = ["settings_of_layer"]

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
