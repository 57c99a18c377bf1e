"""Why names were not found, most likely: what they are called in the checkpoint."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import nearest

__all__ = ["Cause", "likely_causes"]

_LOOKED_AT = 100  # names: a hint must not cost more than the work it explains
_COMPARED = 50
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
    missing: Mapping[str, TensorSpec | None], free: Mapping[str, TensorSpec]
) -> list[Cause]:
    """Return what would lead from tensors to the names that lack one, best first.

    Args:
      missing: The names that lack a tensor, each with the dtype and shape that it
        needs, where these are known.
      free: The tensors that have no other place.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> spec = TensorSpec(DType.float32, (2,))
      >>> likely_causes({"net/a/w": spec}, {"a/w": spec})[0][1:]
      ('/', 'net/')
    """
    by_end = _by_end(free)
    causes: Counter[tuple[str, str]] = Counter()
    for name, spec in list(missing.items())[:_LOOKED_AT]:
        for end in _ends(name):
            alike = [
                other
                for other in by_end.get(end, ())
                if spec is None or free[other] == spec
            ][:_COMPARED]
            if alike:
                best = next(iter(nearest(name, alike)), alike[0])
                causes.update({_scopes(other, name) for other in alike})
                causes[_scopes(best, name)] += 1
                break
    found = [Cause(_text(*scopes), *scopes) for scopes, _ in causes.most_common()]
    return _compatible(found, missing, free)


def _compatible(
    causes: Iterable[Cause],
    missing: Mapping[str, TensorSpec | None],
    free: Mapping[str, TensorSpec],
) -> list[Cause]:
    """Return the causes that fit all shapes and give each name one tensor."""
    found: list[Cause] = []
    sources, explained = set[str](), set[str]()
    for cause in causes:
        names = _explained(cause, missing, free)
        if names - explained and cause.source not in sources:
            found.append(cause)
            sources.add(cause.source)
            explained |= names
    return [each for each in found if _is_only(each, found)]


def _explained(
    cause: Cause,
    missing: Mapping[str, TensorSpec | None],
    free: Mapping[str, TensorSpec],
) -> set[str]:
    """Return the names that get a tensor; none if one would get another shape."""
    source, target = (each.removeprefix("/") for each in cause[1:])
    found: set[str] = set()
    for name, spec in missing.items():
        other = source + name[len(target) :]
        if name.startswith(target) and other in free:
            if spec is not None and free[other] != spec:
                return set()
            found.add(name)
    return found


def _is_only(cause: Cause, causes: Iterable[Cause]) -> bool:
    """Return whether it is the first of those that lead to its target."""
    return next(each for each in causes if each.target == cause.target) is cause


def _by_end(names: Iterable[str]) -> Mapping[str, list[str]]:
    """Return names by what they end with."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        for end in _ends(name):
            found[end].append(name)
    return found


def _ends(name: str) -> Iterator[str]:
    """Yield the last parts of a name without numbers, from all of them to one."""
    end = _NUMBER.sub("", name)
    while end:
        yield end
        end = end.partition("/")[2]


def _shared(one: str, other: str) -> int:
    """Return how many last parts two names share."""
    parts = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return len([*takewhile(lambda pair: pair[0] == pair[1], parts)])


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
    if _NUMBER.sub("", source) == _NUMBER.sub("", target):
        return (
            f"numbers in names differ, {source!r} and {target!r}, as when layers or "
            "variables are made in another order, or once more in one process"
        )
    return f"the checkpoint has {source!r} for {target!r}"
