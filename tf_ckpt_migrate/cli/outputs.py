"""Flags of every subcommand that writes a checkpoint."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_output", "add_writing", "writing_options"]


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the output's prefix, an argument by position."""
    parser.add_argument("output", help="prefix of the checkpoint to write")


def add_writing(
    parser: argparse.ArgumentParser, *, data: bool = True, state_file: bool = True
) -> None:
    """Add the flags.

    Args:
      parser: To add them to.
      data: Whether data shards can be taken over in several ways.
      state_file: Whether to name the output as the latest is a matter of choice.
    """
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a checkpoint of that prefix",
    )
    if state_file:
        parser.add_argument(
            "--update_state_file",
            action="store_true",
            help="make it the latest in the `checkpoint` file of its directory",
        )
    if data:
        parser.add_argument(
            "--data",
            choices=("auto", "link", "copy"),
            default="auto",
            help="take data shards over by hard links, by copying, or (auto) by "
            "links where the file system can",
        )


def writing_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the flags as keyword arguments of a conversion."""
    names = ("overwrite", "update_state_file", "data")
    return {name: getattr(arguments, name) for name in names if name in arguments}
