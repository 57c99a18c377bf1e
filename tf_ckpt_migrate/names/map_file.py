"""Assignment maps in YAML files, in YAML text, and in plans."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from tf_ckpt_migrate.errors import PlanError, RuleError, TransformError
from tf_ckpt_migrate.names.moves import Dropped, KeptTarget, Move
from tf_ckpt_migrate.names.plan_file import from_yaml
from tf_ckpt_migrate.names.rules import Combine, Drop, Rename, Rule, Split
from tf_ckpt_migrate.names.rules import config as rule_config
from tf_ckpt_migrate.names.rules.pairs import rule_of
from tf_ckpt_migrate.names.yaml_files import parse_yaml
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY
from tf_ckpt_migrate.transforms import Transform

__all__ = ["MapParts", "read_map", "read_yaml", "rules_of_plan"]

_PLAN = {"version", "moves", "source_specs"}


class MapParts(NamedTuple):
    """What a map consists of.

    Attributes:
      rules: Its rules.
      kept_targets: Targets that keep their values, with the reasons; only plans know.
    """

    rules: list[Rule]
    kept_targets: dict[str, str]


def read_yaml(path_or_text: str | os.PathLike[str]) -> MapParts:
    """Return the parts of a YAML file or text: of a map, or of a plan.

    Text is recognized by a line break, by ``: ``, or by the first character of a list
    or mapping; all else is a path.

    Raises:
      RuleError: If there is no such file, or it holds neither a map nor a plan.
      OSError: If ``path_or_text`` is a path object and the file cannot be read.

    Example:
      >>> read_yaml("{bert/: encoder/}").rules
      [RenameScope('bert/', 'encoder/')]
    """
    if not isinstance(path_or_text, os.PathLike) and _is_yaml(path_or_text):
        return _parts(path_or_text, "the assignment map")
    try:
        return read_map(path_or_text)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        if isinstance(path_or_text, os.PathLike):
            raise
        raise RuleError(
            f"{path_or_text!r} is no assignment map: there is no file of this name, "
            "and it is no YAML such as 'old/: new/'; give a dict, a list of pairs, "
            "rules such as Rename('a/w', 'b/kernel'), or the path of a YAML file"
        ) from error


def read_map(path: str | os.PathLike[str]) -> MapParts:
    """Return the parts of a YAML file that holds a map or a plan.

    Raises:
      RuleError: If it holds neither.
      OSError: If it cannot be read.
    """
    from tf_ckpt_migrate.bundle.text_file import read_text

    return _parts(read_text(path), repr(os.fspath(path)))


def _is_yaml(text: str) -> bool:
    return "\n" in text or ": " in text or text.lstrip().startswith(("{", "[", "- "))


def _parts(text: str, where: str) -> MapParts:
    try:
        root = parse_yaml(text, "map")
        if root.kind == "mapping" and root.pairs("a map").keys() >= _PLAN:
            _, _, _, moves, dropped, kept, *_ = from_yaml(text)
            return rules_of_plan(moves, dropped, kept)
        return MapParts([*map(rule_of, rule_config.from_config(root.plain()))], {})
    except PlanError as error:
        raise RuleError(f"{where}: {error.problems[0]}") from None
    except (RuleError, TransformError) as error:
        raise RuleError(f"{where}: {error}") from None


def rules_of_plan(
    moves: Iterable[Move], dropped: Iterable[Dropped], kept: Iterable[KeptTarget]
) -> MapParts:
    """Return rules that say what the moves and dropped tensors of a plan say.

    Example:
      >>> from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
      >>> spec = TensorSpec(DType.int32, ())
      >>> rules_of_plan([Move(("a",), "b", None, spec)], [Dropped("c", "")], []).rules
      [Rename('a', 'b'), Drop('c')]
    """
    together: dict[tuple[str, ...], dict[str, Transform | None]] = {}
    for move in moves:
        together.setdefault(move.sources, {})[move.target] = move.transform
    rules = [_rule(sources, targets) for sources, targets in together.items()]
    # Each checkpoint has its own counter of saves, which no rule is about.
    drops = [Drop(k, reason=why) for k, why in dropped if k != SAVE_COUNTER_KEY]
    return MapParts([*rules, *drops], {each.name: each.reason for each in kept})


def _rule(sources: tuple[str, ...], targets: dict[str, Transform | None]) -> Rule:
    (source, *more), (name, *others) = sources, targets
    if more:
        return Combine(sources, {name: how for name, how in targets.items() if how})
    if others:
        return Split(source, targets)
    return Rename(source, name, targets[name])
