"""``tf-ckpt-migrate manifest``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.rules import ROLES

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = (
    "tf-ckpt-migrate manifest logs/model.ckpt-1000 --drop_role=slot "
    "--output model_names.yaml"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("checkpoint", help="the checkpoint, whose index is enough")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write it here, to be kept beside the model's code; else it is printed",
    )
    parser.add_argument(
        "--drop_role",
        action="append",
        choices=ROLES,
        default=[],
        metavar="ROLE",
        help="leave out names by what they are to training: slot, optimizer (beta "
        "powers, hyperparameters), average or step; may be repeated",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Write the manifest, or print it."""
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.conversion.manifest import NameManifest
    from tf_ckpt_migrate.report.output import write

    manifest = NameManifest.from_checkpoint(arguments.checkpoint)
    manifest = manifest.without(*arguments.drop_role)
    if arguments.output is None:
        show(manifest, arguments)
    else:
        manifest.save(arguments.output)
        write([f"{arguments.output}: {len(manifest):,} names"], sys.stdout)
    return 0
