"""Writes the checkpoint that a conversion decided on: references and new values.

A reference passes on the index entry of a tensor of another checkpoint, whose whole
shard is then linked; no tensor byte is read. New values go to one more shard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import BundleIndex
from tf_ckpt_migrate.bundle.links import DataMode
from tf_ckpt_migrate.bundle.naming import index_path
from tf_ckpt_migrate.bundle.progress import Progress
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.bundle.staging import existing_files
from tf_ckpt_migrate.bundle.writer import BundleWriter, Shard
from tf_ckpt_migrate.conversion.layout import CheckpointView
from tf_ckpt_migrate.conversion.packing import packed
from tf_ckpt_migrate.conversion.rekey import raw_entries, stored_entries
from tf_ckpt_migrate.errors import OutputExistsError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "Contents",
    "Reference",
    "Value",
    "committed",
    "string_value",
    "taken_from",
    "write_output",
]


class Reference(NamedTuple):
    """A tensor whose bytes stay where they are.

    Attributes:
      bundle: The checkpoint that has it.
      key: Its key there.
    """

    bundle: BundleReader
    key: str


class Value(NamedTuple):
    """A tensor whose bytes are written.

    Attributes:
      spec: Its dtype and shape.
      compute: Returns the value, when it is its turn to be written.
    """

    spec: TensorSpec
    compute: Callable[[], Array]


Contents = Mapping[str, Reference | Value]


def taken_from(
    reader: CheckpointView, key: str, *, big_endian: bool = False
) -> Reference | Value:
    """Return how a tensor of a checkpoint comes unchanged into an output.

    Args:
      reader: The checkpoint that has it.
      key: Its key there.
      big_endian: The output's byte order; values of the other one must be rewritten.
    """
    bundle = reader.bundle
    if bundle is not None and bundle.index.big_endian == big_endian:
        return Reference(bundle, key)
    return Value(reader.specs[key], lambda: reader[key])


def string_value(text: bytes) -> Value:
    """Return a scalar string tensor."""

    def compute() -> Array:
        import numpy as np

        array = np.empty((), object)
        array[()] = text
        return array

    return Value(TensorSpec(DType.string, ()), compute)


def _refuse_source_as_output(prefix: str, sources: Iterable[CheckpointView]) -> None:
    """Refuse to replace files that a source consists of, by whatever path.

    Raises:
      OutputExistsError: If there are such.
    """
    replaced = {
        _in_real_folder(p) for p in (index_path(prefix), *existing_files(prefix))
    }
    replaced.discard(_in_real_folder(prefix))  # a V1 file, which an index leaves alone
    for source in sources:
        for path in source.files:
            # A snapshot's files may be links into another folder: the output's.
            if {_in_real_folder(path), os.path.realpath(path)} & replaced:
                raise OutputExistsError(
                    f"{prefix!r} would replace {path!r} of a source, which a "
                    "conversion never touches; choose another output prefix"
                )


def _in_real_folder(path: str) -> str:
    """Return the path of the directory entry itself, were it a link."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def write_output(  # noqa: PLR0913 the options of every conversion, by keyword
    prefix: str,
    contents: Contents,
    *,
    sources: Iterable[CheckpointView] = (),
    overwrite: bool = False,
    data: DataMode = "auto",
    big_endian: bool = False,
    shards: int | None = None,
    progress: Progress | None = None,
) -> tuple[Shard, ...]:
    """Write a checkpoint.

    Args:
      prefix: Of the checkpoint to write.
      contents: Every key with what it holds.
      sources: The checkpoints that values are taken from, by reference or read.
      overwrite: Whether a checkpoint of this prefix may be replaced.
      data: How shards are taken over: ``"auto"``, ``"link"`` or ``"copy"``.
      big_endian: The byte order of what is referred to.
      shards: None links whole shards; a number writes so many new ones, with only the
        bytes that are referred to.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      The shards of the checkpoint.

    Raises:
      ValueError: If ``data`` is none of these.
      OutputExistsError: If the prefix is taken, or a file of a source would give way.
      MissingShardError: If a shard that is referred to is not there.
      OSError: If a write fails; the output is then as it was.
    """
    if data == "move":
        raise ValueError("data='move' would take the shards of a source away")
    _refuse_source_as_output(prefix, sources)
    with BundleWriter(
        prefix,
        overwrite=overwrite,
        data=data,
        big_endian=big_endian,
        progress=progress,
    ) as writer:
        return committed(writer, contents, shards)


def committed(
    writer: BundleWriter, contents: Contents, shards: int | None = None
) -> tuple[Shard, ...]:
    """Let a writer write all that a checkpoint is to hold, and make it visible.

    Args:
      writer: In its context.
      contents: Every key with what it holds.
      shards: As of `write_output`.

    Returns:
      The shards of the checkpoint.

    Raises:
      MissingShardError: If a shard that is referred to is not there.
      OSError: If a write fails; the output is then as it was.
    """
    references = {
        k: item for k, item in contents.items() if isinstance(item, Reference)
    }
    values = {k: item for k, item in contents.items() if isinstance(item, Value)}
    writer.expect(sum(item.spec.nbytes for item in values.values()))
    if shards is None:
        entries = _linked(writer, references)
    else:
        taken = ((key, r.bundle, r.key) for key, r in references.items())
        entries = packed(writer, taken, shards)
    if values:
        number = writer.new_shard() if shards is None else shards - 1
        for key, item in values.items():
            entries[key.encode()] = writer.append(number, item.compute(), item.spec)
    return writer.commit(entries)


def _linked(
    writer: BundleWriter, references: Mapping[str, Reference]
) -> dict[bytes, bytes]:
    """Link the shards that are referred to; return the entries."""
    bundles = {id(bundle): bundle for bundle, _ in references.values()}
    sources: dict[int, dict[str, str]] = {name: {} for name in bundles}
    for key, (bundle, source) in references.items():
        sources[id(bundle)][key] = source
    entries: dict[bytes, bytes] = {}
    for name, bundle in bundles.items():
        paths = {
            old: bundle.shards.complete(old, bundle.index.end_of_shard(old))
            for old in _used(bundle.index, sources[name].values())
        }
        writer.expect(sum(map(os.path.getsize, paths.values())))
        numbers = {old: writer.link(path) for old, path in paths.items()}
        entries.update(_renamed(bundle.index, sources[name], numbers))
    return entries


def _used(index: BundleIndex, keys: Iterable[str]) -> list[int]:
    """Return the numbers of the shards that hold tensors."""
    if index.shards == 1:
        return [0]
    stored = chain.from_iterable(stored_entries(index, key, key) for key in keys)
    return sorted({entry.shard for _, entry, _ in stored if not entry.slices})


def _renamed(
    index: BundleIndex, sources: Mapping[str, str], numbers: Mapping[int, int]
) -> dict[bytes, bytes]:
    """Return entries under new keys, given old to new numbers of shards."""
    same = all(old == new for old, new in numbers.items())
    if same and not index.has_slices:
        return {key.encode(): index.raw[source] for key, source in sources.items()}
    found = (
        raw_entries(index, source, key, None if same else numbers)
        for key, source in sources.items()
    )
    return dict(chain.from_iterable(found))
