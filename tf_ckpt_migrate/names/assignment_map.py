"""The assignment map: rules in order, read from TensorFlow's syntaxes or given as such.

Direction is that of ``tf.compat.v1.train.init_from_checkpoint``: checkpoint to model.
The first rule that fits a key decides; what it gives is not looked at again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.rules import RULES, Bind, Recipe, Rule
from tf_ckpt_migrate.names.rules import config as rule_config
from tf_ckpt_migrate.names.rules.pairs import rule_of
from tf_ckpt_migrate.names.rules.recipe import Ruled

__all__ = ["AssignmentMap", "AssignmentMapLike", "is_like_rules"]


class AssignmentMap:
    """An immutable sequence of rules, source to target.

    Args:
      rules: The path of a YAML file, or YAML text, of a map or a plan; a `Suggestion`
        or a `MigrationPlan`; or a mapping or a list of pairs in TensorFlow's syntaxes,
        in which rules may stand as such::

            {"old_scope/": "new_scope/",   every key of a scope
             "old/w": "new/kernel",        one key
             "/": "scope/",                every key, below a scope
             "old/b": variable,            a live variable (or a list of its parts)
             "old/e": ["a/e", "b/e"]}      one key to several targets

      notes: What a reader of a plan should know of them.

    Attributes:
      notes: The notes; no part of equality.
      kept_targets: Of a plan, the targets that keep their values, with the reasons.

    Raises:
      RuleError: If an entry is none of these.

    Example:
      >>> AssignmentMap({"bert/": "encoder/", "step": "global_step"})
      AssignmentMap([RenameScope('bert/', 'encoder/'), Rename('step', 'global_step')])
    """

    __slots__ = ("_rules", "kept_targets", "notes")

    def __init__(
        self, rules: AssignmentMapLike | None = None, notes: Sequence[str] = ()
    ) -> None:
        """Read ``rules`` into one sequence."""
        self.notes: tuple[str, ...] = tuple(notes)
        entries, kept = _entries(rules)
        self._rules: tuple[Rule, ...] = tuple(map(rule_of, entries))
        self.kept_targets: Mapping[str, str] = kept

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
                rule_of((rule.source, name_of(rule.targets)))
                if isinstance(rule, Bind)
                else rule
                for rule in self._rules
            ]
        )

    def expanded(
        self,
        specs: Mapping[str, TensorSpec],
        targets: Mapping[str, TensorSpec] | None = None,
        others: Mapping[str, TensorSpec] | None = None,
    ) -> AssignmentMap:
        """Return the map with the rules that recipes stand for in their place.

        Args:
          specs: The tensors of the checkpoint, by name.
          targets: The places to fill, by name; None if any name will do.
          others: The same tensors by their other names, for a recipe whose scope has
            none of the first; None if they have no others.

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
            for each in rule.expanded(_tensors_for(rule, specs, others), targets):
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

    def to_yaml(self) -> str:
        """Return the map as YAML, one rule a line, that `from_yaml` reads back.

        Raises:
          RuleError: If a rule names a variable by object.
          TransformError: If a transform holds code.

        Example:
          >>> print(AssignmentMap({"bert/": "encoder/"}).to_yaml(), end="")
          - bert/: encoder/
        """
        from tf_ckpt_migrate.names.yaml_files import write_yaml

        lines = [
            f"- {write_yaml(each, flow=True)}" if len(each) > 1 else write_yaml([each])
            for each in self.to_config()
        ]
        return "".join(lines) or "[]\n"

    @classmethod
    def from_yaml(cls, path_or_text: str | os.PathLike[str]) -> AssignmentMap:
        """Return the map of a YAML file or of YAML text; a plan's YAML is one too.

        Args:
          path_or_text: The path of the file, or the text: what has a line break, a
            colon and a space, or begins as a list or mapping does.

        Raises:
          RuleError: If it is neither a map nor a plan, or there is no such file.
          OSError: If a path object is given and the file cannot be read.
          TypeError: If it is neither a path nor text.

        Example:
          >>> AssignmentMap.from_yaml("bert/: encoder/")
          AssignmentMap([RenameScope('bert/', 'encoder/')])
        """
        from tf_ckpt_migrate.names.map_file import read_yaml

        _check_path_or_text(path_or_text)
        return cls(read_yaml(path_or_text).rules)


