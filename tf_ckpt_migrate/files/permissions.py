"""Gives new local files the permissions of those that they replace."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["copy_permissions", "create_like"]


def create_like(path: str, like: str) -> BinaryIO:
    """Create a file with the permissions of another one, if that exists.

    Args:
      path: The new file, which must not exist.
      like: The other one, such as the file that the new one will replace.
    """
    with ExitStack() as stack:
        file = stack.enter_context(Path(path).open("xb"))
        copy_permissions(like, path)
        stack.pop_all()
        return file


def copy_permissions(like: str, path: str) -> None:
    """Give a file the permissions, and if possible the owner, of another one.

    If the file cannot get the group of the other one, then that group's permissions
    would be given to another group, which instead gets those of everybody.

    Args:
      like: The other file; if it does not exist, nothing is done.
      path: The file.
    """
    try:
        wanted = os.stat(like)
    except OSError:
        return
    mode, made = stat.S_IMODE(wanted.st_mode), os.stat(path)
    owner = wanted.st_uid, wanted.st_gid
    if hasattr(os, "chown") and (made.st_uid, made.st_gid) != owner:
        for each in ((-1, owner[1]), (owner[0], -1)):
            with suppress(OSError):  # only root may change the owner
                os.chown(path, *each)
        if os.stat(path).st_gid != owner[1]:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    if stat.S_IMODE(os.stat(path).st_mode) != mode:
        os.chmod(path, mode)
