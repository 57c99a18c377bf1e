"""Pairs of an assignment map, in TensorFlow's syntaxes, read as rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules.joints import Bind, Split
from tf_ckpt_migrate.names.rules.kinds import RULES, Rule
from tf_ckpt_migrate.names.rules.renames import Rename, RenameScope

__all__ = ["rule_of"]


def rule_of(entry: object) -> Rule:
    """Return the rule that a pair of source and target stands for, or the rule itself.

    Raises:
      RuleError: If it is neither.

    Example:
      >>> rule_of(("bert/", "encoder/"))
      RenameScope('bert/', 'encoder/')
    """
    if isinstance(entry, RULES):
        return entry
    pair = cast(Sequence[object], entry)
    if isinstance(entry, str) or not isinstance(entry, Sequence) or len(pair) != 2:
        raise RuleError(
            f"{entry!r} is neither a rule nor a pair (source, target); give a dict, a "
            "list of pairs, or rules such as Rename('a/w', 'b/kernel')"
        )
    source, target = pair
    if not isinstance(source, str) or not source:
        raise RuleError(
            f"{source!r}: the source of an assignment is a key of the checkpoint, or a "
            "scope ending in '/'; for everything write '/'"
        )
    if isinstance(target, str):
        return _rename(source, target)
    return _bound(source, target)


def _bound(source: str, target: object) -> Split | Bind:
    """Return the rule for several names, or for variable objects."""
    parts: Sequence[object] = (
        cast(Sequence[object], target) if isinstance(target, list | tuple) else [target]
    )
    if not parts or target is None:
        raise RuleError(
            f"{source!r} is assigned {target!r}; to leave it behind write "
            f"Drop({source!r})"
        )
    if source.endswith("/"):
        raise RuleError(
            f"scope {source!r} must be assigned a scope such as 'other_scope/', not "
            f"{target!r}"
        )
    names = [part for part in parts if isinstance(part, str)]
    if not names:
        return Bind(source, tuple(parts))
    if len(names) < len(parts):
        raise RuleError(
            f"{source!r} is assigned names and variables together: {target!r}"
        )
    return Split(source, names)


def _rename(source: str, target: str) -> Rename | RenameScope:
    if source.endswith("/") != target.endswith("/"):
        name, scope = sorted([source, target], key=lambda side: side.endswith("/"))
        raise RuleError(
            f"{source!r}: {target!r} assigns between the scope {scope!r} and the name "
            f"{name!r}; write {source.rstrip('/') + '/'!r}: "
            f"{target.rstrip('/') + '/'!r} for every tensor of a scope, or leave the "
            "final '/' out on both sides for one tensor"
        )
    if source.endswith("/"):
        return RenameScope(source, target)
    return Rename(source, target)
