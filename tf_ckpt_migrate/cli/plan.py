"""``tf-ckpt-migrate plan``."""

from __future__ import annotations

import argparse

from tf_ckpt_migrate.cli.planning import add_planning, check_idle, plan_of

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = (
    "tf-ckpt-migrate plan old/model.ckpt --rename bert/=encoder/ --output plan.yaml"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to convert")
    add_planning(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the plan here as YAML, to be edited and given to convert --plan",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Plan, and show or write the plan."""
    from tf_ckpt_migrate.bundle.text_file import write_text
    from tf_ckpt_migrate.cli.results import show

    check_idle(arguments)
    plan = plan_of(arguments)
    if arguments.output is not None:
        write_text(arguments.output, plan.to_yaml())
    show(plan, arguments)
    return 0
