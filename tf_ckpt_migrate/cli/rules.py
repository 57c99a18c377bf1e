"""Flags that give rules: ``--map``, ``--rename``, ``--recipe``, ``--drop`` and more."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMap
    from tf_ckpt_migrate.names.rules import Recipe

__all__ = ["ROLES", "add_rules", "rule_flags", "rules_of"]

ROLES = ("slot", "optimizer", "average", "step")


class _Given(NamedTuple):
    """A rule as the command line gives it: without a target it drops."""

    source: str = ""
    target: str | None = None
    role: str | None = None


def add_rules(parser: argparse.ArgumentParser, direction: str) -> None:
    """Add the flags.

    Args:
      parser: To add them to.
      direction: What the rules rename, for the help.
    """
    parser.add_argument(
        "--map",
        metavar="FILE",
        help=f"YAML file of rules {direction}: `scope/: other/` pairs and others",
    )
    parser.add_argument(
        "--rename",
        dest="rules",
        action="append",
        type=_rename,
        metavar="A=B",
        help="a rule: key A becomes B, or scope A/ becomes B/; may be repeated, the "
        "first rule that fits a key wins, and those of --map come last",
    )
    parser.add_argument(
        "--recipe",
        dest="rules",
        action="append",
        type=_recipe,
        metavar="'KIND A=B [NAME=VALUE ...]'",
        help="a rule for a whole layer or optimizer, its options behind: "
        "'lstm rnn/lstm_cell/=lstm/ forget_bias=1.0', "
        "'optimizer Adam=optimizer epsilon=1e-08'; may be repeated",
    )
    parser.add_argument(
        "--drop",
        dest="rules",
        action="append",
        type=_Given,
        metavar="PATTERN",
        help="a rule: leave out keys that a regular expression fits as a whole, or "
        "those below a scope/; may be repeated",
    )
    parser.add_argument(
        "--drop_role",
        dest="rules",
        action="append",
        type=_role,
        metavar="ROLE",
        help="a rule: leave out keys by what they are to training: slot, optimizer "
        "(beta powers, hyperparameters), average or step; may be repeated",
    )


def rules_of(arguments: argparse.Namespace) -> AssignmentMap | None:
    """Return the rules that the command line gives; None where it gives none.

    Raises:
      RuleError: If the file of ``--map`` is no YAML, or one of the rules is none.
      OSError: If the file cannot be read.
    """
    if arguments.rules is None and arguments.map is None:
        return None
    from tf_ckpt_migrate.names.assignment_map import AssignmentMap
    from tf_ckpt_migrate.names.map_file import read_map
    from tf_ckpt_migrate.names.rules import Drop

    given: list[_Given | Recipe] = arguments.rules or []
    rules: list[Any] = []
    for each in given:
        if not isinstance(each, _Given):
            rules.append(each)
            continue
        source, target, role = each
        if role is not None:
            rules.append(Drop(role=role))
        elif target is not None:
            rules.append((source, target))
        elif source.endswith("/"):
            rules.append(Drop(source=source))
        else:
            rules.append(Drop(pattern=source))
    if arguments.map is not None:
        rules += read_map(arguments.map).rules
    return AssignmentMap(rules)


def rule_flags(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the flags that gave the rules, as they can be typed again."""
    given: list[_Given | Recipe] = arguments.rules or []
    for each in given:
        if not isinstance(each, _Given):
            yield f"--recipe={_typed(each)}"
            continue
        source, target, role = each
        if role is not None:
            yield f"--drop_role={role}"
        elif target is not None:
            yield f"--rename={source}={target}"
        else:
            yield f"--drop={source}"
    if arguments.map is not None:
        yield f"--map={arguments.map}"


def _typed(recipe: Recipe) -> str:
    """Return what `_recipe` reads."""
    import shlex

    options = [f"{name}={value}" for name, value in recipe.options]
    return shlex.join([recipe.kind, f"{recipe.source}={recipe.target}", *options])


def _rename(text: str) -> _Given:
    source, equals, target = text.rpartition("=")
    if not equals or not source or not target:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form A=B")
    return _Given(source, target)


def _recipe(text: str) -> Recipe:
    import shlex

    from tf_ckpt_migrate.names.rules import Recipe

    form = f"{text!r} is not of the form 'KIND A=B [NAME=VALUE ...]'"
    try:
        kind, scopes, *options = shlex.split(text)
    except ValueError:
        raise argparse.ArgumentTypeError(form) from None
    source, equals, target = scopes.rpartition("=")
    if not (equals and source and target):
        raise argparse.ArgumentTypeError(form)
    pairs = [option.partition("=") for option in options]
    if not all(name.isidentifier() and value for name, _, value in pairs):
        raise argparse.ArgumentTypeError(form)
    values = {name: _plain(value) for name, _, value in pairs}
    return Recipe(kind, source, target, **values)


def _plain(text: str) -> Any:
    """Return a value as Python's plain data: a number, a truth, else the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _role(text: str) -> _Given:
    if text not in ROLES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ROLES)}")
    return _Given(role=text)
