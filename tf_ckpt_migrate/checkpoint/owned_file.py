"""A text file that one process at a time may write, others waiting for their turn.

On a far file system there are no locks, and nobody waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from tf_ckpt_migrate.bundle.commit import (
    flushed,
    remove_all_unpublished,
    replace_file,
    replacing,
    staging_folder,
)
from tf_ckpt_migrate.bundle.locks import check_in_place
from tf_ckpt_migrate.storage.access import make_folder, remove_file
from tf_ckpt_migrate.storage.paths import Directory, create_like, dirname, is_far

__all__ = ["owned_file", "remove_left_behind"]

_PATIENCE = 600.0  # seconds: what another process is at may be large


@contextmanager
def owned_file(path: str) -> Generator[Callable[[str], None]]:
    """Own a file while the context lasts.

    Args:
      path: Of the file, which need not exist. Missing folders are made.

    Yields:
      What puts a text into the file, so that a reader finds the old one or the new one;
      an empty text removes it.

    Raises:
      OutputInUseError: If another process keeps it for ten minutes.
      OSError: If it cannot be written.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with owned_file(os.path.join(folder, "note")) as put:
      ...         put("done")
      ...     os.listdir(folder)
      ['note']
    """
    if is_far(path):
        make_folder(dirname(path))
        yield lambda text: _put_far(path, text)
        return
    with staging_folder(path, _PATIENCE) as staging:
        yield lambda text: _put(path, text, staging)


def remove_left_behind(folder: str) -> None:
    """Remove what killed owners of files, and writers of checkpoints, have left.

    On a far system nobody knows whether they were killed, and it stays.
    """
    with suppress(OSError):  # it may not be for this process to read
        remove_all_unpublished(folder)


def _put_far(path: str, text: str) -> None:
    if text:
        with replacing(path, of=path) as file:
            file.write(text.encode())
        return
    with suppress(FileNotFoundError):
        remove_file(path)


def _put(path: str, text: str, staging: Directory) -> None:
    if not text:
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    staged = os.path.join(staging.path, "text")
    with suppress(FileNotFoundError):  # of an attempt that failed
        os.unlink(staged)
    with create_like(staged, path) as file:
        file.write(text.encode())
    flushed(staged)
    check_in_place(staging)
    replace_file(staged, path)
