"""Tells by content whether an output is there already, of this source and this plan.

Beside every output lies a record, ``PREFIX.migrated.json``::

    {"version": 1,
     "source": "5f0c…",                            digest of the source's index
     "plan": "91d2…",                              of what was to be done with it
     "output": "c04e…",                            of the index that was written
     "files": {"m.data-00000-of-00001": 124}}      the data shards, and their sizes

It is written last. Before an output is begun, a record without its digest says so, with
that of what is to be replaced, and the shards that were there. It tells what a killed
process has left from a checkpoint that somebody else has put there, which is replaced
only if asked for.

On far file systems, where no lock keeps two workers apart, it also lets them write the
same bytes under the same names: names of shards have their count, which must be another
than that of the checkpoint to be replaced, and who finds an output of the same identity
begun goes on from what the record says was there then.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from tf_ckpt_migrate.bundle.commit import counts_in, existing_files, existing_sizes
from tf_ckpt_migrate.bundle.shards import index_path
from tf_ckpt_migrate.checkpoint.locate import locate
from tf_ckpt_migrate.escapes import to_json
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.storage.access import (
    is_file,
    looking_once,
    pieces_of,
    read_range,
    size_of,
)
from tf_ckpt_migrate.storage.paths import basename

__all__ = [
    "Identity",
    "Record",
    "digest_of_source",
    "record_path",
    "remove_shards_without_index",
]

_SUFFIX = ".migrated.json"
_VERSION = 1
_LARGEST = 64 << 20  # bytes of a record
_ABSENT = ""


def record_path(prefix: str) -> str:
    """Return the path of the record beside an output.

    Example:
      >>> record_path("tf2/model.ckpt-7")
      'tf2/model.ckpt-7.migrated.json'
    """
    return prefix + _SUFFIX


def digest_of_source(source: str) -> str:
    """Return a digest of a checkpoint: of its index, which has every checksum.

    Of a checkpoint of format V1, which has no index, it is that of all its files.

    Raises:
      CheckpointError: If there is none.
      OSError: If it cannot be read.
    """
    with looking_once():
        location = locate(source)
        paths = location.v1_files or [index_path(location.prefix)]
        return _digest({path: size_of(path) for path in paths})


class Identity(NamedTuple):
    """What makes an output this one and no other.

    Attributes:
      source: Digest of the source.
      plan: Digest of what is to be done with it.
    """

    source: str
    plan: str

    @classmethod
    def of(cls, source: str, plan: MigrationPlan, to: str | None) -> Identity:
        """Return the identity of what a plan makes of a source.

        Args:
          source: Digest of the source.
          plan: The plan, wherever the checkpoints lie that it names.
          to: The direction.
        """
        config = plan.to_config()
        for field in ("source", "target", "notes"):
            del config[field]
        config["to"] = to
        if plan.target:
            config["like"] = digest_of_source(plan.target)
        text = json.dumps(config, sort_keys=True)
        return cls(source, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


class Record(NamedTuple):
    """What lies beside an output.

    Attributes:
      identity: Of the output.
      output: Digest of its index; ``None`` while it is being made.
      files: The sizes of its data shards by name; while it is being made, of those that
        were there before.
      replaces: While it is being made, the digest of the index that was there before.
    """

    identity: Identity
    output: str | None
    files: dict[str, int]
    replaces: str = _ABSENT

    @classmethod
    def begun(
        cls, identity: Identity, prefix: str, sizes: Mapping[str, int] | None = None
    ) -> Record:
        """Return the record of an output that is about to be made.

        Args:
          identity: Of the output.
          prefix: Of the output.
          sizes: Of the files that are there; None to look for them.
        """
        index, files = _seen(prefix, sizes)
        return cls(identity, None, files, index)

    @classmethod
    def done(cls, identity: Identity, prefix: str) -> Record:
        """Return the record of an output that is there."""
        index, files = _seen(prefix)
        return cls(identity, index, files)

    @classmethod
    def read(cls, prefix: str) -> Record | None:
        """Return the record beside an output; None where none is, or no whole one."""
        try:
            # At once: another may be replacing it.
            text = read_range(record_path(prefix), 0, _LARGEST)
        except (FileNotFoundError, IsADirectoryError):
            return None
        try:
            config = cast(dict[str, Any], json.loads(text))
            if config["version"] != _VERSION:
                return None
            identity = Identity(str(config["source"]), str(config["plan"]))
            files: dict[str, int] = {**config.get("files", {})}
            if "output" in config:
                return cls(identity, str(config["output"]), files)
            return cls(identity, None, files, str(config["replaces"]))
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    def text(self) -> str:
        """Return it as it is written."""
        config: dict[str, Any] = {"version": _VERSION, **self.identity._asdict()}
        key = "replaces" if self.output is None else "output"
        config |= {key: self.output or self.replaces, "files": self.files}
        return to_json(config) + "\n"

    def is_of(self, prefix: str) -> bool:
        """Return whether the output is there as it was written."""
        return self.is_of_what(Record.begun(self.identity, prefix))

    def is_of_what(self, begun: Record) -> bool:
        """Return whether an output is there, as it was written, when one is begun."""
        there = begun.replaces, begun.files
        return self.output is not None and (self.output, self.files) == there

    @property
    def counts(self) -> set[int]:
        """The counts of shards that the output which is begun is not to have.

        Without an index no reader finds what is there, and it may be replaced.
        """
        return set() if self.replaces == _ABSENT else counts_in(self.files)

    def is_of_a_whole(self, prefix: str) -> bool:
        """Return whether the output was finished, and only the record was not.

        A checkpoint is put in its place whole. So where none was before, one that is
        there is the one that was being made.
        """
        begun = self.output is None and self.replaces == _ABSENT
        return begun and is_file(index_path(prefix))


def remove_shards_without_index(prefix: str) -> None:
    """Remove data shards of an output, put in place before its process was killed.

    No reader finds them, and the next ones would have other names beside them.
    """
    if not is_file(index_path(prefix)):
        for path in existing_files(prefix):
            if path != prefix:
                os.unlink(path)


def _seen(
    prefix: str, sizes: Mapping[str, int] | None = None
) -> tuple[str, dict[str, int]]:
    """Return the digest of the index of an output, and the sizes of its shards."""
    sizes = existing_sizes(prefix) if sizes is None else sizes
    index = index_path(prefix)
    digest = _digest({index: sizes[index]}) if index in sizes else _ABSENT
    others = {p: size for p, size in sizes.items() if p not in (prefix, index)}
    return digest, {basename(path): size for path, size in others.items()}


def _digest(sizes: Mapping[str, int]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path, size in sizes.items():
        for piece in pieces_of(path, 0, size):
            digest.update(piece)
    return digest.hexdigest()
