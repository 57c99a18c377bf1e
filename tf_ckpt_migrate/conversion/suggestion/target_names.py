"""By which names rules may call a target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeAlias

from tf_ckpt_migrate.conversion.suggestion.items import Side

__all__ = ["Names", "names_in"]

# Gives the names that rules may call a key by.
Names: TypeAlias = Callable[[str], tuple[str, ...]]


def names_in(side: Side) -> Names:
    """Return what gives the names of a key: what its program called it comes first."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, key in side.aliases.items():
        if "/.ATTRIBUTES" not in name:
            found[key].append(name)
    own = {item.key: item.names[-1] for item in side.weights}

    def names(key: str) -> tuple[str, ...]:
        ordered = sorted(
            found.get(key, ()), key=lambda n: (n != own.get(key), len(n), n)
        )
        return tuple(ordered) or (key,)

    return names
