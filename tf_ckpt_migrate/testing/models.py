"""Models of every kind, seen as what a checkpoint is restored into."""

from __future__ import annotations

from typing import Any

from tf_ckpt_migrate.errors import TargetError, capped
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.testing.calls import (
    as_arrays,
    built_graph_of,
    called,
    is_plain_function,
)

__all__ = ["live_model", "variables_of_graph"]


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
