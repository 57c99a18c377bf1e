"""Copies files of this machine to a folder of any system, and tells what is in one."""

from __future__ import annotations

from pathlib import Path

from tf_ckpt_migrate.bundle.commit import STAGING_MARK
from tf_ckpt_migrate.storage.access import (
    copy_file,
    is_folder,
    make_folder,
    names_in,
    read_bytes,
)
from tf_ckpt_migrate.storage.paths import is_far, join

__all__ = ["files_of", "placed"]


def placed(source: Path, folder: str) -> str:
    """Copy the files of a folder, and of those within; return where to."""
    make_folder(folder)
    for file in sorted(source.rglob("*")):
        to = join(folder, *file.relative_to(source).parts)
        if file.is_dir():
            make_folder(to)
        elif is_far(to):
            copy_file(str(file), to)
        else:
            Path(to).write_bytes(file.read_bytes())
    return folder


def files_of(folder: str, below: str = "") -> dict[str, bytes]:
    """Return the bytes of every file below a folder of any system, by its path there.

    What a writer that was broken off left aside is no part of it.
    """
    found: dict[str, bytes] = {}
    for name in names_in(folder):
        path = join(folder, name)
        if STAGING_MARK in name:
            continue
        if is_folder(path):
            found |= files_of(path, f"{below}{name}/")
        else:
            found[below + name] = read_bytes(path)
    return found
