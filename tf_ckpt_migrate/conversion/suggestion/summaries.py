"""Many names in few lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tf_ckpt_migrate.conversion.suggestion.numbers import series_name

__all__ = ["by_series", "whole_scopes"]


def by_series(names: Sequence[str]) -> list[str]:
    """Return one line for all names that differ in numbers only.

    Example:
      >>> by_series(["conv_1/bias", "conv_2/bias", "conv_3/bias", "head/bias"])
      ['conv_1/bias and 2 more of conv_#/bias', 'head/bias']
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(series_name(name), []).append(name)
    return [
        each[0]
        if len(each) == 1
        else f"{each[0]} and {len(each) - 1:,} more of {series}"
        for series, each in found.items()
    ]


_DEEPEST = 64


def whole_scopes(keys: Sequence[str], others: Iterable[str]) -> list[str]:
    """Return the largest scopes that hold ``keys`` and none of the others.

    Example:
      >>> whole_scopes(["net/aux/w", "net/aux/b", "b"], ["net/w"])
      ['net/aux/', 'b']
    """
    kept = {scope for key in others for scope in _scopes(key)}
    found = (
        next((scope for scope in _scopes(key) if scope not in kept), key)
        for key in keys
    )
    return list(dict.fromkeys(found))


def _scopes(key: str) -> list[str]:
    """Return the largest scopes around a key, the largest first.

    Each scope of a very deep name would cost all above it.
    """
    parts = key.split("/")[:-1][:_DEEPEST]
    return ["/".join(parts[: end + 1]) + "/" for end in range(len(parts))]
