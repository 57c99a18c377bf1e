"""``tf-ckpt-migrate add-object-keys``."""

from __future__ import annotations

import argparse

from tf_ckpt_migrate.cli.rules import add_rules, rules_of

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate add-object-keys logs/model.ckpt-7 --like=model/ckpt-1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("checkpoint", help="the name-based checkpoint to change")
    parser.add_argument(
        "--like",
        metavar="CHECKPOINT",
        help="the object-based checkpoint whose keys and object graph it is to have; "
        "without one they are those of Checkpoint(vars={name: variable})",
    )
    add_rules(parser, "from variable names to those of --like")


def execute(arguments: argparse.Namespace) -> int:
    """Add the keys, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.object_keys import add_object_keys

    rules = rules_of(arguments)
    show(add_object_keys(arguments.checkpoint, rules, like=arguments.like), arguments)
    return 0
