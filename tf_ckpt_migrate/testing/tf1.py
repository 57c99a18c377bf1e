"""Runs a model of TF1 in a graph and a session of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tf_ckpt_migrate.checkpoint.reader import CheckpointLike
from tf_ckpt_migrate.errors import nearest
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.parts import Parts
from tf_ckpt_migrate.live.restore import restore
from tf_ckpt_migrate.live.sessions import load
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.testing.layers import (
    GraphTensors,
    as_arrays,
    built_graph_of,
    flat,
    is_plain_function,
    variables_of_graph,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["OPTIONAL", "Reference", "Tf1Model", "named_results"]


# What a graph that was built for inference, or has yet to train, does without.
OPTIONAL = ("slot", "optimizer", "step")


class Tf1Model:
    """A graph of TF1, a session, and what is fed.

    Args:
      model: A function of ``tf.compat.v1`` that builds the graph and returns tensors;
        or a ``tf.Graph``.
      inputs: Of the function; of a graph, a dict of arrays by the names of tensors.
      outputs: Of a graph, the names of tensors.
      seed: Of the graph that the function builds.
      feed_dict: More to feed, by the names of tensors.

    Attributes:
      graph: The graph.
      fed: The tensors that are fed.
      results: The tensors that are compared, by name.
      session: Where variables have their values.
      given: Whether the graph was given, and is not built here.

    Raises:
      TypeError: If the model is neither a function nor a graph, or has no outputs.
    """

    def __init__(
        self,
        model: Any,
        inputs: Any,
        outputs: Any,
        seed: int,
        feed_dict: Mapping[Any, Any] | None = None,
    ) -> None:
        """Build the graph, and start the session."""
        v1 = tensorflow().compat.v1
        self.graph: Any
        self.fed: list[Any]
        self.given: bool = isinstance(model, tensorflow().Graph)
        if is_plain_function(model):
            built = built_graph_of(model, inputs, seed)
            self.graph, result = built.graph, built.result
            self.fed = [placeholder for placeholder, _ in built.feeds]
            if outputs is not None:
                result = self._tensors(outputs)
        elif self.given:
            self.graph = model
            if not isinstance(inputs, Mapping) or outputs is None:
                raise TypeError(
                    "of a Graph inputs are a dict of arrays by names of tensors, "
                    "{'x:0': …}, and outputs= names the tensors to compare"
                )
            self.fed = [self.tensor(name) for name in inputs]
            result = self._tensors(outputs)
        else:
            raise TypeError(
                f"{model!r} is no model of TF1: give a function that builds a graph of "
                "tf.compat.v1 and returns its outputs, a tf.Graph, or the outputs that "
                "TF1 gave, recorded in a .npz file"
            )
        self.results: dict[str, Any] = named_results(result)
        self._more = {self.tensor(k): v for k, v in (feed_dict or {}).items()}
        self.session: Any = v1.Session(graph=self.graph, config=_config())
        self.feed(inputs)

    def close(self) -> None:
        """End the session."""
        self.session.close()

    def feed(self, inputs: Any) -> None:
        """Feed these inputs from now on."""
        values = [] if inputs is None else flat(as_arrays(inputs))
        self._feeds = {**dict(zip(self.fed, values, strict=True)), **self._more}

    def _tensors(self, names: Any) -> Any:
        if isinstance(names, str):
            return self.tensor(names)
        if isinstance(names, Mapping):
            return {key: self.tensor(name) for key, name in names.items()}
        return [self.tensor(name) for name in names]

    def tensor(self, name: Any) -> Any:
        """Return a tensor by its name, or by that of its operation.

        Raises:
          LookupError: If the graph has none.
        """
        if not isinstance(name, str):
            name = name.name
        full = name if ":" in name else f"{name}:0"
        try:
            return self.graph.get_tensor_by_name(full)
        except (KeyError, ValueError):
            near = nearest(name, [op.name for op in self.graph.get_operations()])
            raise LookupError(
                f"the TF1 graph has no tensor {full!r}; nearest are {near}"
            ) from None

    def run(self, fetches: Any) -> Any:
        """Return the values of tensors, for the inputs."""
        return self.session.run(fetches, self._feeds)

    def place(self, tensor: Any) -> int:
        """Return where a tensor comes in the order of the graph."""
        return self._places[tensor.op.name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {op.name: n for n, op in enumerate(self.graph.get_operations())}

    def candidates(self, scope: str, scopes: Sequence[str]) -> list[Any]:
        """Return the tensors that the layer of a scope may give, likeliest first."""
        return self._tensors_of_graph.of_scope(scope, scopes)

    @cached_property
    def _tensors_of_graph(self) -> GraphTensors:
        names = {tensor.name for tensor in self.results.values()}
        return GraphTensors(self.graph, self.fed, names)

    def constants(self) -> list[float]:
        """Return small numbers that stand in the graph, its epsilons among them."""
        import numpy as np

        found: set[float] = set()
        for op in self.graph.get_operations():
            if op.type.startswith("FusedBatchNorm"):
                found.add(float(np.float32(op.get_attr("epsilon"))))
            elif op.type == "Const" and op.outputs[0].shape.rank == 0:
                value = tensorflow().get_static_value(op.outputs[0])
                if value is not None and value.dtype.kind == "f" and 0 < value < 0.1:
                    found.add(float(value))
        return sorted(found)

    @property
    def variables(self) -> list[Any]:
        """The variables that are saved."""
        return variables_of_graph(self.graph)

    def start(self, checkpoint: CheckpointLike | None) -> None:
        """Give variables their values: those of a checkpoint, or random ones.

        Random ones are the initial values with noise, so that no bias is zero and no
        scale is one: a model that forgets them would go unnoticed.
        """
        self._initialize()
        if not self.variables:
            return
        if checkpoint is None:
            self._disturb()
            return
        with self.graph.as_default():
            live = LiveTarget(self.variables, counted=False)
            live.prefix = "the TF1 graph"
            restore(
                checkpoint,
                live,
                unused="drop",
                missing=OPTIONAL,
                session=self.session,
            )

    def _initialize(self) -> None:
        keys = tensorflow().compat.v1.GraphKeys
        local = self.graph.get_collection(keys.LOCAL_VARIABLES)
        tables = self.graph.get_collection(keys.TABLE_INITIALIZERS)
        self.session.run([v.initializer for v in (*self.variables, *local)])
        self.session.run(tables)

    def _disturb(self) -> None:
        import numpy as np

        random = np.random.default_rng(0)
        values = self.values()
        load(
            (
                (variable, _disturbed(value, random))
                for variable, (name, value) in zip(
                    self.variables, values.items(), strict=True
                )
                if value.dtype.kind == "f" and role_of(name, values) == "weight"
            ),
            self.session,
        )

    def values(self) -> dict[str, Array]:
        """Return the values of all variables, by name; parts singly."""
        variables = self.variables
        found = self.session.run(variables)
        names = [variable.name.partition(":")[0] for variable in variables]
        return dict(zip(names, found, strict=True))

    def saved(self) -> dict[str, Array]:
        """Return what a ``Saver`` would save now: partitioned variables whole."""
        import numpy as np

        with self.graph.as_default():
            live = LiveTarget(self.variables, counted=False)
        found: dict[str, Array] = {}
        for key, name in live.given_names.items():
            variable = live.variables[key]
            if not isinstance(variable, Parts):
                found[name] = self.session.run(variable)
                continue
            whole = np.empty(variable.shape, variable.dtype.as_numpy_dtype)
            for part, piece in variable.pieces(whole):
                piece[...] = self.session.run(part)
            found[name] = whole
        return found


def _config() -> Any:
    """Return a configuration under which every tensor of the graph can be fetched.

    TensorFlow's graph optimizer replaces a convolution and its batch norm by one
    operation, after which outputs of the second may be missing.
    """
    config = tensorflow().compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def _disturbed(value: Array, random: np.random.Generator) -> Array:
    # Upwards only: a variance must not become negative.
    return (value + random.uniform(0.0, 0.2, value.shape)).astype(value.dtype)


def named_results(result: Any, what: str = "output") -> dict[str, Any]:
    """Return tensors by name, however they were returned.

    Example:
      >>> named_results([1, 2]), named_results({"a": 1}), named_results(5)
      ({'output 0': 1, 'output 1': 2}, {'a': 1}, {'output': 5})
    """
    if isinstance(result, Mapping):
        return {str(name): value for name, value in result.items()}
    if isinstance(result, Sequence) and not isinstance(result, str):
        return {f"{what} {n}": value for n, value in enumerate(result)}
    return {what: result}


class Reference(Protocol):
    """TF1's side of a comparison.

    A tensor is an object with ``name`` and ``shape``.
    """

    @property
    def results(self) -> Mapping[str, Any]:
        """The tensors that are compared, by name."""
        ...

    def tensor(self, name: str) -> Any:
        """Return a tensor by its name; a LookupError if there is none."""
        ...

    def run(self, fetches: Any) -> Any:
        """Return the value of a tensor, or the values of a list of them."""
        ...

    def place(self, tensor: Any) -> int:
        """Return where a tensor comes in the order of the graph."""
        ...

    def candidates(self, scope: str, scopes: Sequence[str]) -> list[Any]:
        """Return the tensors that the layer of a scope may give, likeliest first."""
        ...

    def constants(self) -> list[float]:
        """Return small numbers that stand in the graph, if it is known."""
        ...
