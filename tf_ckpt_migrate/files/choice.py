"""Decides who reads and writes the files behind a scheme: the one place that does."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from tf_ckpt_migrate.errors import FarFileError
from tf_ckpt_migrate.files.paths import scheme_of
from tf_ckpt_migrate.files.system import FarSystem, telling

__all__ = ["is_known_to_tensorflow", "system_of"]


def system_of(path: str) -> FarSystem:
    """Return the file system of a URL.

    A program that has imported TensorFlow gets ``tf.io.gfile`` for what that knows, so
    that checkpoints are found where TensorFlow finds them, with the same credentials.
    Any other gets fsspec, if its package for the scheme is installed: importing that
    takes a tenth of a second where TensorFlow takes several. TensorFlow is imported for
    what only it knows. Who was found for a scheme stays for the life of the process.

    Raises:
      FarFileError: If neither knows the scheme, or fsspec refuses its configuration.

    Example:
      >>> system_of("none://bucket/m")
      Traceback (most recent call last):
        ...
      tf_ckpt_migrate.errors.FarFileError: nobody here can read or write 'none://': ...
    """
    return _system(scheme_of(path))


@cache
def _system(scheme: str) -> FarSystem:
    with telling("reach", f"{scheme}://"):
        if "tensorflow" in sys.modules and (found := _by_tensorflow(scheme)):
            return found
        why = _not_by_fsspec(scheme)
        if not why:
            from tf_ckpt_migrate.files.fsspec_system import FsspecSystem

            return FsspecSystem(scheme)
        if find_spec("tensorflow") and (found := _by_tensorflow(scheme)):
            return found
    raise FarFileError(
        f"nobody here can read or write '{scheme}://': {why}, and "
        f"{_not_by_tensorflow()}. Install what knows it, as in `pip install "
        "'tf-ckpt-migrate[far]' gcsfs` (s3fs for s3://, adlfs for abfs://), or a "
        "TensorFlow whose tf.io.gfile does"
    )


def _not_by_fsspec(scheme: str) -> str:
    """Return why fsspec does not know a scheme; "" if it does."""
    if find_spec("fsspec") is None:
        return "fsspec is not installed"
    try:
        import_module("fsspec").get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        return f"fsspec says {str(error)!r}"
    return ""


def _by_tensorflow(scheme: str) -> FarSystem | None:
    """Return TensorFlow's way, if there is one; found by name, as a plug-in is."""
    return import_module("tf_ckpt_migrate.live.gfile_system").gfile_system(scheme)


def is_known_to_tensorflow(path: str) -> bool:
    """Return whether TensorFlow, which is installed, can read and write a URL."""
    return _by_tensorflow(scheme_of(path)) is not None


def _not_by_tensorflow() -> str:
    if find_spec("tensorflow") is None:
        return "TensorFlow is not installed"
    return "TensorFlow's tf.io.gfile knows no such scheme"
