"""The one door to SciPy, which has no types: sparse products, and assignment.

SciPy is loaded only when a map is suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Sparse", "assigned", "sparse"]

Floats: TypeAlias = NDArray[np.float64]


class Sparse:
    """A matrix of few entries, to be multiplied with full ones."""

    def __init__(self, matrix: Any) -> None:
        """Take SciPy's own."""
        self._matrix = matrix

    @property
    def T(self) -> Sparse:  # noqa: N802 as arrays call it
        """The matrix transposed."""
        return Sparse(self._matrix.T.tocsr())

    def times(self, full: Floats) -> Floats:
        """Return this times a full matrix."""
        return np.asarray(self._matrix @ full, np.float64)

    def between(self, full: Floats, other: Sparse) -> Floats:
        """Return this times a full matrix times another's transpose."""
        right = other.times(np.ascontiguousarray(full.T)).T
        return self.times(np.ascontiguousarray(right))

    def gram(self, other: Sparse) -> Floats:
        """Return this times another's transpose."""
        product = self._matrix @ other._matrix.T
        return np.asarray(product.toarray(), np.float64)


def sparse(
    entries: Sequence[tuple[int, int, float]], rows: int, columns: int
) -> Sparse:
    """Return a matrix of the entries (row, column, value).

    Example:
      >>> sparse([(0, 1, 2.0)], 1, 2).times(np.ones((2, 1)))
      array([[2.]])
    """
    matrices = import_module("scipy.sparse")
    at = [[row for row, _, _ in entries], [column for _, column, _ in entries]]
    values = [value for _, _, value in entries]
    return Sparse(
        matrices.csr_matrix((values, at), shape=(rows, max(1, columns)), dtype=float)
    )


def assigned(scores: Floats) -> list[tuple[int, int]]:
    """Return the pairs of rows and columns whose scores have the largest sum.

    Example:
      >>> assigned(np.array([[2.0, 3.0], [0.0, 3.0]]))
      [(0, 0), (1, 1)]
    """
    solver = import_module("scipy.optimize")
    # Without memory for its copies the solver ends the process; NumPy raises an error.
    np.empty((3, scores.size))
    rows, columns = solver.linear_sum_assignment(scores, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
