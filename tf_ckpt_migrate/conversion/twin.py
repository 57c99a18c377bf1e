"""Twins: a name-based checkpoint for every object-based one, of the same data files.

They are for programs that watch a directory and know nothing of objects.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from tf_ckpt_migrate.bundle.commit import (
    check_folder_path,
    check_prefix,
    existing_files,
)
from tf_ckpt_migrate.bundle.shards import index_path
from tf_ckpt_migrate.checkpoint.owned_file import owned_file
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.conversion.convert import move_contents
from tf_ckpt_migrate.conversion.output import write_output
from tf_ckpt_migrate.errors import OutputExistsError
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.storage.access import exists, read_range, real_path, remove_file
from tf_ckpt_migrate.storage.paths import basename, dirname, join, path_of, split

__all__ = ["check_twin", "remove_checkpoint", "write_twin"]

_LIST = ".tcm-twins"
_LONGEST_LIST = 16 << 20


def check_twin(prefix: str, directory: str) -> str:
    """Return the prefix of the twin of a checkpoint: of the same basename.

    Args:
      prefix: Of the checkpoint.
      directory: Of twins.

    Raises:
      OutputExistsError: If that is the folder of the checkpoint itself.
      OutputPathError: If one of the paths cannot be written to.
      CorruptCheckpointError: If the directory has a state file that is none.

    Example:
      >>> check_twin("run/ckpt-1", "serving")
      'serving/ckpt-1'
    """
    directory, prefix = path_of(directory), path_of(prefix)
    check_folder_path(directory)
    check_prefix(prefix)
    folder, base = split(prefix)
    twin = join(directory, base)
    if real_path(directory) == real_path(folder or "."):
        raise OutputExistsError(
            f"twin_directory={directory!r} is the directory of {prefix!r} itself, "
            "whose files twins would replace; choose another"
        )
    kept_beside(twin)
    return twin


def write_twin(prefix: str, directory: str, moves: Sequence[Move]) -> str:
    """Write the twin of a checkpoint, and name it as the latest of its directory.

    Twins there whose originals are gone go too. Other checkpoints there stay: the file
    ``.tcm-twins`` lists those that were written as twins.

    Args:
      prefix: Of the checkpoint that has the bytes.
      directory: Where to write; missing folders are made.
      moves: From its keys to names. A value that changes is computed, unless the
        checkpoint has it under its name.

    Returns:
      The prefix of the twin.

    Raises:
      OutputExistsError: If that would be the checkpoint itself.
      CorruptCheckpointError: If the directory has a state file that is none.
      OSError: If a write fails.
    """
    prefix, directory = path_of(prefix), path_of(directory)
    twin = check_twin(prefix, directory)
    source = CheckpointReader(prefix)
    named = [_as_saved(move, source) for move in moves]
    contents = move_contents(source, named)
    with owned_file(join(directory, _LIST)) as put:
        twins = {*_twins_in(directory), basename(twin)}
        put(json.dumps(sorted(twins)))
        write_output(twin, contents, overwrite=True)
        folder = dirname(prefix)
        listed = [*map(basename, kept_beside(twin))]
        orphans = [
            base
            for base in listed
            if base in twins and not exists(index_path(join(folder, base)))
        ]
        record_latest(twin, without=orphans)
        for base in orphans:
            remove_checkpoint(join(directory, base))
        put(json.dumps(sorted(twins.difference(orphans))))
    return twin


def _as_saved(move: Move, source: CheckpointReader) -> Move:
    """Return a move from the name itself where the checkpoint has it already."""
    if move.target not in source:
        return move
    return move._replace(sources=(move.target,), transform=None)


def _twins_in(directory: str) -> list[str]:
    """Return the basenames of the twins that were written to a directory."""
    try:
        found: Any = json.loads(read_range(join(directory, _LIST), 0, _LONGEST_LIST))
    except (FileNotFoundError, ValueError):
        return []
    entries = cast(list[Any], found) if isinstance(found, list) else []
    return [base for base in entries if isinstance(base, str)]


def remove_checkpoint(prefix: str) -> None:
    """Remove the files of a checkpoint, the index first: nobody shall read half of it.

    A file that is called exactly as the prefix is not of it, and stays.

    Args:
      prefix: Of the checkpoint; one that is not there is no mistake.

    Raises:
      OSError: If a file cannot be removed.
    """
    for path in sorted(existing_files(prefix), key=lambda p: p != index_path(prefix)):
        if path != join(*split(prefix)):
            remove_file(path)
