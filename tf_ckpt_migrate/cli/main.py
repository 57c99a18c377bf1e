"""The command line: finds the subcommand, runs it, and turns errors into exit codes.

Exit codes: 0 done, 1 differs or refused, 2 wrong use; ``diff`` also ends with 2 where
it could not compare, same as diff(1). What the shell expects of a program that is
interrupted or whose reader has gone comes on top.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from tf_ckpt_migrate._version import __version__
from tf_ckpt_migrate.errors import CheckpointError
from tf_ckpt_migrate.escapes import printable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main", "run"]

_DONE, _REFUSED, _WRONG_USE = 0, 1, 2
_INTERRUPTED = 130  # 128 + SIGINT
_READER_GONE = 141  # 128 + SIGPIPE

# Every subcommand, with its module (dashes are underscores) and a line of help.
_COMMANDS = {
    "inspect": "say what a checkpoint holds",
    "diff": "compare two checkpoints; exit code 1 where they differ",
    "verify": "check every byte against its checksum, and a conversion against its "
    "source; exit code 1 where one is wrong",
    "manifest": "write down the names of a checkpoint, to be tested against a model",
    "suggest": "propose the rules from one checkpoint to another, and say how sure",
    "plan": "say what a conversion would do, and write it down to be edited",
    "convert": "convert a checkpoint: TF1 to TF2 and back, or other names",
    "convert-all": "convert every checkpoint below a folder, resuming what is not done",
    "add-name-keys": "let TF1 read a TF2 checkpoint by variable names too",
    "add-object-keys": "let TF2 read a TF1 checkpoint by objects too",
    "remove-name-keys": "undo add-name-keys",
    "prune": "write a checkpoint without optimizer slots, averages or others",
    "merge": "write one checkpoint with the tensors of several",
    "compact": "copy a checkpoint without the bytes that nothing refers to",
    "report": "show a plan, a checkpoint or a conversion as a page for people",
}

# Those that take arguments for another program behind ``--``.
_PASSES_ON = {"convert-all"}

# Flags of absl itself. Its parser reads all that argparse does, but its import costs as
# much as a whole inspection, so it is taken only where one of these is given.
_ABSL_FLAGS = ("--flagfile", "--undefok")

_FLAG = re.compile(r"--[A-Za-z][\w-]*")


class _Command(Protocol):
    """What a module of a subcommand has.

    Attributes:
      EXAMPLE: A command line that shows it.
    """

    EXAMPLE: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        ...

    def execute(self, arguments: argparse.Namespace) -> int:
        """Do it, and return the exit code."""
        ...


def run() -> None:
    """Run the command with the arguments of the process, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names need not fit its encoding
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
      argv: Its arguments, the subcommand first.

    Returns:
      The exit code.
    """
    arguments: argparse.Namespace | None = None
    try:
        own, others = _divided(argv)
        parser, execute = _parser(own)
        arguments = _parsed(parser, own)
        if execute is None:
            parser.print_help(sys.stderr)
            return _WRONG_USE
        arguments.argv = [*argv]  # what a report tells to type again
        arguments.others = others
        status = execute(arguments)
        sys.stdout.flush()
    except SystemExit as end:  # argparse has printed help, or what is wrong
        return end.code if isinstance(end.code, int) else _WRONG_USE
    except BrokenPipeError:
        _forget_output()
        return _READER_GONE
    except KeyboardInterrupt:
        sys.stderr.write("tf-ckpt-migrate: interrupted; nothing is left half-written\n")
        return _INTERRUPTED
    except (CheckpointError, OSError) as error:
        _report(error, arguments)
        return getattr(arguments, "on_error", _REFUSED)
    return status


def _divided(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return a subcommand's own arguments, and those behind ``--`` of another program.

    For most subcommands ``--`` means, as usual, that what follows is no flag.
    """
    if not {*argv} & _PASSES_ON or "--" not in argv:
        return argv, ()
    at = list(argv).index("--")
    return argv[:at], argv[at + 1 :]


def _parser(
    argv: Sequence[str],
) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int] | None]:
    """Return the parser, and what executes the subcommand that ``argv`` names."""
    parser = _parser_class(argv)(
        prog="tf-ckpt-migrate",
        description="Read, compare, verify and convert TensorFlow checkpoints.",
        epilog="`tf-ckpt-migrate COMMAND --help` shows a command with an example. Exit "
        "codes: 0 done, 1 differs or refused, 2 wrong use (or, for diff, trouble).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND")
    chosen = next((word for word in argv if word in _COMMANDS), None)
    execute = None
    for name, summary in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:  # the modules of the others stay unread
            execute = _configured(name, subparser)
    return parser, execute


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments, one that may be left out also from behind flags.

    argparse takes it for left out as soon as a flag comes before it. A subcommand that
    has such an argument names it as its default of ``optional``.
    """
    arguments, left = parser.parse_known_args(list(map(_with_underscores, argv)))
    name: str | None = getattr(arguments, "optional", None)
    is_one = len(left) == 1 and not left[0].startswith("-")
    if name and is_one and getattr(arguments, name) is None:
        setattr(arguments, name, left.pop())
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    return arguments


def _configured(
    name: str, parser: argparse.ArgumentParser
) -> Callable[[argparse.Namespace], int]:
    module = f"tf_ckpt_migrate.cli.{name.replace('-', '_')}"
    command = cast("_Command", import_module(module))
    command.configure(parser)
    parser.epilog = f"example:\n  {command.EXAMPLE}"
    parser.add_argument(
        "--output_format",
        choices=("text", "json"),
        default="text",
        help="text for people (the default), or JSON",
    )
    parser.add_argument(
        "--verbosity",
        type=int,
        default=0,
        metavar="N",
        help="1 shows the traceback of an error",
    )
    return command.execute


def _parser_class(argv: Sequence[str]) -> type[argparse.ArgumentParser]:
    if not any(argument.startswith(_ABSL_FLAGS) for argument in argv):
        return argparse.ArgumentParser
    from tf_ckpt_migrate.cli.absl_parser import AbslParser

    return AbslParser


def _with_underscores(argument: str) -> str:
    """Return ``--output-format`` as ``--output_format``, as flags are spelled here."""
    flag = _FLAG.match(argument)
    if flag is None:
        return argument
    return flag[0][:2] + flag[0][2:].replace("-", "_") + argument[flag.end() :]


def _report(error: Exception, arguments: argparse.Namespace | None) -> None:
    """Write an error: as JSON on standard output, or as text on standard error."""
    if arguments is not None and arguments.verbosity > 0:
        import traceback

        traceback.print_exception(error)
    from tf_ckpt_migrate.cli.errors_text import error_json, error_text

    if arguments is not None and arguments.output_format == "json":
        sys.stdout.write(error_json(error) + "\n")
        sys.stdout.flush()
    elif arguments is None or arguments.verbosity == 0:
        lines = error_text(error).split("\n")
        sys.stderr.write("tf-ckpt-migrate: " + "\n".join(map(printable, lines)) + "\n")


def _forget_output() -> None:
    """Let the interpreter's own last flush go nowhere, for the reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
