"""Checkpoints of which only names and shapes are real: their data is one hole."""

from pathlib import Path

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import HEADER_KEY, serialized_header
from tf_ckpt_migrate.bundle.proto import (
    Entry,
    MetaGraphDef,
    VariableDef,
    serialized_entry,
)
from tf_ckpt_migrate.bundle.shards import index_path, shard_path
from tf_ckpt_migrate.table.writer import write_table


def write_shapes(prefix, shapes) -> str:
    """Write a checkpoint of these names and shapes; what counts steps is int64."""
    entries, offset = {HEADER_KEY: serialized_header(1, big_endian=False)}, 0
    for name, shape in shapes.items():
        dtype = DType.int64 if name.endswith("global_step") else DType.float32
        spec = TensorSpec(dtype, tuple(shape))
        entry = Entry(spec, 0, offset, spec.nbytes, 0)
        entries[name.encode()] = serialized_entry(entry)
        offset += spec.nbytes
    with open(index_path(str(prefix)), "wb") as file:
        write_table(file, sorted(entries.items()))
    data = Path(shard_path(str(prefix), 0, 1))
    with data.open("wb") as file:
        file.truncate(offset)
    return str(prefix)


def write_graph(prefix, names):
    """Write the ``.meta`` file of a checkpoint whose variables were made in order."""
    graph = MetaGraphDef()
    variables = graph.collection_def.add(key="variables").value.bytes_list.value
    for name in names:
        variables.append(VariableDef(variable_name=f"{name}:0").SerializeToString())
    Path(f"{prefix}.meta").write_bytes(graph.SerializeToString())
