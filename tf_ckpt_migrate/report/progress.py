"""Shows how far a long work has come, on a terminal and nowhere else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

from tf_ckpt_migrate.bundle.progress import Progress
from tf_ckpt_migrate.report.output import is_terminal

__all__ = ["byte_progress"]


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
    if stream is None or not is_terminal(stream):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(file=stream)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show
