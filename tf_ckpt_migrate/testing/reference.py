"""TF1's side of a comparison: a graph that runs, or what one has given elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["Reference"]


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
