"""Why names were not found, most likely: what they are called in the checkpoint."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import nearest

__all__ = ["Cause", "likely_causes"]

_LOOKED_AT = 300  # names: a hint must not cost more than the work it explains
_COMPARED = 300
_NUMBER = re.compile(r"_\d+(?=/|$)")


class Cause(NamedTuple):
    """Why names were not found, most likely.

    Attributes:
      text: The cause.
      source: What an assignment map would take: a name, or a scope ending in ``/``.
      target: What it would assign it to.
    """

    text: str
    source: str
    target: str


def likely_causes(
    unmet: Mapping[str, TensorSpec | None], free: Mapping[str, TensorSpec]
) -> list[Cause]:
    """Return what would lead from tensors to the names that lack one, best first.

    Args:
      unmet: The names that lack a tensor, each with the dtype and shape that it needs,
        where these are known.
      free: The tensors that have no other place.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> likely_causes({"net/a/w": spec}, {"a/w": spec})[0][1:]
      ('/', 'net/')
    """
    by_leaf: defaultdict[str, list[str]] = defaultdict(list)
    for name in free:
        by_leaf[_leaf(name)].append(name)
    causes: Counter[tuple[str, str]] = Counter()
    for name, spec in list(unmet.items())[:_LOOKED_AT]:
        alike = [
            other
            for other in by_leaf.get(_leaf(name), ())
            if spec is None or free[other] == spec
        ]
        if alike:
            causes[_scopes(_most_alike(name, alike), name)] += 1
    return [Cause(_text(*scopes), *scopes) for scopes, _ in causes.most_common()]


def _leaf(name: str) -> str:
    return _unnumbered(name).rpartition("/")[2]


def _unnumbered(name: str) -> str:
    return _NUMBER.sub("", name)


def _most_alike(name: str, others: list[str]) -> str:
    """Return the name that shares the most last parts; numbers count less."""
    wanted = _unnumbered(name)
    most = max(_shared(_unnumbered(other), wanted) for other in others)
    best = [each for each in others if _shared(_unnumbered(each), wanted) == most]
    return next(iter(nearest(name, best[:_COMPARED])), best[0])


def _shared(one: str, other: str) -> int:
    """Return how many last parts two names share."""
    parts = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    count = 0
    for a, b in parts:
        if a != b:
            break
        count += 1
    return count


def _scopes(source: str, target: str) -> tuple[str, str]:
    """Return what is left of both without the last parts that they share."""
    count = _shared(source, target)
    if not count:
        return source, target
    sides = (name.split("/")[:-count] for name in (source, target))
    first, second = ("/".join([*side, ""]) or "/" for side in sides)
    return first, second


def _text(source: str, target: str) -> str:
    if source == "/":
        return f"the variables are in a scope {target!r} that the checkpoint lacks"
    if target == "/":
        return f"the checkpoint has them in a scope {source!r} that the model lacks"
    if _unnumbered(source) == _unnumbered(target):
        return (
            f"numbers in names differ, {source!r} and {target!r}, as when layers or "
            "variables are made in another order, or once more in one process"
        )
    return f"the checkpoint has {source!r} for {target!r}"
