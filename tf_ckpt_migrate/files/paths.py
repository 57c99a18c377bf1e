"""Paths as text: those of this machine, and URLs such as ``gs://bucket/model.ckpt``.

A URL is far, save for ``file://``, which names a path of this machine. What ``os.path``
does to a path it does not do to a URL: ``//`` is no separator written twice, and there
is no working directory that one could be relative to.
"""

from __future__ import annotations

import os
import posixpath
import re

__all__ = [
    "absolute",
    "basename",
    "dirname",
    "is_far",
    "join",
    "path_of",
    "scheme_of",
    "split",
]

# Of two letters or more: `C://` is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_HERE = "file"


def path_of(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path that a caller gave as text; one of ``file://`` as the path here.

    Example:
      >>> path_of("file:///tmp/m"), path_of(b"m"), path_of("S3://bucket/m")
      ('/tmp/m', 'm', 's3://bucket/m')
    """
    text = os.fsdecode(path)
    scheme = scheme_of(text)
    if not scheme:
        return text
    rest = text[len(scheme) :]
    return rest.removeprefix("://") if scheme == _HERE else f"{scheme}{rest}"


def scheme_of(path: str) -> str:
    """Return the scheme of a URL in lower case; "" for a path of this machine.

    Example:
      >>> scheme_of("S3://bucket/m"), scheme_of("runs/m")
      ('s3', '')
    """
    if "://" not in path:
        return ""
    found = _SCHEME.match(path)
    return found[1].lower() if found else ""


def is_far(path: str) -> bool:
    """Return whether a path is one of another file system than this machine's.

    Example:
      >>> is_far("gs://bucket/m"), is_far("runs/m"), is_far("odd/name://m")
      (True, False, False)
    """
    return scheme_of(path) not in ("", _HERE)


def split(path: str) -> tuple[str, str]:
    """Return folder and basename, as ``os.path.split`` does of a path.

    Example:
      >>> split("s3://bucket/run/m"), split("ram://m"), split("run/m")
      (('s3://bucket/run', 'm'), ('ram://', 'm'), ('run', 'm'))
    """
    if not is_far(path):
        return os.path.split(path)
    start, _, rest = path.partition("://")
    folder, slash, name = rest.rpartition("/")
    return f"{start}://{folder or slash}", name


def absolute(path: str) -> str:
    """Return a path that does not lean on the working directory, without ``..``.

    Example:
      >>> absolute("s3://bucket/run/../m")
      's3://bucket/m'
    """
    if not is_far(path):
        return os.path.abspath(path)
    start, _, rest = path.partition("://")
    return f"{start}://{posixpath.normpath(rest)}" if rest else path


def dirname(path: str) -> str:
    """Return the folder of a path.

    Example:
      >>> dirname("hdfs:///m"), dirname("run/m")
      ('hdfs:///', 'run')
    """
    return split(path)[0]


def basename(path: str) -> str:
    """Return the last part of a path.

    Example:
      >>> basename("hdfs:///m"), basename("s3://bucket/run/")
      ('m', '')
    """
    return split(path)[1]


def join(folder: str, *names: str) -> str:
    """Return a path of names below a folder; a name that is a URL stays as it is.

    Example:
      >>> join("s3://bucket/run", "m"), join("run", "ram://m"), join("ram://", "m")
      ('s3://bucket/run/m', 'ram://m', 'ram://m')
    """
    for name in names:
        if is_far(name):
            folder = name
        elif is_far(folder):
            end = "" if folder.endswith("/") else "/"
            folder = f"{folder}{end}{name}"
        else:
            folder = os.path.join(folder, name)
    return folder
