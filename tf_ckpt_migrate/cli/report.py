"""``tf-ckpt-migrate report``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tf_ckpt_migrate.cli.rules import add_rules, rule_flags, rules_of

if TYPE_CHECKING:
    from tf_ckpt_migrate.names.assignment_map import AssignmentMap
    from tf_ckpt_migrate.names.plan import MigrationPlan

__all__ = ["EXAMPLE", "configure", "execute"]

EXAMPLE = (
    "tf-ckpt-migrate report old/model.ckpt new/model.ckpt --plan plan.yaml "
    "--output report.html"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "subject",
        metavar="PLAN_OR_CHECKPOINT",
        help="a plan, as `tf-ckpt-migrate plan --output` wrote it (NAME.yaml), or a "
        "checkpoint",
    )
    parser.add_argument(
        "converted",
        nargs="?",
        metavar="CONVERTED",
        help="the checkpoint that came of it, to be held to what it should be",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the report here as a page, FILE.html; without it, it is printed",
    )
    parser.add_argument(
        "--values",
        choices=("none", "changed", "all"),
        default="changed",
        help="which values to read and show: those that are computed, or are not the "
        "very same bytes in both checkpoints (changed, the default); all; or none",
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="between two checkpoints: the plan that led from the first to the second",
    )
    add_rules(parser, "from keys of the first checkpoint to those of the second")
    parser.set_defaults(wrong_use=parser.error, optional="converted")


def execute(arguments: argparse.Namespace) -> int:
    """Make the report; write it, or show it."""
    from tf_ckpt_migrate.bundle.text_file import write_text
    from tf_ckpt_migrate.cli.results import show
    from tf_ckpt_migrate.report.commands import Typed
    from tf_ckpt_migrate.report.making import make_report
    from tf_ckpt_migrate.report.output import write
    from tf_ckpt_migrate.report.progress import byte_progress
    from tf_ckpt_migrate.report.text import told
    from tf_ckpt_migrate.report.words import head_line

    by = _by(arguments)
    typed = Typed(
        tuple(arguments.argv), tuple(rule_flags(arguments)), arguments.plan or ""
    )
    with byte_progress("reading values", sys.stderr) as progress:
        report = make_report(
            arguments.subject,
            arguments.converted,
            by,
            values=arguments.values,
            typed=typed,
            progress=progress,
        )
    if arguments.output is not None:
        write_text(arguments.output, report.to_html())
    if arguments.output_format == "json":
        show(report, arguments)
    elif arguments.output is not None:
        write([f"{arguments.output}: {head_line(report)}"], sys.stdout)
    else:
        write(told(report), sys.stdout)
    return 1 if any(each.level == "problem" for each in report.findings) else 0


def _by(arguments: argparse.Namespace) -> AssignmentMap | MigrationPlan | None:
    """Return what leads from the first checkpoint to the second."""
    rules = rules_of(arguments)
    if arguments.converted is None and (rules or arguments.plan):
        arguments.wrong_use(
            "--plan, --map, --rename and --drop lead from one checkpoint to another: "
            "give both; of one, `tf-ckpt-migrate plan ... --output plan.yaml` makes a "
            "plan, which a report can be made of"
        )
    if arguments.plan is None:
        return rules
    if rules is not None:
        arguments.wrong_use("--plan says it all: give it without rules")
    from tf_ckpt_migrate.conversion.plan_on_file import read_plan

    return read_plan(arguments.plan)
