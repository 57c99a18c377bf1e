"""Joins several checkpoints into one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.shards import DataMode
from tf_ckpt_migrate.bundle.writer import Progress
from tf_ckpt_migrate.checkpoint.reader import (
    CheckpointLike,
    CheckpointReader,
    as_reader,
)
from tf_ckpt_migrate.checkpoint.state import kept_beside, record_latest
from tf_ckpt_migrate.conversion.bulk import without_collections
from tf_ckpt_migrate.conversion.contents import Reference, Value
from tf_ckpt_migrate.conversion.convert import ConversionResult, convert
from tf_ckpt_migrate.conversion.graph_build import joined_graphs
from tf_ckpt_migrate.conversion.graph_rewrite import rewritten_graph
from tf_ckpt_migrate.conversion.layout import is_object_key, layout_of
from tf_ckpt_migrate.conversion.output import string_value, taken_from, write_output
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.rekey import same_bytes
from tf_ckpt_migrate.errors import PlanError, capped
from tf_ckpt_migrate.findings import Message, Option, as_findings
from tf_ckpt_migrate.names.moves import Dropped
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.storage.paths import path_of

__all__ = ["Precedence", "compact", "merge"]


Precedence = Literal["error", "first", "last"]


@without_collections
def merge(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_paths: Sequence[CheckpointLike],
    output_prefix: str | os.PathLike[str],
    *,
    precedence: Precedence = "error",
    overwrite: bool = False,
    data: DataMode = "auto",
    update_state_file: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Write one checkpoint with the tensors of several.

    Object-based checkpoints are joined with their object graphs: objects at the same
    path become one. Bookkeeping that several have comes from the first of them.

    Args:
      checkpoint_paths: The checkpoints.
      output_prefix: Prefix of the checkpoint to write.
      precedence: What to do about a key that several have: ``"error"``, or take it
        from the ``"first"`` or the ``"last"`` of them.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      data: How shards are taken over; see ``convert``.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      What was written; ``dropped`` lists what gave way.

    Raises:
      TypeError: If ``checkpoint_paths`` is one path.
      PlanError: If several have the same key and ``precedence`` is ``"error"``.
      LayoutError: If their object graphs do not fit together.
      OutputExistsError: If the output exists, or is a source.
      CheckpointError: If a checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with (
      ...     example_checkpoint({"a": [1.0]}) as first,
      ...     example_checkpoint({"b": [2.0]}) as second,
      ... ):
      ...     merge([first, second], first + "-joined").keys
      2
    """
    _check_arguments(checkpoint_paths, precedence)
    prefix = path_of(output_prefix)
    if update_state_file:
        kept_beside(prefix)  # a damaged file is told of before anything is written
    readers = [as_reader(path) for path in checkpoint_paths]
    owners, dropped = _owners(readers, precedence)
    first = readers[0].bundle
    big_endian = first is not None and first.index.big_endian
    contents: dict[str, Reference | Value] = {
        key: taken_from(readers[owner], key, big_endian=big_endian)
        for key, owner in owners.items()
    }
    graph = _graph(readers, owners)
    added = {} if graph is None else {OBJECT_GRAPH_KEY: string_value(graph)}
    shards = write_output(
        prefix,
        {**contents, **added},
        sources=readers,
        overwrite=overwrite,
        data=data,
        big_endian=big_endian,
        progress=progress,
    )
    return ConversionResult(
        prefix,
        len(contents) + len(added),
        shards,
        tuple(key for key, item in contents.items() if isinstance(item, Value)),
        tuple(dropped),
        tuple(added),
        (
            *(note for reader in readers for note in reader.notes),
            *_parted(readers, owners),
        ),
        record_latest(prefix) if update_state_file else "",
    )


def _check_arguments(checkpoint_paths: object, precedence: str) -> None:
    if precedence not in ("error", "first", "last"):
        raise ValueError(
            f'precedence={precedence!r}; expected "error", "first", "last"'
        )
    if isinstance(checkpoint_paths, str | bytes | os.PathLike):
        raise TypeError(
            f"checkpoint_paths={checkpoint_paths!r}; expected several, as in "
            "merge([first, second], output_prefix)"
        )
    if not checkpoint_paths:
        raise ValueError("no checkpoints to merge")


