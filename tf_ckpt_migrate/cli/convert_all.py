"""``tf-ckpt-migrate convert-all``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.outputs import add_writing
from tf_ckpt_migrate.cli.planning import (
    add_plan,
    add_planning,
    check_asked,
    request_of,
)

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


def execute(arguments: argparse.Namespace) -> int:
    """Convert what is not converted yet, and show what became of each."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.fleet.convert_all import (
        carry_out,
        found_for,
        result_of,
    )
    from tf_ckpt_migrate.report.progress import count_progress

    check_asked(arguments)
    request = request_of(arguments)
    found = found_for(arguments.source, arguments.output)
    with count_progress("converting", sys.stderr) as progress:
        result = result_of(found, carry_out(request, found, progress))
    show(result, arguments)
    return 0 if result.ok else 1
