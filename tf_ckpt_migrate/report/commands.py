"""The commands that do again what a report is about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from tf_ckpt_migrate.report.content import Command, Kind

__all__ = ["Typed", "commands_for"]

_PROGRAM = "tf-ckpt-migrate"


class Typed(NamedTuple):
    """What was typed to make a report.

    Attributes:
      arguments: Of the command, the subcommand first; none where it was no command.
      rules: Those of them that are rules.
      plan: The file of the plan; "" for none.
    """

    arguments: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    plan: str = ""


def commands_for(
    kind: Kind, source: str, target: str, typed: Typed, *, by_rules: bool = False
) -> tuple[Command, ...]:
    """Return the commands that do again what a report is about.

    Args:
      kind: Of the report.
      source: Prefix of the first checkpoint.
      target: Prefix of the second; "" where there is none.
      typed: What was typed.
      by_rules: Whether an assignment map led from one to the other.

    Example:
      >>> for command in commands_for("plan", "old/m", "", Typed(plan="p.yaml")):
      ...     print(command.text)
      tf-ckpt-migrate convert old/m OUTPUT --plan p.yaml
      tf-ckpt-migrate verify OUTPUT
      tf-ckpt-migrate report old/m OUTPUT --plan p.yaml --output report.html
    """
    lines = _lines(kind, source, target, typed, by_rules=by_rules)
    made = [Command(what, shlex.join([_PROGRAM, *words])) for what, *words in lines]
    return tuple(made)


def _lines(
    kind: Kind, source: str, target: str, typed: Typed, *, by_rules: bool
) -> Iterator[list[str]]:
    if kind == "plan":
        plan = ["--plan", typed.plan or "plan.yaml"]
        yield ["Carry the plan out", "convert", source, "OUTPUT", *plan]
        yield ["Check every byte of the result", "verify", "OUTPUT"]
        yield [
            "Compare the result with the plan",
            *("report", source, "OUTPUT", *plan, "--output", "report.html"),
        ]
    if kind == "pair" and typed.plan:
        what = "Carry the plan out again"
        yield [what, "convert", source, "OUTPUT", "--plan", typed.plan]
    if kind == "pair" and not typed.plan and (typed.rules or not by_rules):
        what = "Compare both, value by value"
        yield [what, "diff", source, target, *typed.rules]
    if kind in ("pair", "conversion"):
        yield ["Check every byte of the result", "verify", target or source]
    if kind in ("checkpoint", "conversion"):
        yield ["List it with statistics", "inspect", source, "--values"]
    if typed.arguments:
        yield ["Make this report again", *typed.arguments]
