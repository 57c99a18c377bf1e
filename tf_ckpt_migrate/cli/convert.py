"""``tf-ckpt-migrate convert``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.outputs import add_output, add_writing, writing_options
from tf_ckpt_migrate.cli.planning import (
    add_plan,
    add_planning,
    check_asked,
    plan_of,
)

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate convert old/model.ckpt-1000 new/model.ckpt-1000 --to=tf2"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to convert")
    add_output(parser)
    add_planning(parser)
    add_plan(parser)
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="show the plan and write nothing",
    )
    add_writing(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Plan, convert, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.report.progress import byte_progress

    check_asked(arguments)
    plan = plan_of(arguments)
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
