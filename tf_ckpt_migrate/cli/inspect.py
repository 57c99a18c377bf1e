"""``tf-ckpt-migrate inspect``."""

from __future__ import annotations

import argparse
import sys

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate inspect logs/model.ckpt-1000 --values"

_MOST_ON_A_TERMINAL = 200


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "checkpoint",
        help="prefix, one of a checkpoint's files, model directory or SavedModel",
    )
    parser.add_argument(
        "--values",
        action="store_true",
        help="read all values too, and show their statistics",
    )
    parser.add_argument(
        "--names",
        action="store_true",
        help="show the variable names that an object-based checkpoint keeps",
    )
    parser.add_argument(
        "--tensors",
        choices=("auto", "all", "none"),
        default="auto",
        help="whether to list every tensor; auto does, but of more than "
        f"{_MOST_ON_A_TERMINAL} on a terminal none",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Describe the checkpoint."""
    from tf_ckpt_migrate.checkpoint.describe import described, inspect_checkpoint
    from tf_ckpt_migrate.report.output import is_terminal, write
    from tf_ckpt_migrate.report.progress import byte_progress

    shown = sys.stderr if arguments.values else None
    with byte_progress("reading values", shown) as progress:
        description = inspect_checkpoint(
            arguments.checkpoint,
            values=arguments.values,
            names=arguments.names,
            progress=progress,
        )
    if arguments.output_format == "json":
        sys.stdout.writelines(description.json_parts())
        sys.stdout.write("\n")
        return 0
    most = {"all": None, "none": 0}.get(
        arguments.tensors, _MOST_ON_A_TERMINAL if is_terminal(sys.stdout) else None
    )
    write(described(description, most), sys.stdout, most=most)
    return 0
