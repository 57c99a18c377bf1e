"""Hints for messages: the nearest names, the transform that would fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import permutations

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import nearest
from tf_ckpt_migrate.transforms import Cast, Reshape, Transform, Transpose

__all__ = ["Hints", "fitting_transform"]

# Comparing two names takes tens of microseconds: a message shall not take seconds.
_COMPARED = 500
_MAX_RANK = 5  # of transpositions tried


class Hints:
    """Finds the nearest of many names, looking first at those with the same last part.

    Args:
      names: The names that exist; by their specs where these are known.

    Example:
      >>> Hints(["encoder/w", "encoder/b"]).nearest("bert/encoder/w")
      ['encoder/w']
    """

    def __init__(self, names: Iterable[str] | Mapping[str, TensorSpec]) -> None:
        """Keep the names; they are sorted into groups when first asked."""
        self._names = names
        self._specs: Mapping[str, TensorSpec] | None = (
            names if isinstance(names, Mapping) else None
        )
        self._by_leaf: dict[str, list[str]] = {}

    def nearest(self, name: str, spec: TensorSpec | None = None) -> list[str]:
        """Return up to three of the names that look most like ``name``.

        Args:
          name: The name.
          spec: The dtype and shape that the others must have, as they are or by one
            simple transform; None for any.
        """
        if not self._by_leaf:
            by_leaf: dict[str, list[str]] = defaultdict(list)
            for other in self._names:
                by_leaf[_leaf(other)].append(other)
            self._by_leaf = dict(by_leaf)
        same = self._fitting(self._by_leaf.get(_leaf(name), []), spec)
        return nearest(name, _closest(name, same or self._fitting(self._names, spec)))

    def _fitting(self, names: Iterable[str], spec: TensorSpec | None) -> Iterable[str]:
        """Return the names whose tensors could be that of ``spec``."""
        specs = self._specs
        if specs is None or spec is None:
            return names
        return [
            name
            for name in names
            if specs[name] == spec or fitting_transform(specs[name], spec) is not None
        ]


def _leaf(name: str) -> str:
    name = name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
    return name.rpartition("/")[2]


def _closest(name: str, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda other: abs(len(other) - len(name)))[:_COMPARED]


def fitting_transform(given: TensorSpec, wanted: TensorSpec) -> Transform | None:
    """Return one transform that makes ``wanted`` of ``given``, if a simple one does.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> f32 = DType.float32
      >>> fitting_transform(TensorSpec(f32, (2, 3)), TensorSpec(f32, (3, 2)))
      Transpose(perm=(1, 0))
    """
    if given.dtype != wanted.dtype:
        numeric = given.dtype.name != "string" != wanted.dtype.name
        return Cast(wanted.dtype) if given.shape == wanted.shape and numeric else None
    if sorted(given.shape) == sorted(wanted.shape) and len(given.shape) <= _MAX_RANK:
        for perm in permutations(range(len(given.shape))):
            if tuple(given.shape[axis] for axis in perm) == wanted.shape:
                return Transpose(perm)
    return Reshape(wanted.shape) if given.size == wanted.size else None
