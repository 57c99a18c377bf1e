"""``tf-ckpt-migrate verify``."""

from __future__ import annotations

import argparse
import sys

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = "tf-ckpt-migrate verify logs/model.ckpt-1000"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "checkpoint",
        help="prefix, one of a checkpoint's files, model directory or SavedModel",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Verify the checkpoint, with progress on a terminal."""
    from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.report.progress import byte_progress

    with byte_progress("verifying", sys.stderr) as progress:
        verification = verify_checkpoint(arguments.checkpoint, progress=progress)
    show(verification, arguments)
    return 0 if verification.ok else 1
