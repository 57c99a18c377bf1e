"""Checks paths of outputs before anything is written.

What the operating system would refuse late, in the middle of a write and in its own
words, is refused here at once.
"""

from __future__ import annotations

import errno
import os

from tf_ckpt_migrate.bundle.existing import find_entries
from tf_ckpt_migrate.bundle.naming import INDEX_SUFFIX, parse_shard_path, shard_path
from tf_ckpt_migrate.bundle.staging import staging_path
from tf_ckpt_migrate.errors import OutputPathError
from tf_ckpt_migrate.files.access import is_folder
from tf_ckpt_migrate.files.paths import basename, is_far, join, split

__all__ = ["check_file_path", "check_folder_path", "check_prefix", "refuse_file_name"]


def check_prefix(prefix: str) -> list[str]:
    """Check that the files of a checkpoint can have the names that a prefix gives them.

    Returns:
      The files that a checkpoint of this prefix has already (`existing_files`).

    Raises:
      OutputPathError: If they cannot.
    """
    _check_text(prefix)
    if not is_far(prefix):
        _check_local(prefix, shard_path("", 0, 1))
    entries = find_entries(prefix)
    for path, found in entries.items():
        if found.is_folder and path != join(*split(prefix)):
            raise OutputPathError(
                f"cannot write the checkpoint {prefix!r}: {path!r}, which would be one "
                "of its files, is a directory; choose another output prefix"
            )
    return [path for path, found in entries.items() if not found.is_folder]


def refuse_file_name(prefix: str) -> None:
    """Refuse a folder, and the name of one file of a checkpoint, as an output prefix.

    Raises:
      OutputPathError: If the prefix is such a path.
    """
    _check_text(prefix)
    if basename(prefix) in ("", ".", ".."):
        meant = join(prefix, "model.ckpt")
        raise OutputPathError(
            f"the output {prefix!r} is a folder; a prefix of file names is wanted, as "
            f"{meant!r}"
        )
    shard = parse_shard_path(prefix)
    meant = prefix.removesuffix(INDEX_SUFFIX) if shard is None else shard.prefix
    if meant != prefix:
        raise OutputPathError(
            f"the output {prefix!r} is called as one file of a checkpoint; give the "
            f"prefix of all of them, {meant!r}"
        )


def check_file_path(path: str) -> None:
    """Check that a file can be written at a path.

    Raises:
      OutputPathError: If it cannot.
    """
    _check_text(path)
    if is_folder(path) or not basename(path):
        raise OutputPathError(
            f"the output {path!r} is a directory; give the path of a file, such as "
            f"{join(path, 'output')!r}"
        )
    if not is_far(path):
        _check_local(path)


def check_folder_path(path: str) -> None:
    """Check that a path is a directory, or that one can be made there.

    Raises:
      OutputPathError: If neither is so.
    """
    _check_text(path)
    if not is_far(path):
        _check_local(os.path.join(path, "m"))


def _check_text(path: str) -> None:
    if not path:
        raise OutputPathError(
            "the output path is empty; give the path to write to ('.' is the working "
            "directory)"
        )
    if "\0" in path:
        raise OutputPathError(
            f"the output {path!r} contains a NUL character ('\\0'), which no file name "
            "can contain; remove it"
        )
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise OutputPathError(
            f"the output {path!r} contains characters that file names here cannot "
            f"contain ({error.reason}); choose another name"
        ) from None


def _check_local(path: str, ending: str = "") -> None:
    """Check a path of this machine, with the longest ending that it will get."""
    folder, name = os.path.split(path)
    staged = os.path.join(staging_path(path), f"{name}{ending}")
    for each in (path + ending, staged):
        _check_lookup(path, each)
    missing = [name + ending]
    while not os.path.lexists(folder or "."):
        folder, name = os.path.split(folder)
        missing.append(name)
    if not os.path.isdir(folder or "."):
        kind = "a link that leads to none" if os.path.islink(folder) else "a file"
        raise OutputPathError(
            f"cannot write {path!r}: {folder!r} is not a directory, but {kind}; choose "
            "another output path"
        )
    for name in missing:  # the system looks at a name only in a folder that is there
        _check_lookup(path, os.path.join(folder, name))


def _check_lookup(path: str, looked_up: str) -> None:
    try:
        os.lstat(looked_up)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputPathError(
                f"cannot write {path!r}: the path, or a name in it, is longer than the "
                f"file system allows ({len(os.fsencode(path)):,} bytes, and up to 20 "
                "more for the file of a checkpoint); choose a shorter one"
            ) from None
