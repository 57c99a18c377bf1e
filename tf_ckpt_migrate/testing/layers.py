"""Runs a model and notes what each Keras layer in it takes and gives.

An instance's own ``call`` goes before that of its class, in every Keras, so a layer can
be listened to, and another ``call`` tried in its place, without touching the model's
code. Afterwards all is as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import TargetError
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.parts import Parts
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.unbuilt import is_layer
from tf_ckpt_migrate.live.variables import assign, value_of
from tf_ckpt_migrate.testing.calls import called

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Capture", "Listened", "Trial", "calling", "layers_of", "run", "unchanged"]

# What is called in the place of a layer's `call`: it is given that, and its arguments.
Trial = Callable[..., Any]


class Capture(NamedTuple):
    """One call of a layer.

    Attributes:
      layer: The layer.
      name: What to call it.
      given: Its first argument, as an array.
      output: What it gave; of several tensors the first.
    """

    layer: Any
    name: str
    given: Array | None
    output: Array


class Listened(NamedTuple):
    """One run of a model.

    Attributes:
      result: What it returned.
      captures: Every call of a layer that came to an end, in that order.
    """

    result: Any
    captures: list[Capture]


def layers_of(model: Any) -> dict[str, Any]:
    """Return the layers in a model by their names, or paths where names are shared.

    Example:
      >>> import tensorflow as tf
      >>> layers = [tf.keras.layers.Dense(1, name=name) for name in "ab"]
      >>> model = tf.keras.Sequential(layers)
      >>> model.build((None, 1))
      >>> sorted(layers_of(model))
      ['a', 'b']
    """
    try:
        live = LiveTarget(model, counted=False)
    except TargetError:  # a mere function
        return {}
    found = {
        path: layer
        for path, layer in live.objects_by_path(is_layer).items()
        if path and not _is_inner_work(path, layer)
    }
    # A recurrent layer need not call its cell, and its settings and weights are its.
    cells = {id(getattr(layer, "cell", None)) for layer in found.values()}
    found = {path: layer for path, layer in found.items() if id(layer) not in cells}
    count = Counter(layer.name for layer in found.values())
    return {
        path if count[layer.name] > 1 else layer.name: layer
        for path, layer in found.items()
    }


def _is_inner_work(path: str, layer: Any) -> bool:
    """Return whether Keras made a layer for itself: a Sequential's own model."""
    return path.endswith("_functional") or type(layer).__name__ == "InputLayer"


def run(
    model: Any,
    inputs: Any,
    *,
    training: bool = False,
    trials: Mapping[str, Trial] | None = None,
) -> Listened:
    """Call a model eagerly, and listen to its layers.

    Args:
      model: Anything that can be called.
      inputs: As ``called`` takes them.
      training: Passed on to a model that takes it.
      trials: By the name of a layer, what to call in the place of its ``call``.

    Example:
      >>> import numpy as np, tensorflow as tf
      >>> model = tf.keras.Sequential([tf.keras.layers.Dense(2, name="dense")])
      >>> model.build((None, 3))
      >>> found = run(model, np.ones((1, 3), np.float32))
      >>> [(each.name, each.output.shape) for each in found.captures]
      [('dense', (1, 2))]
    """
    tf = tensorflow()
    captures: list[Capture] = []
    eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # within a tf.function nothing has a value
    try:
        with calling(layers_of(model), trials or {}, captures):
            result = called(model, inputs, training=training)
    finally:
        tf.config.run_functions_eagerly(eager)
    return Listened(result, captures)


@contextmanager
def unchanged(model: Any) -> Generator[None]:
    """Give every variable of a model its present value again when the context ends."""
    try:
        live = LiveTarget(model, counted=False)
    except TargetError:  # a mere function
        yield
        return
    variables = [
        part
        for each in live.variables.values()
        for part in (each.parts if isinstance(each, Parts) else [each])
    ]
    values = [value_of(each) for each in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            assign(variable, value)


@contextmanager
def calling(
    layers: Mapping[str, Any], trials: Mapping[str, Trial], captures: list[Capture]
) -> Generator[None]:
    """Listen to layers while the context lasts.

    Args:
      layers: The layers by name.
      trials: By the name of a layer, what to call in the place of its ``call``.
      captures: Gets every call.
    """
    before = {name: vars(layer).get("call") for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            vars(layer)["call"] = _listening(name, layer, trials.get(name), captures)
        yield
    finally:
        for name, layer in layers.items():
            if before[name] is None:
                vars(layer).pop("call", None)
            else:
                vars(layer)["call"] = before[name]


def _listening(
    name: str, layer: Any, trial: Trial | None, captures: list[Capture]
) -> Callable[..., Any]:
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        if trial is None:
            result = original(*args, **kwargs)
        else:
            result = trial(original, *args, **kwargs)
        output = _array(result)
        if output is not None:
            given = _array(args[0]) if args else None
            captures.append(Capture(layer, name, given, output))
        return result

    return call


def _array(value: Any) -> Array | None:
    """Return the first tensor of a structure as an array; None for symbolic ones."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return _array(value[0]) if value else None
    return value.numpy() if hasattr(value, "numpy") else None
