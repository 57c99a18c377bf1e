"""The checkpoints that are measured; names repeat their scopes as real ones do."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.proto import Entry, serialized_entry
from tf_ckpt_migrate.bundle.shards import index_path, shard_path
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.writer import write_table

__all__ = ["files_of", "holes", "names", "removed", "saved", "settled"]


_SMALL = 1 << 20  # bytes


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


def holes(prefix: str, count: int, nbytes: int, shards: int = 1) -> str:
    """Write a checkpoint whose data files of ``nbytes`` are nothing but holes.

    Only its index is real: what rewrites nothing but the index does not notice. The
    checksums of small tensors are right.
    """
    spec = TensorSpec(DType.float32, (nbytes // count // 4,))
    size, each = spec.nbytes, -(-count // shards)
    crc = crc32c.mask(crc32c.value(bytes(size))) if size <= _SMALL else 0
    entries = {
        key.encode(): serialized_entry(
            Entry(spec, number // each, number % each * size, size, crc)
        )
        for number, key in enumerate(names(count))
    }
    with open(index_path(prefix), "wb") as file:
        header = serialized_header(shards, big_endian=False)
        write_table(file, [(HEADER_KEY, header), *sorted(entries.items())])
    for shard in range(shards):
        with open(shard_path(prefix, shard, shards), "wb") as file:
            file.truncate(each * size)
    return prefix


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
