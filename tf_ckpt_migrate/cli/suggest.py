"""``tf-ckpt-migrate suggest``."""

from __future__ import annotations

import argparse

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate suggest old/model.ckpt model/ckpt-1 --output map.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("source", help="the checkpoint to take from")
    parser.add_argument(
        "target", help="a checkpoint that the model to fill has saved, untrained"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the rules here as YAML, to be given to --map; what is ambiguous "
        "stands there in comments",
    )
    parser.add_argument(
        "--accept_ambiguous",
        action="store_true",
        help="take the first candidate wherever several are possible",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Suggest, and show or write the map."""
    from tf_ckpt_migrate.bundle.text_file import write_text
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.suggestion.suggest import suggest_assignment_map

    suggestion = suggest_assignment_map(arguments.source, arguments.target)
    if arguments.accept_ambiguous:
        suggestion = suggestion.accepting()
    if arguments.output is not None:
        write_text(arguments.output, suggestion.to_yaml())
    show(suggestion, arguments)
    return 0
