"""``tf-ckpt-migrate prune``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.outputs import add_output, add_writing, writing_options
from tf_ckpt_migrate.cli.rules import ROLES

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate prune train/model.ckpt-1000 serve/model.ckpt --compact"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to take from")
    add_output(parser)
    parser.add_argument(
        "--drop_role",
        dest="roles",
        action="append",
        choices=ROLES,
        help="kind of tensors to drop; may be repeated (default: slot and optimizer, "
        "unless there is a --drop)",
    )
    parser.add_argument(
        "--drop",
        dest="patterns",
        action="append",
        default=[],
        metavar="PATTERN",
        help="drop keys that a regular expression fits as a whole; may be repeated",
    )
    parser.add_argument(
        "--compact",
        action="store_true",
        help="copy only the bytes that are left; without it shards are linked whole, "
        "which takes no time and frees no space",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="show the plan and write nothing"
    )
    add_writing(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Prune, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.prune import plan_prune, prune
    from tf_ckpt_migrate.report.progress import byte_progress

    default = [] if arguments.patterns else ["slot", "optimizer"]
    roles = default if arguments.roles is None else arguments.roles
    if arguments.dry_run:
        plan = plan_prune(arguments.source, roles=roles, patterns=arguments.patterns)
        show(plan, arguments)
        return 0
    with byte_progress("writing", sys.stderr) as progress:
        result = prune(
            arguments.source,
            arguments.output,
            roles=roles,
            patterns=arguments.patterns,
            compact=arguments.compact,
            progress=progress,
            **writing_options(arguments),
        )
    show(result, arguments)
    return 0
