"""Calls functions and models with inputs given as an array, a tuple or a dict."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tf_ckpt_migrate.live.framework import tensorflow

__all__ = [
    "Built",
    "as_arrays",
    "as_model_takes",
    "built_graph_of",
    "called",
    "flat",
    "is_plain_function",
]


class Built(NamedTuple):
    """What a graph-building function has built.

    Attributes:
      graph: The graph.
      feeds: Placeholders, with the arrays that go into them.
      result: What the function returned.
    """

    graph: Any
    feeds: list[tuple[Any, Any]]
    result: Any


def is_plain_function(candidate: object) -> bool:
    """Return whether something is a function, and no object that has variables.

    Example:
      >>> is_plain_function(lambda: None), is_plain_function(dict())
      (True, False)
    """
    if isinstance(candidate, functools.partial):
        return True
    return inspect.isroutine(candidate) and not hasattr(candidate, "variables")


def as_arrays(inputs: Any) -> Any:
    """Return inputs with arrays in the place of numbers, lists and tensors.

    Example:
      >>> as_arrays(({"x": [1.0]}, 2))[0]["x"].dtype
      dtype('float32')
    """
    if isinstance(inputs, Mapping):
        return {name: as_arrays(value) for name, value in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(map(as_arrays, inputs))
    with tensorflow().init_scope():
        return tensorflow().convert_to_tensor(inputs).numpy()


def flat(inputs: Any) -> list[Any]:
    """Return the arrays of inputs, in the order in which placeholders are made.

    Example:
      >>> flat(({"a": 1, "b": 2}, 3))
      [1, 2, 3]
    """
    if isinstance(inputs, Mapping):
        inputs = tuple(inputs[name] for name in sorted(inputs))
    if isinstance(inputs, tuple):
        return [each for part in inputs for each in flat(part)]
    return [inputs]


def called(function: Callable[..., Any], inputs: Any, **options: Any) -> Any:
    """Return the result of a call.

    Args:
      function: A function, module, layer or model.
      inputs: None for no arguments, a tuple for several, a dict for those of these
        names, if the function takes such, or for one; anything else is the one.
      **options: Passed on if the function takes an argument of that name.

    Example:
      >>> called(lambda a, b: a - b, {"b": 1, "a": 3}), called(len, {"b": 1, "a": 3})
      (2, 2)
    """
    signature = _signature(function)
    names = signature.parameters if signature else {}
    options = {name: each for name, each in options.items() if name in names}
    if inputs is None:
        return function(**options)
    if isinstance(inputs, tuple):
        return function(*inputs, **options)
    if isinstance(inputs, Mapping) and {*inputs} <= {*names}:
        return function(**inputs, **options)
    return function(inputs, **options)


def as_model_takes(model: Any, arrays: Mapping[str, Any]) -> Any:
    """Return what was fed to tensors in the form in which a model takes it.

    Args:
      model: The model.
      arrays: Arrays by the names of tensors: one array is the one argument; several
        are arguments of these names, if the model takes such, or else one dict.

    Example:
      >>> as_model_takes(lambda a, b: a - b, {"a:0": 3, "b:0": 1})
      {'a': 3, 'b': 1}
      >>> as_model_takes(len, {"x:0": [1, 2]})
      [1, 2]
    """
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    signature = _signature(model)
    names = {*(signature.parameters if signature else ())}
    names.update(getattr(each, "name", "") for each in _inputs_of(model))
    plain = {name.removesuffix(":0"): array for name, array in arrays.items()}
    return plain if {*plain} <= names else dict(arrays)


def _inputs_of(model: Any) -> list[Any]:
    """Return the inputs of a functional Keras model."""
    inputs = getattr(model, "inputs", None)
    if isinstance(inputs, Mapping):
        return [*inputs.values()]
    return [*inputs] if isinstance(inputs, list | tuple) else []


def _signature(function: Any) -> inspect.Signature | None:
    """Return what a call takes: of a Keras layer, what its ``call`` does."""
    try:
        return inspect.signature(getattr(function, "call", function))
    except (TypeError, ValueError):  # some built-in functions have none
        return None


def built_graph_of(function: Callable[..., Any], inputs: Any, seed: int = 0) -> Built:
    """Let a function build a graph, with placeholders in the place of its inputs.

    Args:
      function: Of ``tf.compat.v1``.
      inputs: Of the function, as `called` takes them.
      seed: Of the graph.

    Example:
      >>> built = built_graph_of(lambda x: x + 1.0, [1.0, 2.0])
      >>> built.result.graph is built.graph, len(built.feeds)
      (True, 1)
    """
    tf = tensorflow()
    arrays = None if inputs is None else as_arrays(inputs)
    feeds: list[tuple[Any, Any]] = []

    def placeholder(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: placeholder(value[name]) for name in sorted(value)}
        if isinstance(value, tuple):
            return tuple(map(placeholder, value))
        made = tf.compat.v1.placeholder(value.dtype, value.shape)
        feeds.append((made, value))
        return made

    with tf.Graph().as_default() as graph:
        tf.compat.v1.set_random_seed(seed)
        given = None if arrays is None else placeholder(arrays)
        return Built(graph, feeds, called(function, given))
