"""The assignment map: rules in order, read from TensorFlow's syntaxes or given as such.

Direction is that of ``tf.compat.v1.train.init_from_checkpoint``: checkpoint to model.
The first rule that fits a key decides; what it gives is not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules import (
    RULES,
    Bind,
    Recipe,
    Rename,
    RenameScope,
    Rule,
    Split,
)
from tf_ckpt_migrate.names.rules import config as rule_config
from tf_ckpt_migrate.names.rules.recipe import Ruled

__all__ = ["AssignmentMap", "AssignmentMapLike"]


class AssignmentMap:
    """An immutable sequence of rules, source to target.

    Args:
      rules: A mapping or a list of pairs in TensorFlow's syntaxes, or a list in which
        rules stand as such::

            {"old_scope/": "new_scope/",   every key of a scope
             "old/w": "new/kernel",        one key
             "/": "scope/",                every key, below a scope
             "old/b": variable,            a live variable (or a list of its parts)
             "old/e": ["a/e", "b/e"]}      one key to several targets

      notes: What a reader of a plan should know of them.

    Attributes:
      notes: The notes; no part of equality.

    Raises:
      RuleError: If an entry is none of these.

    Example:
      >>> AssignmentMap({"bert/": "encoder/", "step": "global_step"})
      AssignmentMap([RenameScope('bert/', 'encoder/'), Rename('step', 'global_step')])
    """

    __slots__ = ("_rules", "notes")

    def __init__(
        self, rules: AssignmentMapLike | None = None, notes: Sequence[str] = ()
    ) -> None:
        """Read ``rules`` into one sequence."""
        self.notes: tuple[str, ...] = tuple(notes)
        entries: Any = rules or ()
        if isinstance(rules, Mapping):
            entries = cast(Mapping[str, Any], rules).items()
        if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
            if hasattr(entries, "assignment_map"):
                kind = type(entries).__name__
                raise RuleError(f"a {kind} is no map, but has one: .assignment_map")
            raise RuleError(
                f"{rules!r} is no assignment map; give a dict, a list of pairs, or "
                "rules such as Rename('a/w', 'b/kernel')"
            )
        self._rules: tuple[Rule, ...] = tuple(map(_rule, cast(Iterable[Any], entries)))

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AssignmentMap) and self._rules == other._rules

    def __hash__(self) -> int:
        return hash(self._rules)

    def __repr__(self) -> str:
        return f"AssignmentMap([{', '.join(map(repr, self._rules))}])"

    def __str__(self) -> str:
        return "\n".join(map(repr, self._rules)) or "no rules: names stay as they are"

    def reversed(self) -> AssignmentMap:
        """Return the map from target to source; what is dropped has no way back.

        Raises:
          RuleError: If a rule has no inverse by itself; then reverse the plan.

        Example:
          >>> AssignmentMap({"bert/": "encoder/"}).reversed()
          AssignmentMap([RenameScope('encoder/', 'bert/')])
        """
        rules = [rule.reversed() for rule in self._rules]
        return AssignmentMap([rule for rule in rules if rule is not None])

    def with_averages(self, use: str | None) -> AssignmentMap:
        """Return the map in which variables are to have their averages, or not.

        Args:
          use: ``"raw"``, ``"average"`` or ``"both"``, as of the recipe ``"averages"``;
            None leaves the map as it is.

        Example:
          >>> AssignmentMap({"net/": "model/"}).with_averages("average").to_config()[0]
          {'recipe': 'averages', 'source': '/', 'target': '/', 'use': 'average'}
        """
        if use is None:
            return self
        return AssignmentMap([Recipe("averages", "/", "/", use=use), *self._rules])

    def with_names(
        self, name_of: Callable[[tuple[Any, ...]], str | Sequence[str]]
    ) -> AssignmentMap:
        """Return the map with names in place of variable objects.

        Args:
          name_of: Takes the variable, or the parts of a partitioned one, as a tuple;
            returns the one name, or several when each is a target of its own.

        Example:
          >>> AssignmentMap({"w": object()}).with_names(lambda parts: "net/w")
          AssignmentMap([Rename('w', 'net/w')])
        """
        return AssignmentMap(
            [
                _rule((rule.source, name_of(rule.targets)))
                if isinstance(rule, Bind)
                else rule
                for rule in self._rules
            ]
        )

    def expanded(
        self,
        specs: Mapping[str, TensorSpec],
        targets: Mapping[str, TensorSpec] | None = None,
    ) -> AssignmentMap:
        """Return the map with the rules that recipes stand for in their place.

        Args:
          specs: The tensors of the checkpoint, by name.
          targets: The places to fill, by name; None if any name will do.

        Raises:
          RuleError: If there is no such recipe.
          PlanError: If the tensors are none that a recipe can translate.

        Example:
          >>> AssignmentMap({"a": "b"}).expanded({})
          AssignmentMap([Rename('a', 'b')])
        """
        if not any(isinstance(rule, Recipe) for rule in self._rules):
            return self
        rules: list[Rule] = []
        notes: list[str] = []
        made: set[int] = set()
        for rule in self._rules:
            if not isinstance(rule, Recipe) or rule.is_last:
                rules.append(rule)
                continue
            for each in rule.expanded(specs, targets):
                if isinstance(each, str):
                    notes.append(each)
                else:
                    rules.append(each)
                    made.add(id(each))
        for rule in [each for each in rules if isinstance(each, Recipe)]:
            at = rules.index(rule)
            ruled = Ruled(rules[:at], rules[at + 1 :], made)
            found = rule.expanded(specs, targets, ruled)
            notes += [each for each in found if isinstance(each, str)]
            rules = [each for each in found if not isinstance(each, str)]
        return AssignmentMap(rules, notes)

    def to_config(self) -> list[dict[str, Any]]:
        """Return plain data (for YAML and JSON) that `from_config` reads back.

        Raises:
          RuleError: If a rule names a variable by object.
          TransformError: If a transform holds code.

        Example:
          >>> from tf_ckpt_migrate.names.rules import Drop
          >>> AssignmentMap([("bert/", "encoder/"), Drop("step")]).to_config()
          [{'bert/': 'encoder/'}, {'rule': 'drop', 'source': 'step'}]
        """
        return [rule_config.to_config(rule) for rule in self._rules]

    @classmethod
    def from_config(cls, config: object) -> AssignmentMap:
        """Return the map of plain data: what `to_config` gave, or TensorFlow's syntax.

        Raises:
          RuleError: If ``config`` is neither.

        Example:
          >>> AssignmentMap.from_config({"bert/": "encoder/"})
          AssignmentMap([RenameScope('bert/', 'encoder/')])
        """
        return cls(rule_config.from_config(config))


AssignmentMapLike: TypeAlias = (
    AssignmentMap | Mapping[str, Any] | Iterable[Rule | tuple[str, Any]]
)


def _rule(entry: object) -> Rule:
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
