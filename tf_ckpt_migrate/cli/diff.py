"""``tf-ckpt-migrate diff``."""

from __future__ import annotations

import argparse
import sys

from tf_ckpt_migrate.cli.rules import add_rules, rules_of

__all__ = ["EXAMPLE", "configure", "execute"]

_TROUBLE = 2  # same as in diff(1): the checkpoints could not be compared

EXAMPLE = "tf-ckpt-migrate diff old/model.ckpt new/model.ckpt --rename bert/=encoder/"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("a", help="the first checkpoint")
    parser.add_argument("b", help="the second checkpoint")
    parser.add_argument(
        "--rtol",
        type=_tolerance,
        default=0.0,
        metavar="R",
        help="numbers may be apart by R times that of b (default 0)",
    )
    parser.add_argument(
        "--atol",
        type=_tolerance,
        default=0.0,
        metavar="A",
        help="numbers may be apart by A (default 0)",
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="the plan by which b was converted, as `tf-ckpt-migrate plan --output` "
        "wrote it",
    )
    add_rules(parser, "from keys of a to those of b")
    parser.set_defaults(on_error=_TROUBLE)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:  # NaN too
        raise argparse.ArgumentTypeError(f"{text!r} is no number, 0 or more")
    return value


def execute(arguments: argparse.Namespace) -> int:
    """Compare the checkpoints."""
    from tf_ckpt_migrate.checkpoint.diff import compared, diff_checkpoints
    from tf_ckpt_migrate.conversion.plan_on_file import read_plan
    from tf_ckpt_migrate.report.output import write
    from tf_ckpt_migrate.report.progress import byte_progress

    rules = rules_of(arguments)
    if arguments.plan is not None:
        if rules is not None:
            arguments.wrong_use("--plan holds all rules; omit the flags for rules")
        rules = read_plan(arguments.plan)
    with byte_progress("comparing", sys.stderr) as progress:
        diff = diff_checkpoints(
            arguments.a,
            arguments.b,
            rtol=arguments.rtol,
            atol=arguments.atol,
            assignment_map=rules,
            progress=progress,
        )
    if arguments.output_format == "json":
        sys.stdout.write(diff.to_json() + "\n")
    else:
        write(compared(diff), sys.stdout)
    return 0 if diff.equal else 1
