"""``tf-ckpt-migrate compact``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.outputs import add_output, add_writing, writing_options

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate compact pruned/model.ckpt small/model.ckpt --shards=4"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to copy")
    add_output(parser)
    parser.add_argument(
        "--shards", type=int, default=1, metavar="N", help="data shards (default 1)"
    )
    add_writing(parser, data=False)
    parser.set_defaults(wrong_use=parser.error)


def execute(arguments: argparse.Namespace) -> int:
    """Copy, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.contents import MOST_SHARDS
    from tf_ckpt_migrate.conversion.merge import compact
    from tf_ckpt_migrate.report.progress import byte_progress

    if not 1 <= arguments.shards <= MOST_SHARDS:
        arguments.wrong_use(f"--shards takes a number from 1 to {MOST_SHARDS}")
    with byte_progress("copying", sys.stderr) as progress:
        result = compact(
            arguments.source,
            arguments.output,
            shards=arguments.shards,
            progress=progress,
            **writing_options(arguments),
        )
    show(result, arguments)
    return 0
