"""What subcommands share: printing a result in the form that was asked for."""

from __future__ import annotations

import argparse
import sys
from typing import Protocol

from tf_ckpt_migrate.report.output import write

__all__ = ["show"]


class _Result(Protocol):
    """What every function of the package returns that the shell shows."""

    def to_json(self) -> str:
        """Return all of it as JSON."""
        ...


def show(result: _Result, arguments: argparse.Namespace) -> None:
    """Print a result on standard output, as text or as JSON."""
    if arguments.output_format == "json":
        sys.stdout.write(result.to_json() + "\n")
    else:
        write(str(result).splitlines(), sys.stdout)
