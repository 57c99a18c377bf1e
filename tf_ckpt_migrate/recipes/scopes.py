"""How scopes are given to recipes."""

from __future__ import annotations

from tf_ckpt_migrate.errors import RuleError

__all__ = ["start_of"]


def start_of(scope: str) -> str:
    """Return how the names in a scope begin.

    Raises:
      RuleError: If it does not end in ``/``.

    Example:
      >>> start_of("net/"), start_of("/")
      ('net/', '')
    """
    if not scope.endswith("/"):
        raise RuleError(f"{scope!r} is no scope, which ends in '/'; '/' is everything")
    return "" if scope == "/" else scope
