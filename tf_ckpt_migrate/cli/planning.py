"""Makes the plan that the flags of ``plan`` and ``convert`` ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.cli.outputs import writing_options
from tf_ckpt_migrate.cli.rules import add_rules, rules_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.conversion.fleet.request import Request
    from tf_ckpt_migrate.names.plan import MigrationPlan
    from tf_ckpt_migrate.names.rules import Recipe

__all__ = [
    "add_plan",
    "add_planning",
    "asked_of",
    "check_asked",
    "check_idle",
    "plan_of",
    "request_of",
]


def add_planning(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--to",
        choices=("tf1", "tf2"),
        help="tf2: from variable names to the objects of tf.train.Checkpoint; tf1: "
        "back. Without it keys are only renamed",
    )
    parser.add_argument(
        "--like",
        metavar="CHECKPOINT",
        help="give the result the keys (and the object graph) of this checkpoint; with "
        "--to=tf1 of one of TF1",
    )
    parser.add_argument(
        "--names",
        choices=("full_name", "key"),
        help="with --to=tf1 and without rules: name variables as their program did "
        "(full_name, the default) or by their object paths (key)",
    )
    add_rules(parser, "from keys of the source to those of the result")
    parser.add_argument(
        "--averages",
        choices=("raw", "average", "both"),
        help="what variables get whose moving averages are there: their own values "
        "(raw), the averages, or both; not with --to=tf1",
    )
    parser.add_argument(
        "--partition",
        dest="rules",
        action="append",
        type=_partition,
        metavar="NAME=PARTS[@AXIS]",
        help="a rule: store variable NAME, or those of a scope/, its slots and "
        "averages in so many slices along an axis (default 0); 1 makes it whole; may "
        "be repeated",
    )
    parser.add_argument(
        "--unused",
        choices=("error", "keep", "drop"),
        help="what becomes of a key that no rule or target fits (default error)",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "keep"),
        help="with --like: what becomes of a target that nothing is taken for (default "
        "error)",
    )
    parser.set_defaults(wrong_use=parser.error)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says it all in place of the others."""
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="do what this plan says, as `tf-ckpt-migrate plan --output` wrote it",
    )


def asked_of(arguments: argparse.Namespace) -> list[str]:
    """Return which of the flags that say what is to be done are given."""
    names = ("to", "like", "map", "rules", "averages")
    return [name for name in names if getattr(arguments, name) is not None]


def check_idle(arguments: argparse.Namespace) -> None:
    """End with what is wrong if a flag is given that nothing would heed."""
    is_named = arguments.map is None and arguments.rules is None
    if arguments.names is not None and not (arguments.to == "tf1" and is_named):
        arguments.wrong_use(
            "--names is for --to=tf1 without rules: name variables by it, or by --map "
            "and --rename, whose left side is an object path"
        )
    if arguments.missing is not None and arguments.like is None:
        arguments.wrong_use(
            "--missing is about the targets that --like gives: pass --like CHECKPOINT"
        )


def check_asked(arguments: argparse.Namespace) -> None:
    """End with what is wrong if the flags do not say, once, what is to be done."""
    asked = asked_of(arguments)
    if arguments.plan is not None and (asked or arguments.unused is not None):
        arguments.wrong_use(
            "--plan says all that is to be done: give it without --to, --like, --map, "
            "--rename, --recipe, --drop, --partition, --averages and --unused"
        )
    check_idle(arguments)
    if arguments.plan is None and not asked:
        arguments.wrong_use(
            "say what to do: --to=tf2, --to=tf1, --rename A=B, --recipe 'KIND A=B', "
            "--drop PATTERN, --partition NAME=PARTS, --averages=average, --map FILE, "
            "--like CHECKPOINT or --plan FILE"
        )


def plan_of(arguments: argparse.Namespace) -> MigrationPlan:
    """Return the plan.

    Raises:
      CheckpointError: If a checkpoint cannot be read, or is not one for ``--to``.
      RuleError: If a rule is not well formed.
      PlanError: If anything is not accounted for.
    """
    from tf_ckpt_migrate.checkpoint.reader import load_checkpoint

    request = request_of(arguments)
    return request.plan_for(load_checkpoint(arguments.source))


def request_of(arguments: argparse.Namespace) -> Request:
    """Return what is asked for, whatever the checkpoint.

    Raises:
      RuleError: If a rule is not well formed.
      PlanError: If the file of ``--plan`` is no plan.
    """
    from tf_ckpt_migrate.conversion.fleet.request import Request

    if getattr(arguments, "plan", None) is not None:
        from tf_ckpt_migrate.conversion.plan_on_file import read_plan

        return Request(plan=read_plan(arguments.plan), **_writing(arguments))
    return Request(
        arguments.to,
        rules_of(arguments),
        like=arguments.like or "",
        names=arguments.names or "full_name",
        unused=arguments.unused or "error",
        missing=arguments.missing or "error",
        averages=arguments.averages,
        **_writing(arguments),
    )


def _writing(arguments: argparse.Namespace) -> dict[str, Any]:
    options = writing_options(arguments)
    options.pop("update_state_file", None)
    return options


def _partition(text: str) -> Recipe:
    from tf_ckpt_migrate.names.rules import Recipe

    name, _, number = text.rpartition("=")
    parts, at, axis = number.partition("@")
    if not name or not parts.isdecimal() or (at and not axis.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form NAME=PARTS or NAME=PARTS@AXIS"
        )
    return Recipe("partition", name, name, parts=int(parts), axis=int(axis or 0))
