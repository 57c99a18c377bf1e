"""Recognises files that people take for checkpoints, and what was done to them."""

from __future__ import annotations

import os
import re

from tf_ckpt_migrate.findings import Message
from tf_ckpt_migrate.storage.access import is_file, read_range
from tf_ckpt_migrate.storage.paths import basename, dirname, join

__all__ = ["STAND_IN_SIZE", "cause_of", "stand_in", "what_is", "with_cause"]

STAND_IN_SIZE = 1024  # the most bytes that a pointer, or a link as text, has
_HEAD = STAND_IN_SIZE + 1
_SAMPLE = 1 << 20
_FEW = 2  # line feeds: fewer may follow a carriage return by chance

# First bytes, what the file is, what to do.
_POINTER = b"version https://git-lfs"
_SIGNATURES = (
    (
        b"\x89HDF\r\n\x1a\n",
        (
            "an HDF5 file (Keras .h5 weights): load it with Keras, then save it with "
            "tf.train.Checkpoint"
        ),
    ),
    (
        b"PK\x03\x04",
        (
            "a zip archive (a .keras file, or a packed checkpoint): load a .keras file "
            "with keras.models.load_model, unpack any other"
        ),
    ),
    (b"\x1f\x8b", "gzip-compressed: unpack it first (`tar xzf` or `gunzip`)"),
    (b"BZh", "bzip2-compressed: unpack it first"),
    (b"\xfd7zXZ\0", "xz-compressed: unpack it first"),
    (b"\x93NUMPY", "a NumPy array: it is no checkpoint"),
    (
        b"\x80\x02",
        "a Python pickle (perhaps of PyTorch): it is no TensorFlow checkpoint",
    ),
)
# A file of a checkpoint, as the text of a symbolic link names it.
_LINK = re.compile(r"[^\0-\x1f\x7f]*\.(?:index|meta|data-\d{5}-of-\d{5})")
_MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"<head")


def stand_in(path: str, head: bytes) -> str | None:
    """Return what a file is if git, or an archive, has put text in its place; or None.

    Args:
      path: Of the file.
      head: Its first bytes, or all of them.

    Returns:
      The end of a sentence that began with the file's name, or None.
    """
    if len(head) > STAND_IN_SIZE:
        return None
    if head.startswith(_POINTER):
        return (
            "a Git LFS pointer, not the file itself: run `git lfs pull` in its "
            "repository"
        )
    text = head.decode(errors="replace").removesuffix("\n")
    if not text.isprintable():
        return None
    # Only a file of the same folder is looked for: a text leads nowhere else. A V1 file
    # has no suffix, so there the file that is named must be there.
    named = join(dirname(path), text)
    is_near = text not in ("", basename(path)) and not {"/", os.sep} & {*text}
    found = is_near and is_file(named)
    if not found and not _LINK.fullmatch(text):
        return None
    what = f"the text of a symbolic link to {text!r}, as git or an archive writes it"
    advice = f"copy {named!r}" if found else "copy the file that it names"
    return f"{what} where links are not supported; {advice} in its place"


def what_is(path: str) -> str | None:
    """Return what a file is that is no part of a checkpoint, and what to do; or None.

    Args:
      path: Of an existing file.

    Returns:
      The end of a sentence that began with the file's name, or None if the file is not
      recognised.
    """
    head = read_range(path, 0, _HEAD)
    if (kind := stand_in(path, head)) is not None:
        return kind
    for signature, meaning in _SIGNATURES:
        if head.startswith(signature):
            return meaning
    if head.lstrip().lower().startswith(_MARKUP):
        return (
            "a web page: the download gave an error or log-in page; download it again"
        )
    if _is_graph_def(head) or path.endswith(".pb"):
        return (
            "a serialized graph (a frozen or SavedModel .pb): its weights, if any, are "
            "constants of the graph; a SavedModel's checkpoint is variables/variables "
            "in the folder of its saved_model.pb"
        )
    return None


def cause_of(path: str) -> str:
    """Return what the bytes of a damaged file tell of why it is; "" if nothing.

    Args:
      path: Of the file.

    Returns:
      The rest of a sentence that tells what is wrong with it.
    """
    if (kind := what_is(path)) is not None:
        return f"it is {kind}"
    sample = read_range(path, 0, _SAMPLE)
    if _FEW <= sample.count(b"\n") == sample.count(b"\r\n"):
        return (
            "every line feed in it follows a carriage return, as where a copy has "
            "turned LF into CRLF: copy it again in binary mode (with git, put "
            "`*.index binary` and `*.data-* binary` into .gitattributes)"
        )
    return ""


def with_cause(problem: str, path: str) -> str:
    """Return a sentence that tells what is wrong with a file, and the cause if known.

    Args:
      problem: The sentence.
      path: Of the file.
    """
    cause = cause_of(path)
    return Message(problem, f"; {cause}") if cause else problem


def _is_graph_def(head: bytes) -> bool:
    """Whether it begins as a GraphDef: a NodeDef whose first field is a name."""
    # Field 1 of GraphDef (node) has tag 0x0a, and so has field 1 of NodeDef (name).
    if len(head) < 8 or head[0] != 0x0A:
        return False
    start = 2 if head[1] < 0x80 else 3
    if head[start] != 0x0A:
        return False
    name = head[start + 2 : start + 2 + head[start + 1]]
    return bool(name) and all(0x20 < byte < 0x7F for byte in name)
