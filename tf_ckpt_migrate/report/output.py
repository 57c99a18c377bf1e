"""Writes lines and tables to a stream: plain into a pipe, laid out on a terminal.

What goes into a pipe is whole and stable; only on a terminal are cells folded, and long
tables and texts cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from tf_ckpt_migrate.checkpoint.text import Table, plain_text

__all__ = ["is_terminal", "write"]


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person is reading the stream as it is written."""
    return stream.isatty()


def write(
    blocks: Iterable[str | Table], stream: TextIO, *, most: int | None = 200
) -> None:
    """Write lines and tables.

    Args:
      blocks: What to write.
      stream: Where to.
      most: How many rows of a table, and lines, a terminal shows; None for all.

    Example:
      >>> import sys
      >>> write(["2 tensors", Table(("key", ">bytes"), [("w", "8")])], sys.stdout)
      2 tensors
      key  bytes
      w        8
    """
    if is_terminal(stream):
        from tf_ckpt_migrate.report.terminal import write_to_terminal

        write_to_terminal(blocks, stream, most)
    else:
        stream.write(plain_text(blocks) + "\n")
