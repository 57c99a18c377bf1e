"""Names that Keras numbers by itself: ``dense``, ``dense_1``, ``sequential_3/dense_7``.

Such a number depends on what the process created before, so the same layer may be
``dense`` in one program and ``dense_7`` in another. Two sides are compared as a whole:
the layers of one base name correspond by rank if both sides have equally many of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["NumberedNames"]

_NUMBERED = re.compile(r"(.*?)(?:_(\d{1,18}))?", re.DOTALL)
# Every part of a deeper name would cost all scopes above it; no program has one.
_DEEPEST = 64
_Numbers = Mapping[str, Sequence[int]]  # -1 for a name without a number


class NumberedNames:
    """The variable names of two sides, brought to one numbering.

    Args:
      source: The names on one side.
      target: The names on the other.

    Example:
      >>> names = NumberedNames(["dense/w", "dense_1/w"], ["dense_4/w", "dense_5/w"])
      >>> names.of_source("dense_1/w") == names.of_target("dense_5/w")
      True
    """

    def __init__(self, source: Iterable[str], target: Iterable[str]) -> None:
        """Collect the numbers after each base name."""
        self._source = _numbers(source)
        self._target = _numbers(target)

    def of_source(self, name: str) -> str | None:
        """Return a name in the common numbering; None if it has no counterpart."""
        return self._common(name, self._source, self._target)

    def of_target(self, name: str) -> str | None:
        """Return a name in the common numbering; None if it has no counterpart."""
        return self._common(name, self._target, self._source)

    def is_given(self, name: str) -> bool:
        """Return whether every part of a name was chosen by its program."""
        return all(
            len(self._source[base]) < 2 or self._is_series(base)
            for base, _, _ in _parts(name)
            if base in self._source
        )

    def _common(self, name: str, own: _Numbers, other: _Numbers) -> str | None:
        if not name:
            return None
        parts: list[str] = []
        for base, last, number in _parts(name):
            mine, theirs = own[base], other.get(base, ())
            if mine == theirs or self._is_series(base):
                parts.append(f"{last}_{number}")
            elif len(mine) == len(theirs):
                parts.append(f"{last}#{mine.index(number)}")
            else:
                return None
        return "/".join(parts)

    def _is_series(self, base: str) -> bool:
        """Return whether a program has numbered names itself: ``layer_1``, ``layer_2``.

        Keras gives the first one no number.
        """
        mine, theirs = self._source.get(base, [-1]), self._target.get(base, [-1])
        return mine[0] == theirs[0] != -1


def _parts(name: str) -> Iterator[tuple[str, str, int]]:
    """Yield for each part of a name its scope and base, its base, and its number."""
    if name.count("/") > _DEEPEST:
        yield name, name, -1
        return
    scope = ""
    for part in name.split("/"):
        match = _NUMBERED.fullmatch(part)
        base, number = (match[1], match[2]) if match else (part, None)
        yield f"{scope}{base}", base, -1 if number is None else int(number)
        scope += f"{base}/"


def _numbers(names: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for name in filter(None, names):
        for base, _, number in _parts(name):
            found[base].add(number)
    return {base: sorted(numbers) for base, numbers in found.items()}