def _tensors_for(
    rule: Recipe,
    specs: Mapping[str, TensorSpec],
    others: Mapping[str, TensorSpec] | None,
) -> Mapping[str, TensorSpec]:
    """Return the tensors by the kind of names that the scope of a recipe is about."""
    scope = rule.source
    is_scope = scope.endswith("/") and scope != "/"
    if others is None or not is_scope or any(n.startswith(scope) for n in specs):
        return specs
    return others if any(name.startswith(scope) for name in others) else specs


def _check_path_or_text(given: object) -> None:
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            "from_yaml takes the path of a YAML file, or YAML text, not a "
            f"{type(given).__name__}; AssignmentMap(rules) takes the others"
        )


class _HasMap(Protocol):
    """A value that has an assignment map, such as a `Suggestion`."""

    @property
    def assignment_map(self) -> AssignmentMap: ...


class _HasMoves(Protocol):
    """A value that has moves, dropped keys and kept targets: a `MigrationPlan`."""

    @property
    def moves(self) -> tuple[Move, ...]: ...

    @property
    def dropped(self) -> tuple[Dropped, ...]: ...

    @property
    def kept_targets(self) -> tuple[KeptTarget, ...]: ...


AssignmentMapLike: TypeAlias = (
    AssignmentMap
    | Mapping[str, Any]
    | Iterable[Rule | tuple[str, Any]]
    | os.PathLike[str]
    | str
    | _HasMap
    | _HasMoves
)


def _entries(
    rules: AssignmentMapLike | None,
) -> tuple[Iterable[Any], Mapping[str, str]]:
    """Return the rules and pairs of what is taken for a map, and the kept targets."""
    given: Any = () if rules is None else rules
    if isinstance(rules, str | os.PathLike):
        from tf_ckpt_migrate.names.map_file import read_yaml

        return read_yaml(rules)
    if isinstance(given, Mapping):
        return cast(Mapping[str, Any], given).items(), {}
    if all(hasattr(given, name) for name in ("moves", "dropped", "kept_targets")):
        from tf_ckpt_migrate.names.map_file import rules_of_plan

        return rules_of_plan(given.moves, given.dropped, given.kept_targets)
    given = getattr(given, "assignment_map", given)
    if isinstance(given, AssignmentMap):
        return given, given.kept_targets
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise RuleError(
            f"a {type(given).__name__} is not an assignment map; pass a dict, a list "
            "of pairs, rules such as Rename('a/w', 'b/kernel'), the path of a YAML "
            "file, or what suggest_assignment_map returned. Live objects are the "
            "target, as in restore(path, target, assignment_map)"
        )
    return cast(Iterable[Any], given), {}


def is_like_rules(value: object) -> bool:
    """Return whether this is an assignment map, or rules for one, and not a target.

    Example:
      >>> is_like_rules({"bert/": "encoder/"}), is_like_rules({}), is_like_rules(["w"])
      (True, False, False)
    """
    if isinstance(value, dict):  # a reader of a checkpoint is a mapping too
        targets = cast(dict[Any, Any], value).values()
        return bool(targets) and all(isinstance(each, str) for each in targets)
    if not isinstance(value, list | tuple):
        return isinstance(value, AssignmentMap) or hasattr(value, "assignment_map")
    entries = cast(Sequence[Any], value)
    return bool(entries) and all(
        isinstance(each, RULES) or _is_pair(each) for each in entries
    )


def _is_pair(entry: object) -> bool:
    if not isinstance(entry, list | tuple):
        return False
    sides = cast(Sequence[Any], entry)
    return len(sides) == 2 and all(isinstance(side, str) for side in sides)
