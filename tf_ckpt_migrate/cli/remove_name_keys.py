"""``tf-ckpt-migrate remove-name-keys``."""

from __future__ import annotations

import argparse

from tf_ckpt_migrate.cli.rules import add_rules, rules_of

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate remove-name-keys logs/ckpt-7"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("checkpoint", help="the dual-keyed checkpoint to change")
    add_rules(parser, "that computed the names, from object paths to variable names")


def execute(arguments: argparse.Namespace) -> int:
    """Remove the keys, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.dual_keys import remove_name_keys

    show(remove_name_keys(arguments.checkpoint, rules_of(arguments)), arguments)
    return 0
