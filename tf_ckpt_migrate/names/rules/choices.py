"""Rules that choose keys to leave behind, or to carry over as they are."""

from __future__ import annotations

from dataclasses import dataclass

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules.renames import call, compiled
from tf_ckpt_migrate.naming.slots import ROLES

__all__ = ["Drop", "Keep"]


@dataclass(frozen=True)
class Drop:
    """Leaves keys behind on purpose.

    Attributes:
      source: A name, or a scope ending in ``/``; ``"/"`` is everything.
      pattern: In its place, a regular expression that must fit the whole key.
      role: In its place, what the keys are to training: ``"slot"``, ``"average"``,
        ``"step"``, ``"optimizer"``, ``"bookkeeping"`` or ``"weight"``.
      reason: Why, for whoever reads the plan.

    Raises:
      RuleError: Unless exactly one of ``source``, ``pattern`` and ``role`` is given,
        and is well formed.

    Example:
      >>> Drop("global_step"), Drop("adam/"), Drop(role="slot")
      (Drop('global_step'), Drop('adam/'), Drop(role='slot'))
    """

    source: str | None = None
    pattern: str | None = None
    role: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Check the choice of keys."""
        _check_choice(self)

    def __repr__(self) -> str:
        return _choice_repr("Drop", self)

    def reversed(self) -> None:
        """Return None: what was dropped cannot be brought back by a rule."""


@dataclass(frozen=True)
class Keep:
    """Carries keys over under their own names on purpose.

    Attributes:
      source: A name, or a scope ending in ``/``; ``"/"`` is everything.
      pattern: In its place, a regular expression that must fit the whole key.
      role: In its place, what the keys are to training, as in `Drop`.

    Raises:
      RuleError: Unless exactly one of them is given, and is well formed.

    Example:
      >>> Keep(pattern=r".*/bias")
      Keep(pattern='.*/bias')
    """

    source: str | None = None
    pattern: str | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        """Check the choice of keys."""
        _check_choice(self)

    def __repr__(self) -> str:
        return _choice_repr("Keep", self)

    def reversed(self) -> Keep:
        """Return the rule itself: a kept key has the same name on both sides."""
        return self


def _check_choice(rule: Drop | Keep) -> None:
    given = [
        word
        for word in ("source", "pattern", "role")
        if getattr(rule, word) is not None
    ]
    if len(given) != 1:
        raise RuleError(
            f"{type(rule).__name__} takes a name, a scope ending in '/', or one of "
            f"pattern= and role=; it was given {given or 'nothing'}"
        )
    if rule.source == "":
        raise RuleError(f"{rule!r}: the empty name is no key; '/' is everything")
    if rule.pattern is not None:
        compiled(rule.pattern, rule)
    if rule.role is not None and rule.role not in ROLES:
        raise RuleError(f"{rule!r}: the roles are {', '.join(ROLES)}")


def _choice_repr(name: str, rule: Drop | Keep) -> str:
    if rule.source is not None:
        return call(name, rule.source)
    return call(name, pattern=rule.pattern, role=rule.role)
