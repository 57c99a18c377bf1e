"""``tf-ckpt-migrate add-name-keys``."""

from __future__ import annotations

import argparse

from tf_ckpt_migrate.cli.rules import add_rules, rules_of

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate add-name-keys logs/ckpt-7 --names=full_name"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("checkpoint", help="the object-based checkpoint to change")
    parser.add_argument(
        "--names",
        choices=("full_name", "key"),
        help="name variables as their program did (full_name, the default) or by their "
        "object paths (key); rules rename the latter",
    )
    add_rules(parser, "from object paths to variable names")
    parser.set_defaults(wrong_use=parser.error)


def execute(arguments: argparse.Namespace) -> int:
    """Add the keys, and show what was done."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.dual_keys import add_name_keys

    rules = rules_of(arguments)
    if rules is not None and arguments.names == "full_name":
        arguments.wrong_use("--names=full_name and rules both name variables: give one")
    names = (arguments.names or "full_name") if rules is None else rules
    show(add_name_keys(arguments.checkpoint, names), arguments)
    return 0
