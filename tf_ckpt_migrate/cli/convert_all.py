"""``tf-ckpt-migrate convert-all``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tf_ckpt_migrate.cli.outputs import add_writing
from tf_ckpt_migrate.cli.planning import (
    add_plan,
    add_planning,
    check_asked,
    request_of,
)

if TYPE_CHECKING:
    from tf_ckpt_migrate.conversion.fleet.found import Found
    from tf_ckpt_migrate.conversion.fleet.outcome import Outcome
    from tf_ckpt_migrate.conversion.fleet.request import Request

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate convert-all runs runs_tf2 --to=tf2"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "source",
        help="a folder, looked through with all below it, or a quoted pattern of "
        "prefixes: 'runs/*/model.ckpt-*', with ** for any number of folders",
    )
    parser.add_argument(
        "output", help="the folder for the outputs, which keeps the tree of the sources"
    )
    add_planning(parser)
    add_plan(parser)
    add_writing(parser, state_file=False)
    parser.add_argument(
        "--runner",
        metavar="NAME",
        help="let a runner of Apache Beam do it: DirectRunner, DataflowRunner, "
        "FlinkRunner, SparkRunner, ...; its options come last, behind --",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Convert what is not converted yet, and show what became of each."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.fleet.convert_all import found_for, result_of

    check_asked(arguments)
    request = request_of(arguments)
    found = found_for(request, arguments.source, arguments.output)
    result = result_of(found, _outcomes(arguments, request, found))
    show(result, arguments)
    return 0 if result.ok else 1


def _outcomes(
    arguments: argparse.Namespace, request: Request, found: Found
) -> list[Outcome]:
    options = [*arguments.others]
    if arguments.runner:
        options.insert(0, f"--runner={arguments.runner}")
    if options:
        from tf_ckpt_migrate import beam

        return beam.carry_out(request, found, arguments.output, options)
    from tf_ckpt_migrate.conversion.fleet.convert_all import carry_out
    from tf_ckpt_migrate.report.progress import count_progress

    with count_progress("converting", sys.stderr) as progress:
        return [*carry_out(request, found, progress)]
