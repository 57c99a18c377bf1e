"""``tf-ckpt-migrate merge``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.outputs import add_writing, writing_options

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = (
    "tf-ckpt-migrate merge encoder/model.ckpt head/model.ckpt --output all/model.ckpt"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sources", nargs="+", help="the checkpoints to take from")
    parser.add_argument(
        "--output", required=True, help="prefix of the checkpoint to write"
    )
    parser.add_argument(
        "--precedence",
        choices=("error", "first", "last"),
        default="error",
        help="what to do about a key that several have (default error)",
    )
    add_writing(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Merge, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.merge import merge
    from tf_ckpt_migrate.report.progress import byte_progress

    with byte_progress("merging", sys.stderr) as progress:
        result = merge(
            arguments.sources,
            arguments.output,
            precedence=arguments.precedence,
            progress=progress,
            **writing_options(arguments),
        )
    show(result, arguments)
    return 0
