"""``tf-ckpt-migrate convert``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tf_ckpt_migrate.cli.outputs import add_output, add_writing, writing_options
from tf_ckpt_migrate.cli.planning import add_planning, asked_of, plan_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate convert old/model.ckpt-1000 new/model.ckpt-1000 --to=tf2"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to convert")
    add_output(parser)
    add_planning(parser)
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="do what this plan says, as `tf-ckpt-migrate plan --output` wrote it",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="show the plan and write nothing",
    )
    add_writing(parser)
    parser.set_defaults(wrong_use=parser.error)


def execute(arguments: argparse.Namespace) -> int:
    """Plan, convert, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.report.progress import byte_progress

    _check_asked(arguments)
    plan = _plan(arguments)
    if arguments.dry_run:
        show(plan, arguments)
        return 0
    from tf_ckpt_migrate.conversion.convert import convert

    with byte_progress("writing", sys.stderr) as progress:
        result = convert(
            plan,
            arguments.output,
            source=arguments.source,
            progress=progress,
            **writing_options(arguments),
        )
    show(result, arguments)
    return 0


def _plan(arguments: argparse.Namespace) -> MigrationPlan:
    if arguments.plan is None:
        return plan_of(arguments)
    from tf_ckpt_migrate.conversion.plan_on_file import read_plan

    return read_plan(arguments.plan)


def _check_asked(arguments: argparse.Namespace) -> None:
    """End with what is wrong if the flags do not say, once, what is to be done."""
    asked = asked_of(arguments)
    if arguments.plan is not None and asked:
        arguments.wrong_use(
            "--plan says all that is to be done: give it without --to, --like, --map, "
            "--rename, --recipe, --drop, --partition and --averages"
        )
    if arguments.plan is None and not asked:
        arguments.wrong_use(
            "say what to do: --to=tf2, --to=tf1, --rename A=B, --recipe 'KIND A=B', "
            "--drop PATTERN, --partition NAME=PARTS, --averages=average, --map FILE, "
            "--like CHECKPOINT or --plan FILE"
        )
