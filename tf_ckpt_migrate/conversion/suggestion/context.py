"""What stands together on one side stands together on the other.

A scope is what begins with the same words: ``bert/encoder/layer_3``, but also
``conv2_block1``, which no slash sets off. Two scopes are alike as far as what is in
them matches; a pair gains by every two scopes around it that are alike. Scores and
likeness are worked out in turn, so that a few sure pairs settle their neighbours; where
two scopes cannot be told apart, neither gains, and the doubt stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tf_ckpt_migrate.conversion.suggestion.linear import Floats, Sparse, sparse

__all__ = ["Context"]


class Context:
    """The scopes of both sides.

    Args:
      sources: Of each source, its names as words.
      targets: Of each target, its names as words.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[tuple[str, ...]]],
        targets: Sequence[Sequence[tuple[str, ...]]],
    ) -> None:
        """Find the scopes."""
        self._ours, self._theirs = _Scopes(sources), _Scopes(targets)

    def of(self, likely: Floats) -> Floats:
        """Return from 0 to about 1 how alike the surroundings of every pair are.

        Args:
          likely: How likely every pair is.
        """
        ours, theirs = self._ours, self._theirs
        common = ours.within.T.between(likely, theirs.within.T)
        sizes = ours.sizes[:, None] + theirs.sizes[None, :]
        alike = 2 * common / sizes
        found = ours.around.between(alike * alike, theirs.around)
        return found / np.sqrt(ours.weights[:, None] * theirs.weights[None, :])


class _Scopes:
    """The scopes of one side: what is in each, and what is around each item."""

    def __init__(self, names: Sequence[Sequence[tuple[str, ...]]]) -> None:
        found: dict[tuple[str, ...], set[int]] = {}
        for item, each in enumerate(names):
            for words in each:
                for end in range(1, len(words)):
                    found.setdefault(words[:end], set()).add(item)
        groups = {
            tuple(sorted(group))
            for group in found.values()
            if 2 <= len(group) < max(3, len(names))
        }
        ordered = sorted(groups)
        shape = len(names), len(ordered)
        sizes = [len(group) for group in ordered]
        cells = [(item, at) for at, group in enumerate(ordered) for item in group]
        self.within: Sparse = sparse([(i, at, 1.0) for i, at in cells], *shape)
        # The closest scope says most.
        self.around: Sparse = sparse(
            [(i, at, sizes[at] ** -0.5) for i, at in cells], *shape
        )
        self.sizes: Floats = np.array(sizes or [1], np.float64)
        weights = np.zeros(len(names))
        for item, at in cells:
            weights[item] += sizes[at] ** -0.5
        self.weights: Floats = np.maximum(weights, 1e-9)
