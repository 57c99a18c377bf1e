"""Shows how far a long work has come, on a terminal and nowhere else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.report.output import is_terminal

__all__ = ["byte_progress", "count_progress"]


@contextmanager
def byte_progress(title: str, stream: TextIO | None) -> Generator[Progress | None]:
    """Show a bar of bytes done while the context lasts.

    Args:
      title: What is being done.
      stream: Where to show it, the standard error stream: standard output is for
        results. None for nowhere.

    Yields:
      What to call with the bytes done and the bytes there are; None where nobody looks.
    """
    with _progress(title, stream, of_bytes=True) as show:
        yield show


@contextmanager
def count_progress(title: str, stream: TextIO | None) -> Generator[Progress | None]:
    """Show a bar of things done, of those there are, as `byte_progress` does of bytes.

    Args:
      title: What is being done.
      stream: Where to show it.

    Yields:
      What to call with the number done and that of all.
    """
    with _progress(title, stream, of_bytes=False) as show:
        yield show


@contextmanager
def _progress(
    title: str, stream: TextIO | None, *, of_bytes: bool
) -> Generator[Progress | None]:
    if stream is None or not is_terminal(stream):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amounts = (
        (DownloadColumn(), TransferSpeedColumn())
        if of_bytes
        else (MofNCompleteColumn(),)
    )
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *amounts,
        TimeRemainingColumn(),
    )
    console = Console(file=stream)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show
