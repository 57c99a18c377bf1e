"""``tf-ckpt-migrate convert-all``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.cli.outputs import add_writing
from tf_ckpt_migrate.cli.planning import (
    add_plan,
    add_planning,
    check_asked,
    request_of,
)

if TYPE_CHECKING:
    from tf_ckpt_migrate.conversion.fleet.convert_all import ConvertAllResult

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

    check_asked(arguments)
    result = _result(arguments, vars(request_of(arguments)))
    show(result, arguments)
    return 0 if result.ok else 1


def _result(arguments: argparse.Namespace, asked: dict[str, Any]) -> ConvertAllResult:
    source, output = arguments.source, arguments.output
    options = [*arguments.others]
    if arguments.runner:
        options.insert(0, f"--runner={arguments.runner}")
    if options:
        from tf_ckpt_migrate import beam

        return beam.convert_all(source, output, options, **asked)  # pyright: ignore[reportUnknownMemberType] checked without Beam's types
    from tf_ckpt_migrate.conversion.fleet.convert_all import convert_all
    from tf_ckpt_migrate.report.progress import count_progress

    with count_progress("converting", sys.stderr) as progress:
        return convert_all(source, output, progress=progress, **asked)
