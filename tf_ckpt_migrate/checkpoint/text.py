"""What is shown of a checkpoint: lines and tables, and their plain form.

The plain form is for pipes and ``str()``: nothing is cut, and the same content gives
the same text on every machine. How it looks on a terminal is another module's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tf_ckpt_migrate.escapes import printable

__all__ = ["Table", "counted", "human_bytes", "plain_text"]

_UNITS = ("KB", "MB", "GB", "TB", "PB")


class Table(NamedTuple):
    """Rows under the names of columns.

    Attributes:
      columns: The names; one that starts with ``>`` is of a column of numbers.
      rows: The cells, as text.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def plain_text(blocks: Iterable[str | Table]) -> str:
    r"""Return lines and tables as text, without a final newline.

    Example:
      >>> table = Table(("key", ">bytes"), [("w", "1,024"), ("bias", "8")])
      >>> print(plain_text(["2 tensors", table]))
      2 tensors
      key   bytes
      w     1,024
      bias      8
    """
    lines: list[str] = []
    for block in blocks:
        lines += _lines(block) if isinstance(block, Table) else [printable(block)]
    return "\n".join(lines)


def _lines(table: Table) -> list[str]:
    header = tuple(name.lstrip(">") for name in table.columns)
    rows = [header, *(tuple(map(printable, row)) for row in table.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    numbers = [name.startswith(">") for name in table.columns]
    layout = list(zip(widths, numbers, strict=True))
    return [
        "  ".join(
            _padding(cell, width) + cell if number else cell + _padding(cell, width)
            for cell, (width, number) in zip(row, layout, strict=True)
        ).rstrip()
        for row in rows
    ]


def _padding(cell: str, width: int) -> str:
    return " " * (width - _width(cell))


def _width(text: str) -> int:
    r"""Return how many columns of a terminal a text takes.

    Example:
      >>> _width("cafe\u0301"), _width("漢字"), _width("🎉")
      (4, 4, 2)
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # names are seldom others

    return sum(
        0 if category(c) in ("Mn", "Me") else 1 + (east_asian_width(c) in "WF")
        for c in text
    )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it must be.

    Example:
      >>> counted(1, "tensor"), counted(5000, "tensor")
      ('1 tensor', '5,000 tensors')
    """
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def human_bytes(size: int) -> str:
    """Return a number of bytes in the unit that people would use.

    Example:
      >>> human_bytes(999), human_bytes(1_310_000_000)
      ('999 bytes', '1.31 GB')
    """
    if size < 1000:
        return counted(size, "byte")
    scaled, units = size / 1000, iter(_UNITS)
    unit = next(units)
    while scaled >= 999.5 and (larger := next(units, None)):
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g} {unit}"
