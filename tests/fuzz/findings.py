"""Damaged files, named by the damage: what a fuzzer has found, and what we thought of.

All are small, most of a few hundred bytes, and are made here rather than kept. One that
nobody can make from a line of code is a file in ``findings/<target>/``.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tests.bundle.files import table
from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.index import serialized_header
from tf_ckpt_migrate.bundle.proto import (
    BundleHeaderProto,
    Entry,
    SavedTensorSlices,
    TrackableObjectGraph,
    serialized_entry,
)
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.table.block import (
    FOOTER_SIZE,
    BlockHandle,
    built_block,
    put_varint,
    sealed,
    write_footer,
)

__all__ = ["FINDINGS"]

HUGE = b"\xff" * 9 + b"\x01"  # 2**64 - 1 as a varint
FLOATS = TensorSpec(DType.float32, (2,))
GROUPS = b"\x0b" * 500  # begins a group of an unknown field within another, and so on


def _index(entries: dict[str, Entry | bytes], header: bytes | None = None) -> bytes:
    raw = {
        key.encode(): each if isinstance(each, bytes) else serialized_entry(each)
        for key, each in entries.items()
    }
    return table({b"": header or serialized_header(1), **raw})


def _block(*entries: tuple[int, bytes, bytes], restarts: int = 1) -> bytes:
    """Return a block of entries as they are: shared, rest of key, value."""
    parts = [
        put_varint(shared) + put_varint(len(rest)) + put_varint(len(value))
        + rest
        + value
        for shared, rest, value in entries
    ]  # fmt: skip
    return b"".join(parts) + struct.pack("<II", 0, restarts)


def _shards(count: int) -> bytes:
    return BundleHeaderProto(num_shards=count).SerializeToString()


def _snappy(length: int, copies: int = 0) -> bytes:
    """Return a block of one byte and copies of it, that promises a length."""
    return put_varint(length) + b"\x00a" + b"\xfe\x01\x00" * copies


def _snappy_keys() -> bytes:
    """Return keys that share 10,000 bytes, packed into less than 1 KB."""
    import cramjam

    key = (0, b"a" * 10_000, b"")
    rest = ((10_000 + at, b"a", b"") for at in range(2_000))
    return bytes(cramjam.snappy.compress_raw(_block(key, *rest)))


def _nested(depth: int) -> bytes:
    """Return a table whose blocks each hold all the ones before."""
    data, handles = b"", []
    for level in range(depth):
        block = _block((0, bytes([255 - level]), data))
        handles.append(BlockHandle(4 * level, len(block)))
        data = sealed(block)
    keys = (
        (bytes([255 - at]), handle.serialized()) for at, handle in enumerate(handles)
    )
    return _of_handles(data, sorted(keys))


def _of_handles(blocks: bytes, handles: list[tuple[bytes, bytes]]) -> bytes:
    inner, _ = built_block(handles, restart_interval=1)
    place = BlockHandle(len(blocks), len(inner))
    return blocks + sealed(inner) + write_footer(BlockHandle(0, 8), place)


def _same_block(times: int) -> bytes:
    block = built_block([(b"k", b"v")])[0]
    handle = BlockHandle(0, len(block)).serialized()
    return _of_handles(sealed(block), [(bytes([at]), handle) for at in range(times)])


def _v1(count: int, length: int = 1, dtype: int = 1, pieces: int = 1) -> bytes:
    message = SavedTensorSlices()
    for _ in range(count):
        tensor = message.meta.tensor.add(name="w", type=dtype)
        tensor.shape.dim.add(size=length)
        for _ in range(pieces):
            tensor.slice.add().extent.add()
    return table({b"": message.SerializeToString()})


def _graph(*edges: tuple[int, int], nodes: int = 2, slot: int | None = None) -> bytes:
    graph = TrackableObjectGraph()
    for _ in range(nodes):
        graph.nodes.add()
    for parent, child in edges:
        graph.nodes[parent].children.add(node_id=child, local_name=f"c{child}")
    if slot is not None:
        graph.nodes[0].slot_variables.add(
            original_variable_node_id=slot, slot_variable_node_id=slot
        )
    return graph.SerializeToString()


def _aliases(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{at}: &a{at} [*a{at - 1}, *a{at - 1}]" for at in range(1, levels)]
    return "\n".join(lines).encode()


def _plan(old: str, new: str) -> bytes:
    assert old in seeds.PLAN
    return seeds.PLAN.replace(old, new).encode()


def _recipe(option: str) -> bytes:
    return f"- {{recipe: lstm, source: a, target: b, {option}}}".encode()


_WHOLE = TARGETS["index"].seed
_BLOCKS = {
    "entry_beyond_the_block": b"\0" + _block((0, b"k", b"v"))[:1] + HUGE + bytes(8),
    "shares_with_no_key": b"\0" + _block((9, b"k", b"")),
    "more_restarts_than_bytes": b"\0" + _block((0, b"k", b""), restarts=2**32 - 1),
    "keys_that_share_and_grow": b"\0" + _block(
        (0, b"a" * 400, b""), *((400 + at, b"a", b"") for at in range(120))
    ),
    "keys_that_share_and_grow_in_snappy": b"\1" + _snappy_keys(),
    "key_twice": b"\0" + _block((0, b"k", b"1"), (0, b"k", b"2")),
    "keys_out_of_order": b"\0" + _block((0, b"k", b"1"), (0, b"a", b"2")),
    "snappy_that_promises_4_gib": b"\1" + _snappy(2**32 - 1, 300),
    "snappy_that_promises_2_64": b"\1" + HUGE,
    "snappy_of_1_kb_as_full_as_can_be": b"\1" + _snappy(1 + 64 * 330, 330),
    "snappy_that_copies_from_before_its_start": b"\1\x40\xfe\xff\xff",
    "nothing": b"\0",
}  # fmt: skip
_YAML = {
    "alias_bomb": _aliases(60),
    "merge_of_itself": b"a: &a\n  <<: *a\n",
    "python_tag": b"a: !!python/object/apply:os.system ['true']\n",
    "binary_tag": b"a: !!binary AAAA\n",
    "nested_100000_deep": b"[" * 100_000,
    "mappings_nested_deep": b"{a: " * 1_000,
    "integer_of_5000_digits": b"a: " + b"1" * 5_000,
    "key_twice": b"a: 1\na: 2\n",
    "list_as_a_key": b"? [a, b]\n: c\n",
    "not_utf_8": b"a: \xff\xfe\n",
    "nul": b"a: \0\n",
    "two_documents": b"a: b\n---\nc: d\n",
    "nothing": b"",
}

FINDINGS: dict[str, dict[str, bytes]] = {
    "table": {
        "empty": b"",
        "only_a_footer": _WHOLE[-FOOTER_SIZE:],
        "footer_that_points_beyond": bytes(40) + write_footer(
            BlockHandle(2**64 - 1, 2**64 - 1), BlockHandle(2**64 - 1, 2**64 - 1)
        ),
        "footer_that_points_at_itself": _WHOLE[:-FOOTER_SIZE] + write_footer(
            BlockHandle(0, 8), BlockHandle(len(_WHOLE) - FOOTER_SIZE, 43)
        ),
        "handles_of_endless_varints": bytes(8) + b"\xff" * 40 + _WHOLE[-8:],
        "one_block_100_times": _same_block(100),
        "blocks_within_blocks": _nested(30),
    },
    "table_block": _BLOCKS,
    "index": {
        "entry_beyond_its_shard": _index({"w": Entry(FLOATS, 0, 1 << 40, 8, 0)}),
        "entry_whose_end_overflows": _index({"w": Entry(FLOATS, 0, 2**63 - 1, 8, 0)}),
        "entry_of_negative_offset": _index({"w": Entry(FLOATS, 0, -8, 8, 0)}),
        "entry_of_negative_size": _index({"w": Entry(FLOATS, 0, 0, -8, 0)}),
        "entry_of_shard_7_of_1": _index({"w": Entry(FLOATS, 7, 0, 8, 0)}),
        "entries_that_overlap": _index(
            {"v": Entry(FLOATS, 0, 0, 8, 0), "w": Entry(FLOATS, 0, 4, 8, 0)}
        ),
        "strings_without_number": _index(
            {"s": Entry(TensorSpec(DType.string, (1 << 40,)), 0, 0, 40, 0)}
        ),
        "variants_without_number": _index(
            {"s": Entry(TensorSpec(DType.variant, (1 << 58,)), 0, 0, 40, 0)}
        ),
        "empty_tensor_of_a_huge_shape": _index(
            {"w": Entry(TensorSpec(DType.float32, (0, 1 << 50)), 0, 0, 0, 0)}
        ),
        "shape_whose_size_overflows": _index(
            {"w": Entry(TensorSpec(DType.float32, (1 << 62, 1 << 62)), 0, 0, 0, 0)}
        ),
        "tensor_of_rank_250": _index(
            {"w": Entry(TensorSpec(DType.int8, (1,) * 250), 0, 0, 1, 0)}
        ),
        "slice_that_is_not_there": _index(
            {"w": Entry(FLOATS, 0, 0, 0, 0, (TensorSlice((0,), (1,)),))}
        ),
        "slice_beyond_its_tensor": _index(
            {"w": Entry(FLOATS, 0, 0, 0, 0, (TensorSlice((5,), (9,)),))}
        ),
        "partitioned_huge_and_without_bytes": _index(
            {
                "w": Entry(
                    TensorSpec(DType.float32, (1 << 50,)),
                    0, 0, 0, 0, (TensorSlice((0,), (-1,)),),
                )
            }
        ),
        "entry_nested_deep": _index({"w": GROUPS}),
        "entry_cut_off": _index({"w": b"\x12\xff\xff\xff\xff\x07"}),
        "header_nested_deep": _index({}, GROUPS),
        "header_of_2_31_shards": _index({}, _shards(2**31 - 1)),
        "header_of_minus_1_shards": _index({}, _shards(-1)),
        "header_of_100000_shards": _index({}, _shards(100_000)),
        "no_header": table({b"w": serialized_entry(Entry(FLOATS, 0, 0, 8, 0))}),
        "key_that_is_not_utf_8": table({b"": serialized_header(1), b"\xff\xfe": b""}),
        "key_that_leads_elsewhere": _index(
            {
                "../../etc/passwd": Entry(FLOATS, 0, 0, 8, 0),
                "/etc/passwd": Entry(FLOATS, 0, 0, 8, 0),
            }
        ),
    },
    "index_block": _BLOCKS,
    "shard": {
        "empty": b"",
        "endless_varints": b"\xff" * 100,
        "string_longer_than_memory": HUGE + bytes(60),
    },
    "v1": {
        "tensor_listed_1000_times": _v1(1_000),
        "slice_listed_1000_times": _v1(1, pieces=1_000),
        "huge_shape": _v1(1, 1 << 58),
        "huge_shape_of_strings": _v1(1, 1 << 40, 7),
        "negative_shape": _v1(1, -1),
        "dtype_99": _v1(1, dtype=99),
        "meta_record_nested_deep": table({b"": GROUPS}),
        "no_meta_record": table({b"w": b""}),
    },
    "v1_block": _BLOCKS,
    "graph": {
        "node_that_is_its_own_child": _graph((0, 0)),
        "circle": _graph((0, 1), (1, 0)),
        "child_that_is_not_there": _graph((0, 9)),
        "child_minus_1": _graph((0, -1)),
        "slot_that_is_not_there": _graph(slot=7),
        "chain_of_200": _graph(*((n, n + 1) for n in range(199)), nodes=200),
        "nodes_as_many_as_1_kb_holds": b"\x0a\x00" * 500,
        "nested_deep": GROUPS,
        "key_that_leads_elsewhere": seeds.object_graph().replace(b"w/.ATT", b"../../."),
        "nothing": b"",
    },
    "plan": {
        **_YAML,
        "spec_of_a_huge_shape": _plan("float32[]", "float32[9999999999999999999]"),
        "pad_to_a_huge_shape": _plan("after: [0, 2]", f"after: [{2**62}, {2**62}]"),
        "pad_with_text": _plan("value: 0.5", "value: x"),
        "pad_with_a_list": _plan("value: 0.5", "value: [1, 2]"),
        "pad_with_infinity": _plan("value: 0.5", "value: 1e999"),
        "steps_of_text": _plan("op: concat, axis: 0", "op: steps_of_powers, betas: ab"),
        "shift_by_nothing": _plan("op: concat, axis: 0", "op: shift, offset: null"),
        "fill_with_text": _plan("op: concat, axis: 0", "op: fill, value: x"),
    },
    "map": {
        **_YAML,
        "recipe_given_its_kind_twice": _recipe("kind: lstm"),
        "recipe_given_self": _recipe("self: 1"),
        "shift_by_text": b"- {rule: rename, source: a, target: b, "
        b"transform: {op: shift, offset: x}}",
        "no_transform": b"- {rule: rename, source: a, target: b, transform: {op: x}}",
    },
    "state": {
        "parent": b'model_checkpoint_path: "../../etc/passwd"\n',
        "absolute": b'model_checkpoint_path: "/etc/passwd"\n',
        "nul": b'model_checkpoint_path: "a\\000b"\n',
        "itself": b'model_checkpoint_path: "checkpoint"\n',
        "directory": b'model_checkpoint_path: "."\n',
        "name_of_10000": b'model_checkpoint_path: "%s"\n' % (b"a" * 10_000),
        "quote_without_end": b'model_checkpoint_path: "' + b"\\" * 1_001,
        "blanks": b" " * 1_000 + b"!",
        "not_utf_8": b'model_checkpoint_path: "\xff\xfe"\n',
        "nothing": b"",
    },
    "vocabulary": {
        "byte_order_mark": b"\xef\xbb\xbfthe\n",
        "crlf": b"the\r\nof\r\n",
        "word_twice": b"the\nthe\n",
        "not_utf_8": b"\xff\xfet\0h\0",
        "only_line_feeds": b"\n" * 1_000,
        "nothing": b"",
    },
}  # fmt: skip

for _path in sorted(Path(__file__).parent.glob("findings/*/*")):
    FINDINGS[_path.parent.name][_path.name] = _path.read_bytes()
