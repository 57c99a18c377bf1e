"""Files that are right, for a fuzzer to begin with and for tests to damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.bundle.files import (
    sliced_entry,
    spec_of,
    strings,
    table,
    whole_slice,
    write_v1,
)
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import serialized_header
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.bundle.proto import Entry, TrackableObjectGraph, serialized_entry
from tf_ckpt_migrate.bundle.slices import TensorSlice, slice_key
from tf_ckpt_migrate.bundle.strings import encode_strings
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.table.block import BlockHandle, built_block, sealed, write_footer

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
ROWS = [TensorSlice((0, 0), (2, -1)), TensorSlice((2, 0), (1, -1))]

PLAN = """\
version: 1
source: old
moves:
- a: b
- sources: [c, d]
  target: e
  transform: {op: chain, transforms: [{op: concat, axis: 0}, {op: cast, dtype: int64}]}
- sources: [a2]
  target: f
  transform: {op: pad, before: [1, 0], after: [0, 2], value: 0.5}
dropped:
- s: of no use
kept_targets:
- {target: g, spec: 'float32[2]', reason: it is new}
verdicts:
- {optimizer: Adam, what: state, kind: exact, why: if TF1 had epsilon=1e-08}
notes: [one, "two"]
source_specs:
  a: float32[]
  a2: float32[2, 3]
  c: int32[2]
  d: int32[3]
  s: string[1, 2]
"""
MAP = r"""
- bert/: encoder/
- {rule: rename_regex, pattern: 'layer_(\d+)/w', target: 'layers/\1/kernel'}
- {rule: drop, role: slot, reason: done}
- {rule: split, source: e, targets: [a, b]}
- {recipe: lstm, source: rnn/lstm_cell/, target: lstm/, forget_bias: 1.0}
- {rule: rename, source: a, target: b, transform: {op: transpose, perm: [1, 0]}}
"""
STATE = (
    'model_checkpoint_path: "m-2"\nall_model_checkpoint_paths: "m\\303\\274-1"\n'
    'all_model_checkpoint_paths: "m-2"\nlast_preserved_timestamp: 1.5\n'
)


def of_one_block(block: bytes, kind: int = 0) -> bytes:
    """Return a table around a block as given, its checksums right."""
    from tf_ckpt_migrate.table import crc32c

    typed = block + bytes([kind])
    stored = typed + crc32c.mask(crc32c.value(typed)).to_bytes(4, "little")
    empty = sealed(built_block([])[0])
    first = BlockHandle(0, len(block))
    meta = BlockHandle(len(stored), len(empty) - 5)
    inner, _ = built_block([(b"\xff" * 8, first.serialized())], restart_interval=1)
    index = BlockHandle(len(stored) + len(empty), len(inner))
    return stored + empty + sealed(inner) + write_footer(meta, index)


def checkpoint(folder: Path) -> dict[bytes, bytes]:
    """Write a checkpoint ``m`` of all sorts; return the entries of its index."""
    with BundleWriter(str(folder / "m")) as writer:
        shard = writer.new_shard()
        text = strings(b"ab", b"")
        entries = {
            b"emb": sliced_entry(spec_of(WEIGHTS), ROWS),
            b"s": writer.append(shard, text, spec_of(text)),
            b"w": writer.append(shard, WEIGHTS, spec_of(WEIGHTS)),
        }
        for piece in ROWS:
            part = WEIGHTS[slice(*piece.ranges(WEIGHTS.shape, "t")[0])]
            entries[slice_key("emb", piece)] = writer.append(shard, part, spec_of(part))
        writer.commit(entries)
    return {b"": serialized_header(1), **entries}


def v1_file(folder: Path) -> bytes:
    """Return a V1 file of a whole and a partitioned tensor."""
    whole = TensorSpec(DType.int64, (2,))
    tensors = [
        ("emb", spec_of(WEIGHTS), ROWS[0], {"float_val": [0, 1, 2, 3]}),
        ("emb", spec_of(WEIGHTS), ROWS[1], {"float_val": [4, 5]}),
        ("s", TensorSpec(DType.string, ()), whole_slice(0), {"string_val": [b"ab"]}),
        ("w", whole, whole_slice(1), {"int64_val": [1, 2]}),
    ]
    write_v1(folder / "v1", tensors)
    return (folder / "v1").read_bytes()


def object_graph() -> bytes:
    """Return a graph with a circle, a variable of two names, and a slot."""
    graph = TrackableObjectGraph()
    root, variable, optimizer, slot = (graph.nodes.add() for _ in range(4))
    root.children.add(node_id=1, local_name="w")
    root.children.add(node_id=2, local_name="optimizer")
    optimizer.children.add(node_id=0, local_name="model")
    optimizer.slot_variables.add(
        original_variable_node_id=1, slot_name="m", slot_variable_node_id=3
    )
    for node, key in ((variable, "w"), (slot, "w/.OPTIMIZER_SLOT/optimizer/m")):
        node.attributes.add(
            name="VARIABLE_VALUE",
            full_name=key,
            checkpoint_key=f"{key}/.ATTRIBUTES/VARIABLE_VALUE",
        )
    return graph.SerializeToString(deterministic=True)


def graph_checkpoint(graph: bytes, prefix: Path) -> None:
    """Write a checkpoint with an object graph as given, and what it may name."""
    data, crc = encode_strings([graph])
    entries = {b"": serialized_header(1)}
    entry = Entry(TensorSpec(DType.string, ()), 0, 0, len(data), crc)
    entries[OBJECT_GRAPH_KEY.encode()] = serialized_entry(entry)
    empty = Entry(TensorSpec(DType.float32, (0,)), 0, 0, 0, 0xA282EAD8)
    for key in ("w", "w/.OPTIMIZER_SLOT/optimizer/m"):
        entries[f"{key}/.ATTRIBUTES/VARIABLE_VALUE".encode()] = serialized_entry(empty)
    Path(f"{prefix}.index").write_bytes(table(entries))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)


def block_of(entries: dict[bytes, bytes]) -> bytes:
    """Return the block that holds all of them."""
    return built_block(sorted(entries.items()))[0]


def block_in(file: bytes) -> bytes:
    """Return the entries of a table as one block."""
    from tf_ckpt_migrate.table.reader import TableReader

    return block_of({key: bytes(value) for key, value in TableReader(file, "seed")})
