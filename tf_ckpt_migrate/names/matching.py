"""Which rule decides about which key: the first that fits it.

Keys are looked at rule by rule, not key by key: a name is one lookup, a scope a range
of the sorted keys, so that a thousand rules over a million keys stay cheap. Only a
pattern or a role looks at every key. A tensor that goes by several names (its key, the
name of its variable, paths of attributes) is fitted by a rule that fits any of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules import (
    Bind,
    Combine,
    Drop,
    Keep,
    Recipe,
    Rename,
    RenameRegex,
    RenameScope,
    Rule,
    Split,
)
from tf_ckpt_migrate.naming.slots import role_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.naming.catalog import TensorCatalog

__all__ = ["Matching", "match"]


@dataclass
class Matching:
    """The outcome of matching rules and keys.

    Attributes:
      decided: For each key that a rule fits, the position of the first that does.
      won: For each rule, how many keys it decides about.
      lost: For each rule that fits keys of earlier ones, how many of which.
      ambiguous: For each rule that gives a name of several tensors, the name.
    """

    decided: dict[str, int] = field(default_factory=dict[str, int])
    won: list[int] = field(default_factory=list[int])
    lost: dict[int, Counter[int]] = field(default_factory=dict[int, Counter[int]])
    ambiguous: dict[int, str] = field(default_factory=dict[int, str])


def match(
    rules: Iterable[Rule],
    keys: Collection[str],
    catalog: TensorCatalog | None = None,
    *,
    keys_first: bool = False,
) -> Matching:
    """Return which rule decides about which of ``keys``.

    Args:
      rules: The rules, first match wins.
      keys: All keys of the source, a set or mapping.
      catalog: Their other names and their roles; None if they have only keys.
      keys_first: Whether other names count only for a rule that fits no key: where the
        result has no keys of its own, rules say what becomes of keys.

    Raises:
      RuleError: If a rule names a variable by object.

    Example:
      >>> match([Rename("a/w", "c"), RenameScope("a", "b")], {"a/w": 0, "a/x": 0}).won
      [1, 1]
    """
    result = Matching()
    decided = result.decided
    ordered = sorted(keys)
    rules = tuple(rules)
    names: Mapping[str, Sequence[str]] = {}
    if catalog is not None and rules:
        names = catalog.other_names
    ordered_names = sorted(names)

    for position, rule in enumerate(rules):
        won = 0
        if isinstance(rule, Drop | Keep) and rule.role is not None:
            fitting: Collection[str] = _in_role(rule.role, keys, catalog)
        else:
            fitting = _fitting(rule, keys, ordered)
        is_open = not (keys_first and fitting)
        if names and is_open and getattr(rule, "role", None) is None:
            others = _fitting(rule, names, ordered_names)
            if _is_exact(rule) and any(len(names[name]) > 1 for name in others):
                result.ambiguous[position] = next(
                    n for n in others if len(names[n]) > 1
                )
            found = (key for name in others for key in names[name] if key in keys)
            fitting = dict.fromkeys((*fitting, *found))
        for key in fitting:
            first = decided.setdefault(key, position)
            if first == position:
                won += 1
            else:
                result.lost.setdefault(position, Counter())[first] += 1
        result.won.append(won)
    return result


def _fitting(rule: Rule, keys: Collection[str], ordered: list[str]) -> Sequence[str]:
    """Return the keys that ``rule`` fits, whatever other rules say."""
    if isinstance(rule, (Rename, Split)):
        return [rule.source] if rule.source in keys else []
    if isinstance(rule, Bind):
        raise RuleError(
            f"{rule!r} names a variable by object, which only a call that has the "
            "model can resolve; use tcm.restore or tcm.init_from_checkpoint, or name "
            "the variable in the map"
        )
    if isinstance(rule, Combine):
        return [source for source in rule.sources if source in keys]
    if isinstance(rule, Recipe):  # what it will come to lies there
        return _scope(rule.source, ordered) if rule.source.endswith("/") else []
    if isinstance(rule, RenameScope):
        return _scope(rule.source, ordered)
    if isinstance(rule, RenameRegex):
        return _pattern(rule.pattern, ordered)
    return _choice(rule, keys, ordered)


def _in_role(
    role: str, keys: Collection[str], catalog: TensorCatalog | None
) -> list[str]:
    """Return the keys of the tensors that have a role."""
    if catalog is None:
        return [key for key in keys if role_of(key, keys) == role]
    return [key for key in keys if catalog.role_of(key) == role]


def _is_exact(rule: Rule) -> bool:
    """Return whether a rule spells out whole names."""
    if isinstance(rule, Drop | Keep):
        return bool(rule.source) and not rule.source.endswith("/")
    return isinstance(rule, Rename | Split | Combine)


def _choice(rule: Drop | Keep, keys: Collection[str], ordered: list[str]) -> list[str]:
    if rule.pattern is not None:
        return _pattern(rule.pattern, ordered)
    source = rule.source or ""
    if source.endswith("/"):
        return _scope("" if source == "/" else source, ordered)
    return [source] if source in keys else []


def _pattern(pattern: str, ordered: list[str]) -> list[str]:
    fits = re.compile(pattern).fullmatch
    return [key for key in ordered if fits(key)]


def _scope(scope: str, ordered: list[str]) -> list[str]:
    if not scope:
        return ordered
    # What starts with "a/" lies between "a/" and "a0": "0" is the character after "/".
    start = bisect_left(ordered, scope)
    return ordered[start : bisect_left(ordered, scope[:-1] + "0", start)]
