"""Orders names as people do."""

from __future__ import annotations

import re

__all__ = ["by_numbers"]


def by_numbers(name: str) -> list[tuple[int, str]]:
    """Return what sorts a name as people do: by the numbers in it.

    Example:
      >>> sorted(["layer_10/", "layer_2/"], key=by_numbers)
      ['layer_2/', 'layer_10/']
    """
    return [
        _number(part) if part.isdecimal() else (-1, part)
        for part in re.findall(r"\d+|\D+", name)
    ]


def _number(digits: str) -> tuple[int, str]:
    """Return what sorts as a number does; ``int`` refuses thousands of digits."""
    digits = digits.lstrip("0")
    return len(digits), digits