def _owners(
    readers: Sequence[CheckpointReader], precedence: Precedence
) -> tuple[dict[str, int], list[Dropped]]:
    """Return which checkpoint each key comes from, and what gives way."""
    owners: dict[str, int] = {}
    dropped: list[Dropped] = []
    shared: list[str] = []
    for number, reader in enumerate(readers):
        layout = layout_of(reader)
        for key in layout.everything:
            before = owners.setdefault(key, number)
            if before == number:
                continue
            bookkeeping = key in layout.bookkeeping
            if precedence == "error" and not bookkeeping:
                shared.append(
                    f"{key!r} is in {readers[before].prefix!r} and {reader.prefix!r}"
                )
            loser = number
            if precedence == "last" and not bookkeeping:
                owners[key], loser = number, before
            dropped.append(_gives_way(key, readers[loser], readers[owners[key]]))
    if shared:
        raise PlanError(
            Message(
                f"{len(shared):,} keys are in several checkpoints:\n  ",
                "\n  ".join(capped(shared)),
                "\nSay which to take with ",
                Option("precedence", "first", "last"),
                ", or rename or prune one checkpoint before",
            ),
            as_findings("collision", shared),
        )
    return owners, dropped


def _parted(
    readers: Sequence[CheckpointReader], owners: Mapping[str, int]
) -> Iterator[str]:
    """Yield what was one tensor of a dual-keyed checkpoint, and is two from now on."""
    for reader in readers:
        if reader.bundle is None or reader.object_graph is None:
            continue
        names = [key for key in layout_of(reader).tensors if not is_object_key(key)]
        keys = filter(is_object_key, reader)
        for name, key in same_bytes(reader.bundle.index, names, keys).items():
            if owners[name] != owners[key]:
                yield (
                    f"{name!r} and {key!r} are the same tensor in {reader.prefix!r}, "
                    "but come from different checkpoints here, and so may differ"
                )


def _gives_way(key: str, loser: CheckpointReader, winner: CheckpointReader) -> Dropped:
    return Dropped(key, f"that of {loser.prefix!r} gives way to {winner.prefix!r}")


def _graph(readers: Sequence[CheckpointReader], owners: dict[str, int]) -> bytes | None:
    graphs: list[ObjectGraph] = []
    for number, reader in enumerate(readers):
        if reader.object_graph is not None:
            kept = {key: [key] for key in reader if owners.get(key) == number}
            rest = rewritten_graph(reader.object_graph, kept)
            graphs.append(ObjectGraph(rest, reader.prefix))
    return joined_graphs(graphs) if graphs else None


@without_collections
def compact(  # noqa: PLR0913 the options of every conversion, by keyword
    checkpoint_path: CheckpointLike,
    output_prefix: str | os.PathLike[str],
    *,
    shards: int = 1,
    overwrite: bool = False,
    update_state_file: bool = False,
    progress: Progress | None = None,
) -> ConversionResult:
    """Copy a checkpoint without bytes that nothing refers to.

    Pruning, and renaming by reference, leave such bytes behind. Ranges are copied
    within the kernel, each once, however many keys refer to it.

    Args:
      checkpoint_path: The checkpoint to copy.
      output_prefix: Prefix of the checkpoint to write.
      shards: Number of data shards to spread the bytes over. Where a checkpoint of as
        many is replaced there is an empty one more: the two differ in every name.
      overwrite: Whether a checkpoint of that prefix may be replaced.
      update_state_file: Whether the ``checkpoint`` file of the folder is to name the
        output as the latest.
      progress: Called with the bytes in place so far and those there are to be.

    Returns:
      What was written.

    Raises:
      OutputExistsError: If the output exists, or is the source.
      CheckpointError: If the checkpoint cannot be read.
      OSError: If a write fails; the output is then as it was.

    Example:
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> with example_checkpoint({"a": [1.0], "b": [2.0]}) as prefix:
      ...     len(compact(prefix, prefix + "-two", shards=2).shards)
      2
    """
    reader = as_reader(checkpoint_path)
    return convert(
        plan_migration(reader),
        output_prefix,
        source=reader,
        overwrite=overwrite,
        update_state_file=update_state_file,
        shards=shards,
        progress=progress,
    )
