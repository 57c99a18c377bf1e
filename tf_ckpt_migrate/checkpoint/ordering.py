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
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
