"""The ``checkpoint`` state file of a model directory.

It is a ``CheckpointState`` message in text format: the latest checkpoint, and all that
are kept, as paths relative to the file or absolute on the machine that wrote it.

Source: ``tensorflow/python/training/checkpoint_state.proto``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from tf_ckpt_migrate.checkpoint.owned_file import owned_file
from tf_ckpt_migrate.errors import CorruptCheckpointError, OutputPathError
from tf_ckpt_migrate.storage.access import (
    is_file,
    is_folder,
    looking_once,
    read_bytes,
    size_of,
)
from tf_ckpt_migrate.storage.paths import basename, dirname, join, split

__all__ = [
    "STATE_FILE",
    "CheckpointState",
    "kept_beside",
    "read_state",
    "record_latest",
    "state_text",
]

STATE_FILE = "checkpoint"
_MAX_SIZE = 16 << 20
_LINE = re.compile(r'\s*(\w+)\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([-+.\w]+))\s*')
_PLAIN_LINE = re.compile(r'(\w+): "([^"\\\n]*)"\n')
_PLAIN_LINES = re.compile(r'(?:\w+: "[^"\\\n]*"\n)*')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b'"': b'"', b"'": b"'", b"\\": b"\\"}


class CheckpointState(NamedTuple):
    """What a state file says.

    Attributes:
      latest: Prefix of the latest checkpoint, as written.
      kept: Prefixes of all that are kept, oldest first, as written.
    """

    latest: str
    kept: tuple[str, ...]


def read_state(path: str) -> CheckpointState:
    """Read a state file.

    Raises:
      FileNotFoundError: If it is not there.
      CorruptCheckpointError: If it is no state file.
    """
    if size_of(path) > _MAX_SIZE:
        raise CorruptCheckpointError(f"{path!r} is too large for a state file")
    found: dict[str, list[str]] = {}
    text = read_bytes(path).decode(errors="replace")
    plain = _PLAIN_LINES.match(text)
    start = plain.end() if plain else 0  # as a rule all: thousands are read at once
    for name, value in _PLAIN_LINE.findall(text[:start]):
        found.setdefault(name, []).append(value)
    rest = text[start:].split("\n")
    for number, line in enumerate(rest, text.count("\n", 0, start) + 1):
        match = _LINE.fullmatch(line)
        if match is None and line.strip() and not line.lstrip().startswith("#"):
            raise CorruptCheckpointError(
                f"{path!r}, line {number}: not a field of a checkpoint state file: "
                f"{line[:80]!r}"
            )
        if match is not None:
            found.setdefault(match[1], []).append(
                _unescaped(match[2] or match[3] or "")
            )
    latest = found.get("model_checkpoint_path", [])
    if not latest:
        raise CorruptCheckpointError(f"{path!r} names no model_checkpoint_path")
    return CheckpointState(
        latest[-1], tuple(found.get("all_model_checkpoint_paths", latest))
    )


def kept_beside(prefix: str) -> tuple[str, ...]:
    """Return the prefixes that the state file of a directory lists; none without one.

    Args:
      prefix: Of a checkpoint in that directory, which need not exist.

    Raises:
      CorruptCheckpointError: If the directory has a state file that is none.
      OutputPathError: If a directory has the name of the state file.
    """
    path = join(dirname(prefix), STATE_FILE)
    with looking_once():
        if is_folder(path):
            raise OutputPathError(
                f"{path!r} is a directory, so there can be no state file that names "
                "the latest checkpoint; write to another directory"
            )
        return read_state(path).kept if is_file(path) else ()


def record_latest(prefix: str, without: Collection[str] = ()) -> str:
    """Make ``prefix`` the latest checkpoint of its directory's state file.

    Prefixes that the file lists already stay listed, also those that other processes
    list at the same time. Paths are written relative to the file, so that the directory
    can be moved.

    Args:
      prefix: Of a checkpoint that exists.
      without: Basenames of prefixes that are listed no more.

    Returns:
      The path of the state file.

    Raises:
      CorruptCheckpointError: If the directory has a state file that is none.
      OutputPathError: If a directory has the name of the state file.
      OutputInUseError: If another process keeps it for ten minutes.
      OSError: If it cannot be written; the old one then stays.
    """
    folder, base = split(prefix)
    path = join(folder, STATE_FILE)
    with owned_file(path) as put:
        kept = [
            other
            for other in kept_beside(prefix)
            if other not in (base, prefix)
            and not (without and basename(other) in without)
        ]
        put(state_text(CheckpointState(base, (*kept, base))))
    return path


def state_text(state: CheckpointState) -> str:
    """Return what stands in a state file.

    Example:
      >>> print(state_text(CheckpointState("m-2", ("m-1", "m-2"))), end="")
      model_checkpoint_path: "m-2"
      all_model_checkpoint_paths: "m-1"
      all_model_checkpoint_paths: "m-2"
    """
    lines = [f'model_checkpoint_path: "{_escaped(state.latest)}"']
    lines += [f'all_model_checkpoint_paths: "{_escaped(kept)}"' for kept in state.kept]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return (
        text.replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("\n", "\\n")
        .replace("\r", "\\r")
    )


def _unescaped(text: str) -> str:
    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] in b"01234567":
            return bytes([int(code, 8) & 0xFF])
        if code[:1] == b"x" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        return _NAMED.get(code, code)

    return _ESCAPE.sub(plain, text.encode()).decode(errors="replace")
