"""Finds the tensors of a TF1 graph that can be compared with the output of a layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from tf_ckpt_migrate.testing.record_tf1 import downstream_operations, float_outputs

__all__ = ["GraphTensors"]

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
