"""Copies files of this machine to a folder of any system."""

from __future__ import annotations

from pathlib import Path

from tf_ckpt_migrate.files.access import copy_file, make_folder
from tf_ckpt_migrate.files.paths import is_far, join

__all__ = ["placed"]


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
