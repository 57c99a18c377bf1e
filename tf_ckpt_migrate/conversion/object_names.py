"""Rules over the names of objects' tensors, by paths or by variables' own names.

Keras 3 saves the weights of a model below its optimizer, so that the path of one says
nothing (``optimizer/_trainable_variables/0``), while its name does (``dense/kernel``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.conversion.layout import (
    CheckpointView,
    layout_of,
    name_of_key,
    public_path,
)
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.rules import (
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

__all__ = ["over_keys", "over_names"]


def over_names(
    rules: Iterable[Rule],
    names: Mapping[str, str],
    full_names: Mapping[str, str],
    specs: Mapping[str, TensorSpec],
) -> AssignmentMap:
    """Return rules that go from the names of keys, whichever name they were given.

    Args:
      rules: From names, or from variables' own names where no name is so; also from
        names without the underscore that Keras 3 has before some attributes.
      names: By key.
      full_names: Of variables, by key.
      specs: By key.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType
      >>> specs = {"key": TensorSpec(DType.float32, ())}
      >>> known = {"key": "vars/0"}, {"key": "dense/kernel"}, specs
      >>> over_names([Rename("dense/kernel", "w"), RenameScope("dense/", "")], *known)
      AssignmentMap([Rename('vars/0', 'w'), Rename('vars/0', 'kernel')])
    """
    known = _Names(names, full_names, specs)
    return AssignmentMap(each for rule in rules for each in known.over(rule))


def over_keys(rules: AssignmentMap, reader: CheckpointView) -> AssignmentMap:
    """Return rules from keys, also where they name a variable or the path to it.

    A path may lack the underscore that Keras 3 has before some attributes.
    """
    if not rules or reader.object_graph is None:
        return rules
    specs, full_names = layout_of(reader).tensors, reader.object_graph.full_names()
    keys, paths = {key: key for key in specs}, {key: name_of_key(key) for key in specs}
    public = {key: public_path(path) for key, path in paths.items()}
    for names in (full_names, paths, public):
        rules = over_names(rules, keys, names, specs)
    return rules


def _spellings(key: str, name: str) -> tuple[str, ...]:
    """Return a name without the underscore of Keras 3, and with it if that is apart."""
    public, own = public_path(name), name_of_key(key)
    return (public, own) if public_path(own) == name else (public,)


class _Names:
    def __init__(
        self,
        names: Mapping[str, str],
        full_names: Mapping[str, str],
        specs: Mapping[str, TensorSpec],
    ) -> None:
        self.keys = {name: key for key, name in names.items()}
        self.by_key = {key: specs[key] for key in names}
        self.are_keys = all(name == key for key, name in names.items())
        count = Counter(full_names.get(key) for key in names)
        self.others: dict[str, str] = {}
        self.specs: dict[str, TensorSpec] = {}
        for key, name in names.items():
            other = full_names.get(key, "")
            if other and count[other] == 1 and other not in self.keys:
                self.others[other] = name
                self.specs[other] = specs[key]
        for key, name in names.items():
            for other in _spellings(key, name):
                if other not in self.keys and other not in self.others:
                    self.others[other] = name
                    self.specs[other] = specs[key]

    def over(self, rule: Rule) -> Iterable[Rule]:
        if isinstance(rule, Drop | Keep) and rule.role is not None:
            return [rule] if self.are_keys else self._by_role(rule, rule.role)
        if isinstance(rule, RenameRegex) and (found := self._fits_others(rule)):
            return found
        if isinstance(rule, RenameScope) and self._is_of_others(rule.source):
            start = len(rule.source)
            return [
                Rename(name, rule.target + other[start:], rule.transform)
                for other, name in self.others.items()
                if other.startswith(rule.source)
            ]
        if isinstance(rule, Recipe) and self._is_of_others(rule.source):
            rules: list[Rule] = rule.expanded(self.specs, None)
            return [each for made in rules for each in self.over(made)]
        return [self._renamed(rule)]

    def _fits_others(self, rule: RenameRegex) -> list[Rename]:
        """Return what a pattern means that fits only other names; else nothing."""
        fits = re.compile(rule.pattern).fullmatch
        if any(map(fits, self.keys)):
            return []
        matches = {name: fits(other) for other, name in self.others.items()}
        return [
            Rename(name, found.expand(rule.target), rule.transform)
            for name, found in matches.items()
            if found
        ]

    def _is_of_others(self, scope: str) -> bool:
        """Whether a scope is only one of variables' own names."""
        if not scope.endswith("/") or scope == "/":
            return False
        return any(name.startswith(scope) for name in self.others) and not any(
            name.startswith(scope) for name in self.keys
        )

    def _renamed(self, rule: Rule) -> Rule:
        if isinstance(rule, Combine):
            sources = [self.others.get(source, source) for source in rule.sources]
            return Combine(sources, {to: how for to, how in rule.targets if how})
        if isinstance(rule, Split) and rule.source in self.others:
            return Split(self.others[rule.source], dict(rule.targets))
        if isinstance(rule, Rename | Drop | Keep) and rule.source in self.others:
            return replace(rule, source=self.others[rule.source])
        return rule

    def _by_role(self, rule: Drop | Keep, role: str) -> list[Rule]:
        """Return a rule over roles, which only keys tell, as rules over names."""
        present = self.by_key
        found = [n for n, key in self.keys.items() if role_of(key, present) == role]
        if isinstance(rule, Drop):
            return [Drop(source=name, reason=rule.reason or role) for name in found]
        return [Keep(source=name) for name in found]
