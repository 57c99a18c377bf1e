"""Lays lines and tables out for a terminal: only here does it take the time of rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich import table as rich_table
from rich.console import Console
from rich.text import Text

from tf_ckpt_migrate.checkpoint.text import Table, plain_text
from tf_ckpt_migrate.escapes import printable

__all__ = ["write_to_terminal"]

# How lines begin that say how it went; the rest of the text has no colour.
_STYLES = {
    "equal:": "green",
    "different:": "bold red",
    "problem:": "bold red",
    "check:": "yellow",
    "note:": "yellow",
}
_INDENT = "    "


def write_to_terminal(
    blocks: Iterable[str | Table], stream: TextIO, most: int | None = None
) -> None:
    """Write lines and tables no wider than the terminal is.

    A table that is too wide has the first cell of each row on a line of its own, and
    what is still too long is folded.

    Args:
      blocks: What to write.
      stream: The terminal.
      most: How many rows of a table, and how many lines, to show; None for all.
    """
    console = Console(file=stream, highlight=False)
    lines = 0
    for block in blocks:
        if isinstance(block, Table):
            _write_table(block._replace(rows=block.rows[:most]), console)
            _tell_rest(len(block.rows), most, console)
            continue
        lines += 1
        if most is None or lines <= most:
            console.print(_styled(block))
    _tell_rest(lines, most, console)


def _tell_rest(count: int, most: int | None, console: Console) -> None:
    if most is not None and count > most:
        rest = f"… and {count - most:,} more; redirect the output to see all"
        console.print(Text(rest, style="dim"))


def _write_table(table: Table, console: Console) -> None:
    if max(map(len, plain_text([table]).splitlines())) <= console.width:
        console.print(_laid_out(table))
    else:
        console.print(_stacked(table))


def _styled(line: str) -> Text:
    # Text, never markup: [2, 3] is a shape.
    style = next((s for start, s in _STYLES.items() if line.startswith(start)), "")
    return Text(printable(line), style=style, overflow="fold")


def _laid_out(table: Table) -> rich_table.Table:
    laid_out = rich_table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in table.columns:
        number = name.startswith(">")
        laid_out.add_column(
            Text(name.lstrip(">")), justify="right" if number else "left", no_wrap=True
        )
    for row in table.rows:
        laid_out.add_row(*(Text(printable(cell)) for cell in row))
    return laid_out


def _stacked(table: Table) -> Text:
    names = [table.columns[0], *(printable(row[0]) for row in table.rows)]
    rest = Table(table.columns[1:], [row[1:] for row in table.rows])
    details = plain_text([rest]).splitlines() if rest.columns else [""] * len(names)
    lines = [
        f"{name}\n{_INDENT}{detail}" if detail else name
        for name, detail in zip(names, details, strict=True)
    ]
    stacked = Text("\n".join(lines), overflow="fold")
    stacked.stylize("bold", 0, len(lines[0]))
    return stacked
