r"""Rules as plain data, for YAML and JSON.

A rename without a transform is the pair of TensorFlow's assignment map,
``{source: target}``; every other rule names itself::

    - bert/: encoder/
    - {rule: rename_regex, pattern: 'layer_(\d+)/w', target: 'layers/\1/kernel'}
    - {rule: drop, source: global_step}
    - {recipe: lstm, source: rnn/lstm_cell/, target: lstm/, forget_bias: 1.0}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.names.rules.choices import Drop, Keep
from tf_ckpt_migrate.names.rules.joints import Bind, Combine, Goals, Split
from tf_ckpt_migrate.names.rules.kinds import Rule
from tf_ckpt_migrate.names.rules.recipe import Recipe
from tf_ckpt_migrate.names.rules.renames import Rename, RenameRegex, RenameScope
from tf_ckpt_migrate.transforms import Transform

__all__ = ["from_config", "to_config"]

_FIELDS = {
    "rename": (Rename, ("source", "target", "transform")),
    "rename_scope": (RenameScope, ("source", "target", "transform")),
    "rename_regex": (RenameRegex, ("pattern", "target", "transform")),
    "drop": (Drop, ("source", "pattern", "role", "reason")),
    "keep": (Keep, ("source", "pattern", "role")),
    "split": (Split, ("source", "targets")),
    "combine": (Combine, ("sources", "targets")),
}
_NAMES = {kind: name for name, (kind, _) in _FIELDS.items()}


def to_config(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain data.

    Raises:
      RuleError: If it names a variable by object.
      TransformError: If its transform holds code.

    Example:
      >>> to_config(Drop(role="slot"))
      {'rule': 'drop', 'role': 'slot'}
    """
    if isinstance(rule, Bind):
        raise RuleError(
            f"{rule!r} names a variable by object, which plain data cannot; call "
            "with_names() on the map first"
        )
    if (
        isinstance(rule, Rename | RenameScope)
        and rule.transform is None
        and rule.source not in ("rule", "recipe")  # which name other rules
    ):
        return {rule.source or "/": rule.target or "/"}
    if isinstance(rule, Recipe):
        scopes = {"source": rule.source, "target": rule.target}
        return {"recipe": rule.kind, **scopes, **dict(rule.options)}
    name = _NAMES[type(rule)]
    fields = {field: getattr(rule, field) for field in _FIELDS[name][1]}
    if not fields.get("reason"):
        fields.pop("reason", None)
    return {"rule": name} | {k: _plain(v) for k, v in fields.items() if v is not None}


def _plain(value: object) -> object:
    if isinstance(value, Transform):
        return value.to_config()
    if not isinstance(value, tuple):
        return value
    items = cast(tuple[object, ...], value)
    if items and isinstance(items[0], tuple):
        goals = cast(Goals, items)
        return {name: how and how.to_config() for name, how in goals}
    return list(items)


def from_config(config: object) -> list[Any]:
    """Return the rules and pairs of plain data, for `AssignmentMap` to read.

    Raises:
      RuleError: If ``config`` is no list or mapping, or a rule in it is not one.
      TransformError: If a transform in it is not one.

    Example:
      >>> from_config([{"bert/": "encoder/"}, {"rule": "drop", "source": "step"}])
      [('bert/', 'encoder/'), Drop('step')]
    """
    if isinstance(config, Mapping):
        return _entries(cast(object, config))
    if not isinstance(config, list):
        raise RuleError(
            "an assignment map is written as a mapping 'source: target' or a list of "
            f"such lines and rules, not {config!r}"
        )
    return [rule for entry in cast(list[object], config) for rule in _entries(entry)]


def _entries(entry: object) -> list[Any]:
    if not isinstance(entry, Mapping):
        return [entry]
    given = cast(Mapping[str, object], entry)
    if "recipe" in given:
        return [_recipe(given)]
    return [_rule(given)] if "rule" in given else list(given.items())


def _recipe(entry: Mapping[str, object]) -> Recipe:
    arguments = {str(name): value for name, value in entry.items()}
    try:
        kind, source, target = (
            arguments.pop(name) for name in ("recipe", "source", "target")
        )
    except KeyError as error:
        raise RuleError(f"a recipe needs {error}, as in {entry!r}") from None
    try:
        return Recipe(
            cast(str, kind), cast(str, source), cast(str, target), **arguments
        )
    except TypeError as error:
        raise RuleError(f"{entry!r} is no recipe: {error}") from None


def _rule(entry: Mapping[str, object]) -> Rule:
    arguments: dict[str, Any] = dict(entry)
    name = str(arguments.pop("rule"))
    if name not in _FIELDS:
        raise RuleError(f"no rule is called {name!r}; there are {', '.join(_FIELDS)}")
    kind, fields = _FIELDS[name]
    if "transform" in arguments:
        arguments["transform"] = Transform.from_config(arguments["transform"])
    targets = arguments.get("targets")
    if isinstance(targets, Mapping):
        arguments["targets"] = {
            target: how and Transform.from_config(how)
            for target, how in cast(Mapping[str, object], targets).items()
        }
    if kind is Combine and "targets" in arguments:
        arguments["target"] = arguments.pop("targets")
    try:
        return kind(**arguments)
    except TypeError:
        raise RuleError(
            f"{name} takes {', '.join(fields)}, not {sorted(entry)}"
        ) from None
