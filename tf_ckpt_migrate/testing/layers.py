"""Runs a model and notes what each Keras layer in it takes and gives.

An instance's own ``call`` goes before that of its class, in every Keras, so a layer can
be listened to, and another ``call`` tried in its place, without touching the model's
code. Afterwards all is as it was.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.errors import TargetError, capped
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.parts import Parts
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.unbuilt import is_layer
from tf_ckpt_migrate.live.variables import assign, value_of
from tf_ckpt_migrate.testing.record_tf1 import downstream_operations, float_outputs

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "Built",
    "Capture",
    "GraphTensors",
    "Listened",
    "Trial",
    "as_arrays",
    "as_model_takes",
    "built_graph_of",
    "called",
    "calling",
    "flat",
    "is_plain_function",
    "layers_of",
    "live_model",
    "run",
    "unchanged",
    "variables_of_graph",
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


_BEHIND = 24  # tensors that are looked at behind a scope: a GELU takes eight


class GraphTensors:
    """The tensors of a graph that depend on what is fed.

    Args:
      graph: The graph.
      fed: The tensors that are fed.
      results: The names of the tensors that are compared as outputs.
    """

    def __init__(
        self, graph: Any, fed: Sequence[Any], results: Collection[str]
    ) -> None:
        """Keep the graph; it is searched when tensors are asked for."""
        self._graph = graph
        self._fed = fed
        self._results = results

    def of_scope(self, scope: str, scopes: Sequence[str]) -> list[Any]:
        """Return the float tensors that the layer of a scope may give.

        First the tensors that leave the scope, then those within it, then those that
        are computed from it before another scope begins.

        Args:
          scope: The scope; "" for the whole graph.
          scopes: The scopes of all layers.
        """
        start = f"{scope}/" if scope else ""
        ops = [op for name, op in self._ops.items() if name.startswith(start)]
        inside = {op.name for op in ops}
        tensors = [tensor for op in reversed(ops) for tensor in self._floats(op)]
        leaving = [
            tensor
            for tensor in tensors
            if tensor.name in self._results
            or any(op.name not in inside for op in tensor.consumers())
        ]
        others = tuple(f"{each}/" for each in scopes if each)
        behind = [each for tensor in leaving for each in self._behind(tensor, others)]
        found = {each.name: each for each in (*leaving, *tensors, *behind)}
        return [*found.values()]

    @cached_property
    def _ops(self) -> dict[str, Any]:
        ops = downstream_operations(self._graph, [*self._fed])
        return {op.name: op for op in ops}

    def _floats(self, op: Any) -> list[Any]:
        return float_outputs(self._graph, op, self._results)

    def _behind(self, tensor: Any, scopes: tuple[str, ...]) -> list[Any]:
        """Return what is computed of a tensor before another layer's scope begins."""
        found: list[Any] = [tensor]
        for each in found:
            if len(found) > _BEHIND:
                break
            found += [
                output
                for op in each.consumers()
                if op.name in self._ops and not op.name.startswith(scopes)
                for output in self._floats(op)
                if all(output is not other for other in found)
            ]
        return found[1:]


def live_model(model: Any, inputs: Any = None) -> LiveTarget:
    """Return a model as what a checkpoint is restored into.

    Args:
      model: A function that builds a graph of ``tf.compat.v1``, which is called in a
        new one; a ``tf.Graph``; or what ``tcm.restore`` takes.
      inputs: Of the function, for which it is given placeholders. A module, layer or
        model that has its variables only after a call is called with them.

    Raises:
      UnbuiltTargetError: If none of its layers is built.
      TargetError: If it has no variables.

    Example:
      >>> import tensorflow as tf
      >>> def build():
      ...     tf.compat.v1.get_variable("net/w", [2, 3])
      >>> live_model(build).prefix
      "the graph of 'build'"
    """
    if is_plain_function(model):
        graph = built_graph_of(model, inputs).graph
        name = getattr(model, "__name__", "<lambda>")
        of = "" if name == "<lambda>" else f" of {name!r}"
        return _of_graph(graph, f"the graph{of}")
    if isinstance(model, tensorflow().Graph):
        return _of_graph(model, "the graph")
    if inputs is not None:
        called(model, as_arrays(inputs))
    live = LiveTarget(model, counted=False)
    if not live.variables:
        live.check_built()
        raise TargetError(
            f"{live.prefix} has no variables; if its first call makes them, as under "
            "track_tf1_style_variables, pass inputs=… for that call"
        )
    return live


def _of_graph(graph: Any, description: str) -> LiveTarget:
    variables = variables_of_graph(graph)
    if not variables:
        raise TargetError(
            f"{description} has no variables (no tf.compat.v1.global_variables()); a "
            "function that makes a model's objects is no graph function: give the "
            "model that it returns"
        )
    unknown = [v.name for v in variables if not v.shape.is_fully_defined()]
    if unknown:
        raise TargetError(
            f"{description} has variables whose shapes are known only when it runs: "
            f"{', '.join(capped(unknown))}"
        )
    with graph.as_default():
        live = LiveTarget(variables, counted=False)
        live.prefix = description
        _ = live.specs
    return live


def variables_of_graph(graph: Any) -> list[Any]:
    """Return the variables that a ``tf.compat.v1.train.Saver()`` of a graph saves.

    Example:
      >>> import tensorflow as tf
      >>> with tf.Graph().as_default() as graph:
      ...     w = tf.compat.v1.get_variable("w", [2])
      >>> [variable.name for variable in variables_of_graph(graph)]
      ['w:0']
    """
    collections = tensorflow().compat.v1.GraphKeys
    return list(graph.get_collection(collections.GLOBAL_VARIABLES))
