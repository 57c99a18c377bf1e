"""Lays lines and tables out for a terminal: only here does it take the time of rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich import table as rich_table
from rich.console import Console
from rich.text import Text

from tf_ckpt_migrate.checkpoint.text import Table

__all__ = ["write_to_terminal"]

# How lines begin that say how it went; the rest of the text has no colour.
_STYLES = {
    "equal:": "green",
    "different:": "bold red",
    "problem:": "bold red",
    "note:": "yellow",
}


def write_to_terminal(blocks: Iterable[str | Table], stream: TextIO) -> None:
    """Write lines and tables as wide as the terminal is; what is longer is folded."""
    console = Console(file=stream, highlight=False, soft_wrap=False)
    for block in blocks:
        console.print(_laid_out(block) if isinstance(block, Table) else _styled(block))


def _styled(line: str) -> Text:
    # Text, never markup: [2, 3] is a shape.
    style = next((s for start, s in _STYLES.items() if line.startswith(start)), "")
    return Text(line, style=style, overflow="fold")


def _laid_out(table: Table) -> rich_table.Table:
    laid_out = rich_table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in table.columns:
        number = name.startswith(">")
        laid_out.add_column(
            Text(name.lstrip(">")),
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number,
        )
    for row in table.rows:
        laid_out.add_row(*map(Text, row))
    return laid_out
