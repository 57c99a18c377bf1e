"""Text files beside checkpoints: plans, maps, manifests, pages.

A path is soon mistyped, and a file of a checkpoint may be a link that other checkpoints
share. So none is replaced by text, and what is replaced is replaced whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from tf_ckpt_migrate.bundle.commit import check_file_path, replacing
from tf_ckpt_migrate.bundle.shards import INDEX_SUFFIX, parse_shard_path
from tf_ckpt_migrate.errors import NotTextError, OutputExistsError
from tf_ckpt_migrate.storage.access import exists, is_file, read_bytes, read_end
from tf_ckpt_migrate.storage.paths import path_of
from tf_ckpt_migrate.table.block import MAGIC

__all__ = ["read_text", "write_text"]


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file so that a reader finds the old one or the new one.

    Missing folders are made.

    Raises:
      OutputExistsError: If a file of a checkpoint would be replaced.
      OutputPathError: If the path is a directory, or cannot be that of a file.
      OSError: If it cannot be written.
    """
    path = path_of(path)
    check_file_path(path)
    if is_file(path) and _is_of_checkpoint(path):
        raise OutputExistsError(
            f"{path!r} is a file of a checkpoint, which text never replaces; choose "
            "another name for the output"
        )
    if exists(path) and not is_file(path):  # /dev/stdout, a pipe
        Path(path).write_text(text, encoding="utf-8")
        return
    with replacing(path, of=path) as file:
        file.write(text.encode())


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a file that is to be text.

    Raises:
      NotTextError: If it is none.
      OSError: If it is not there, or cannot be read.
    """
    path = path_of(path)
    try:
        return _newlines(read_bytes(path).decode())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path!r}") from None
    except UnicodeDecodeError as error:
        kind = ": it is a file of a checkpoint" if _is_of_checkpoint(path) else ""
        raise NotTextError(f"{path!r} is no text file{kind} ({error})") from None


def _newlines(text: str) -> str:
    """Return text with the ends of lines that Python has."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_of_checkpoint(path: str) -> bool:
    if path.endswith((INDEX_SUFFIX, ".meta")) or parse_shard_path(path) is not None:
        return True
    return read_end(path, len(MAGIC)) == MAGIC
