"""Makes the plan that the flags of ``plan`` and ``convert`` ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tf_ckpt_migrate.cli.rules import add_rules, rules_of
from tf_ckpt_migrate.errors import RuleError

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan
    from tf_ckpt_migrate.names.rules import Recipe

__all__ = ["add_planning", "plan_of"]


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
        default="full_name",
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
        "--unmatched",
        choices=("error", "keep", "drop"),
        default="error",
        help="what becomes of a key that no rule or target fits (default error)",
    )
    parser.add_argument(
        "--unmet",
        choices=("error", "keep"),
        default="error",
        help="with --like: what becomes of a target that nothing is taken for",
    )


def plan_of(arguments: argparse.Namespace) -> MigrationPlan:
    """Return the plan.

    Raises:
      CheckpointError: If a checkpoint cannot be read, or is not one for ``--to``.
      RuleError: If a rule is not well formed.
      PlanError: If anything is not accounted for.
    """
    rules = rules_of(arguments)
    if arguments.to == "tf2":
        from tf_ckpt_migrate.conversion.tf1_to_tf2 import plan_tf1_to_tf2

        return plan_tf1_to_tf2(
            arguments.source,
            rules,
            like=arguments.like,
            unmatched=arguments.unmatched,
            unmet=arguments.unmet,
            averages=arguments.averages,
        )
    if arguments.to == "tf1":
        from tf_ckpt_migrate.conversion.tf2_to_tf1 import plan_tf2_to_tf1

        names = arguments.names if rules is None else rules
        if arguments.averages is not None:
            raise RuleError(
                "--averages chooses among the names of TF1, and with --to=tf1 the "
                "source has objects; use it without --to, or with --to=tf2"
            )
        return plan_tf2_to_tf1(
            arguments.source,
            names,
            like=arguments.like,
            unmatched=arguments.unmatched,
            unmet=arguments.unmet,
        )
    from tf_ckpt_migrate.conversion.planning import plan_migration

    return plan_migration(
        arguments.source,
        arguments.like,
        rules,
        unmatched=arguments.unmatched,
        unmet=arguments.unmet,
        averages=arguments.averages,
    )


def _partition(text: str) -> Recipe:
    from tf_ckpt_migrate.names.rules import Recipe

    name, _, number = text.rpartition("=")
    parts, at, axis = number.partition("@")
    if not name or not parts.isdecimal() or (at and not axis.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form NAME=PARTS or NAME=PARTS@AXIS"
        )
    return Recipe("partition", name, name, parts=int(parts), axis=int(axis or 0))
