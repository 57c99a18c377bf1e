"""The checkpoints that are measured; names repeat their scopes as real ones do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.entry import Entry, serialized_entry
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.naming import index_path, shard_path
from tf_ckpt_migrate.table.writer import write_table

__all__ = ["files_of", "holes", "names", "removed", "saved", "settled"]


def names(count: int) -> list[str]:
    """Return variable names as of a deep network."""
    return [
        f"network/block_{i // 20}/layer_{i // 2 % 10}/{('kernel', 'bias')[i % 2]}"
        for i in range(count)
    ]


def saved(prefix: str, count: int, nbytes: int, *, objects: bool = False) -> str:
    """Let TensorFlow save ``count`` variables of ``nbytes`` in all."""
    random = np.random.default_rng(0)
    variables = {
        name: tf.Variable(random.random(nbytes // count // 4, np.float32), name=name)
        for name in names(count)
    }
    if objects:
        return tf.train.Checkpoint(var_list=variables).write(prefix)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=[*variables],
        shape_and_slices=[""] * count,
        tensors=[variable.read_value() for variable in variables.values()],
    )
    return prefix


def holes(prefix: str, count: int, nbytes: int) -> str:
    """Write a checkpoint whose data file of ``nbytes`` is one hole.

    Only its index is real: what rewrites nothing but the index does not notice.
    """
    length = nbytes // count // 4
    spec = TensorSpec(DType.float32, (length,))
    entries = _entries(names(count), spec)
    with open(index_path(prefix), "wb") as file:
        header = serialized_header(1, big_endian=False)
        write_table(file, [(HEADER_KEY, header), *sorted(entries.items())])
    with open(shard_path(prefix, 0, 1), "wb") as file:
        file.truncate(count * length * 4)
    return prefix


def _entries(keys: Iterable[str], spec: TensorSpec) -> Mapping[bytes, bytes]:
    size = spec.nbytes
    return {
        key.encode(): serialized_entry(Entry(spec, 0, number * size, size, 0))
        for number, key in enumerate(keys)
    }


def files_of(prefix: str) -> list[str]:
    """Return the files of a checkpoint, numbered ones of the guide's too."""
    folder, base = os.path.split(prefix)
    names = [name for name in os.listdir(folder) if name.startswith(base)]
    return [os.path.join(folder, name) for name in names]


def removed(prefix: str) -> None:
    """Remove the files of a checkpoint."""
    for path in files_of(prefix):
        os.remove(path)
    os.sync()  # nobody waits for what someone else wrote


def settled(prefix: str) -> None:
    """Wait until a checkpoint is on the disk; ours is when it returns, others not."""
    for path in files_of(prefix):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
