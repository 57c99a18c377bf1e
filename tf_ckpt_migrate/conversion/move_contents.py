"""The contents of an output by the moves of a plan: linked bytes, computed values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.contents import (
    Item,
    Partitioned,
    Reference,
    Stored,
    Stream,
    Value,
)
from tf_ckpt_migrate.conversion.output import taken_from
from tf_ckpt_migrate.conversion.partitions import divided, repartitioned
from tf_ckpt_migrate.names.moves import Move
from tf_ckpt_migrate.transforms import Transform
from tf_ckpt_migrate.transforms.partition import parted

__all__ = ["is_written", "move_contents"]


def move_contents(reader: CheckpointReader, moves: Iterable[Move]) -> dict[str, Item]:
    """Return what an output holds under the target of each move.

    Args:
      reader: The checkpoint that the moves take tensors from. A value that changes is
        read and computed when it is written, one at a time.
      moves: The moves, by the keys of the checkpoint.
    """
    contents: dict[str, Item] = {}
    bundle = reader.bundle
    for sources, target, transform, spec in moves:
        if transform is not None:
            contents[target] = _changed(sources, transform, spec, reader)
        elif bundle is not None:
            contents[target] = Reference(bundle, sources[0])
        else:
            contents[target] = taken_from(reader, sources[0])
    return contents


def _changed(
    sources: Sequence[str],
    transform: Transform,
    spec: TensorSpec,
    reader: CheckpointReader,
) -> Item:
    how, partition = parted(transform)
    if how is None and partition is not None:
        return repartitioned(reader, sources[0], partition)
    made = how or transform
    value = Value(spec, lambda: made(*(reader.part(key) for key in sources)))
    return value if partition is None else divided(value, partition)


def is_written(item: Item) -> bool:
    """Return whether an item has bytes of its own, which are written."""
    if isinstance(item, Partitioned):
        return any(isinstance(part, Stream) for part in item.parts.values())
    return not isinstance(item, Reference | Stored)
