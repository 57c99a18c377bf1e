"""Makes rules of renames: one for a scope that moved as a whole, or a numbered one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.matching import match
from tf_ckpt_migrate.names.plan_text import rename_pattern
from tf_ckpt_migrate.names.rules import Rename, RenameRegex, RenameScope

__all__ = ["RenamingRule", "renaming_rules", "rule_text"]

RenamingRule: TypeAlias = Rename | RenameScope | RenameRegex


def renaming_rules(
    renames: Mapping[str, str], keys: Collection[str]
) -> list[RenamingRule]:
    r"""Return the fewest rules that give names their new ones, and touch no other key.

    Args:
      renames: New names by old ones.
      keys: All names of the checkpoint that the rules will be asked about; any that is
        not renamed must fit no rule.

    Example:
      >>> keys = ["a/w", "a/b", "step", "layer_0/w", "layer_1/w"]
      >>> renames = {"a/w": "x/w", "a/b": "x/b", "layer_0/w": "0/k", "layer_1/w": "1/k"}
      >>> for rule in renaming_rules(renames, keys):
      ...     print(rule)
      RenameRegex('layer_(\\d+)/w', '\\g<1>/k')
      RenameScope('a/', 'x/')
    """
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for old, new in renames.items():
        groups[rename_pattern(old, new)].append(old)
    # The first rule that fits decides. So narrow rules may come before a wide one that
    # would be wrong for what they take; but a wide one first may leave them no work.
    sizes = sorted(groups, key=lambda pattern: len(groups[pattern]))
    orders = (sizes[::-1], sizes)
    made = [_made([(each, groups[each]) for each in o], renames, keys) for o in orders]
    return min(made, key=len)


def _made(
    groups: Sequence[tuple[tuple[str, str], Sequence[str]]],
    renames: Mapping[str, str],
    keys: Collection[str],
) -> list[RenamingRule]:
    rules: list[RenamingRule] = []
    left = set(keys)
    for pattern, olds in groups:
        rest = [old for old in olds if old in left]
        if len(rest) > 1 and (rule := _general(pattern, rest[0], renames, left)):
            rules.append(rule)
            left -= {*_fitting(rule, left)}
        rest = [old for old in olds if old in left]
        rules += [Rename(old, renames[old]) for old in rest]
        left -= {*rest}
    return rules


def _general(
    pattern: tuple[str, str],
    old: str,
    renames: Mapping[str, str],
    keys: Collection[str],
) -> RenameScope | RenameRegex | None:
    """Return the rule for most of a pattern's keys that does what it should to all."""
    best, most = None, 1
    for rule in (*_scopes(old, renames[old]), *_regexes(pattern)):
        taken = _fitting(rule, keys)
        right = all(rule.target_of(key) == renames.get(key) for key in taken)
        if right and len(taken) > most:
            best, most = rule, len(taken)
    return best


def _fitting(rule: RenameScope | RenameRegex, keys: Collection[str]) -> Sequence[str]:
    return [*match([rule], keys).decided]


def _scopes(old: str, new: str) -> list[RenameScope]:
    """Return the rules for the scopes of two names, the widest first."""
    one, other = old.split("/"), new.split("/")
    found: list[RenameScope] = []
    while len(one) > 1 and len(other) > 1 and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
        found.append(RenameScope("/".join(one), "/".join(other)))
    if one and other and one[-1] == other[-1]:  # one of them has no scope
        found.append(
            RenameScope("/".join(one[:-1]) or "/", "/".join(other[:-1]) or "/")
        )
    return found[::-1]


def _regexes(pattern: tuple[str, str]) -> list[RenameRegex]:
    """Return the rule that a pattern with ``*`` and ``#`` spells, if it can be one."""
    old, new = pattern
    wild = re.findall(r"[*#]", old)
    if sorted(wild) != sorted(re.findall(r"[*#]", new)) or not wild:
        return []
    source = "".join(
        {"*": "(.+)", "#": r"(\d+)"}.get(part, re.escape(part))
        for part in re.split(r"([*#])", old)
    )
    places = {mark: [n for n, w in enumerate(wild, 1) if w == mark] for mark in "*#"}

    def group(found: re.Match[str]) -> str:
        return rf"\g<{places[found[0]].pop(0)}>"

    target = re.sub(r"[*#]", group, new.replace("\\", r"\\"))
    try:
        return [RenameRegex(source.replace(r"\-", "-"), target)]
    except RuleError:  # a name that no pattern can spell
        return []


def rule_text(rule: object) -> str:
    """Return a rule as it is pasted into code.

    Example:
      >>> print(rule_text(RenameScope("net", "encoder")))
      tcm.RenameScope("net/", "encoder/"),
    """
    text = repr(rule)
    return f"tcm.{text if chr(34) in text else text.replace(chr(39), chr(34))},"
