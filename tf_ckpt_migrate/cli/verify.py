"""``tf-ckpt-migrate verify``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tf_ckpt_migrate.cli.planning import (
    add_planning,
    asked_of,
    check_idle,
    plan_of,
)
from tf_ckpt_migrate.cli.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tf_ckpt_migrate.checkpoint.verify import Verification
    from tf_ckpt_migrate.conversion.verify import ConversionProof
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = (
    "tf-ckpt-migrate verify new/model.ckpt --against old/model.ckpt --plan plan.yaml"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "checkpoint",
        help="prefix, one of a checkpoint's files, model directory or SavedModel",
    )
    parser.add_argument(
        "--against",
        dest="source",
        metavar="SOURCE",
        help="prove that it holds what --plan, or the other flags, make of this "
        "checkpoint, and no more",
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="the plan of the conversion, as `tf-ckpt-migrate plan --output` wrote it",
    )
    add_planning(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Verify the checkpoint, with progress on a terminal."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.report.progress import byte_progress

    _check_asked(arguments)
    with byte_progress("verifying", sys.stderr) as progress:
        found = _verified(arguments, progress)
    show(found, arguments)
    return 0 if found.ok else 1


def _verified(
    arguments: argparse.Namespace, progress: Callable[[int, int], None] | None
) -> Verification | ConversionProof:
    if arguments.source is None:
        from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint

        return verify_checkpoint(arguments.checkpoint, progress=progress)
    from tf_ckpt_migrate.conversion.verify import verify_conversion

    by_rules = arguments.unused is None and {*asked_of(arguments)} <= {"map", "rules"}
    return verify_conversion(
        arguments.checkpoint,
        arguments.source,
        None if by_rules and arguments.plan is None else _plan(arguments),
        assignment_map=rules_of(arguments) if by_rules else None,
        like=arguments.like,
        progress=progress,
    )


def _plan(arguments: argparse.Namespace) -> MigrationPlan | None:
    if arguments.plan is not None:
        from tf_ckpt_migrate.conversion.plan_on_file import read_plan

        return read_plan(arguments.plan)
    return plan_of(arguments) if asked_of(arguments) else None


def _check_asked(arguments: argparse.Namespace) -> None:
    """End with what is wrong if the flags do not go together."""
    asked = asked_of(arguments) or arguments.unused is not None
    if arguments.source is None and (asked or arguments.plan is not None):
        arguments.wrong_use(
            "--plan and the flags that say what was converted need the source: give "
            "--against SOURCE"
        )
    if arguments.plan is not None and asked:
        arguments.wrong_use(
            "--plan says all that was to be done: give it without --to, --like, --map, "
            "--rename, --recipe, --drop, --partition, --averages and --unused"
        )
    check_idle(arguments)
