"""Small checkpoints, right and wrong ones, for the tests of the reader and writer."""

import io
from pathlib import Path

import numpy as np

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import serialized_header
from tf_ckpt_migrate.bundle.proto import (
    BundleEntryProto,
    Entry,
    SavedTensorSlices,
    serialized_entry,
)
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.table import crc32c
from tf_ckpt_migrate.table.writer import write_table

GOLDENS = Path(__file__).parent.parent / "goldens"


def table(entries):
    """Return the bytes of a table of a dict's entries."""
    file = io.BytesIO()
    write_table(file, sorted(entries.items()))
    return file.getvalue()


def write_index(prefix, entries, header=None):
    """Write an index of serialized entries, possible or not."""
    head = {} if header == b"" else {b"": header or serialized_header(1)}
    Path(f"{prefix}.index").write_bytes(table({**head, **entries}))


def write_checkpoint(prefix, tensors, *, big_endian=False):
    """Write arrays by key; one of objects as strings."""
    with BundleWriter(str(prefix), big_endian=big_endian) as writer:
        shard = writer.new_shard()
        entries = {
            key.encode(): writer.append(shard, value, spec_of(value))
            for key, value in tensors.items()
        }
        return writer.commit(entries)


def spec_of(array):
    name = "string" if array.dtype == object else array.dtype.name
    return TensorSpec(DType[name], array.shape)


def entry_of(array, offset=0, shard=0):
    """Return the serialized entry of an array that lies at ``offset``."""
    data = array.tobytes()
    crc = crc32c.mask(crc32c.value(data))
    return serialized_entry(Entry(spec_of(array), shard, offset, len(data), crc))


def sliced_entry(spec, pieces):
    """Return the serialized entry of a partitioned variable."""
    proto = BundleEntryProto(dtype=int(spec.dtype))
    for length in spec.shape:
        proto.shape.dim.add(size=length)
    for piece in pieces:
        add_slice(proto.slices.add(), piece)
    return proto.SerializeToString()


def add_slice(proto, piece):
    for start, length in zip(piece.starts, piece.lengths, strict=True):
        extent = proto.extent.add(start=start)
        if length != -1:
            extent.length = length


def write_partitioned(prefix, key, whole, pieces):
    """Write an array as a partitioned variable, a shard for each slice."""
    entries = {key.encode(): sliced_entry(spec_of(whole), pieces)}
    with BundleWriter(str(prefix)) as writer:
        for piece in pieces:
            ranges = piece.ranges(whole.shape, key)
            part = whole[tuple(slice(*ends) for ends in ranges)]
            raw = writer.append(writer.new_shard(), part, spec_of(part))
            entries[slice_key(key, piece)] = raw
        writer.commit(entries)


def whole_slice(rank):
    return TensorSlice((0,) * rank, (-1,) * rank)


def write_v1(path, tensors, *, meta=None):
    """Write a V1 file of (name, spec, slice, values by field); also its meta record."""
    meta = meta or v1_meta(tensors)
    entries = {b"": meta.SerializeToString()}
    for name, _, piece, values in tensors:
        message = SavedTensorSlices()
        message.data.name = name
        add_slice(message.data.slice, piece)
        for field, elements in values.items():
            getattr(message.data.data, field).extend(elements)
        entries[slice_key(name, piece)] = message.SerializeToString()
    Path(path).write_bytes(table(entries))


def v1_meta(tensors):
    """Return a meta record without a version, as before TensorFlow 0.9."""
    message = SavedTensorSlices()
    found = {}
    for name, spec, piece, _ in tensors:
        if name not in found:
            found[name] = message.meta.tensor.add(name=name, type=int(spec.dtype))
            for length in spec.shape:
                found[name].shape.dim.add(size=length)
        add_slice(found[name].slice.add(), piece)
    return message


def strings(*elements):
    """Return a vector of strings."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array
