"""Text files beside checkpoints: plans, maps, manifests, pages.

A path is soon mistyped, and a file of a checkpoint may be a link that other checkpoints
share. So none is replaced by text, and what is replaced is replaced whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from tf_ckpt_migrate.bundle.naming import INDEX_SUFFIX, parse_shard_path
from tf_ckpt_migrate.bundle.staging import flushed, replace_file, staging_folder
from tf_ckpt_migrate.errors import NotTextError, OutputExistsError
from tf_ckpt_migrate.table.footer import MAGIC

__all__ = ["read_text", "write_text"]


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file so that a reader finds the old one or the new one.

    Missing folders are made.

    Raises:
      OutputExistsError: If a file of a checkpoint would be replaced.
      OSError: If it cannot be written.
    """
    path = os.fsdecode(path)
    if os.path.isfile(path) and _is_of_checkpoint(path):
        raise OutputExistsError(
            f"{path!r} is a file of a checkpoint, which text never replaces; choose "
            "another name for the output"
        )
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout, a pipe
        Path(path).write_text(text, encoding="utf-8")
        return
    with staging_folder(path) as folder:
        staged = os.path.join(folder, "text")
        Path(staged).write_text(text, encoding="utf-8")
        flushed(staged)
        replace_file(staged, path)


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a file that is to be text.

    Raises:
      NotTextError: If it is none.
      OSError: If it is not there, or cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {os.fsdecode(path)!r}") from None
    except UnicodeDecodeError as error:
        path = os.fsdecode(path)
        kind = ": it is a file of a checkpoint" if _is_of_checkpoint(path) else ""
        raise NotTextError(f"{path!r} is no text file{kind} ({error})") from None


def _is_of_checkpoint(path: str) -> bool:
    if path.endswith((INDEX_SUFFIX, ".meta")) or parse_shard_path(path) is not None:
        return True
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(MAGIC)))
        return file.read() == MAGIC
