"""Comparing finds every difference and calls nothing equal that is not."""

from __future__ import annotations

import json
import math
import os
import tracemalloc

import numpy as np
import pytest

from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.checkpoint.diff import SpecDifference, diff_checkpoints
from tf_ckpt_migrate.checkpoint.diff_graph import same_objects
from tf_ckpt_migrate.errors import ChecksumError, PlanError
from tf_ckpt_migrate.names.rules import Combine, Drop
from tf_ckpt_migrate.transforms import Concat


@pytest.fixture
def written(tmp_path):
    def write(name, arrays):
        prefix = str(tmp_path / name)
        with BundleWriter(prefix, overwrite=True) as writer:
            shard = writer.new_shard()
            entries = {}
            for key, value in arrays.items():
                if isinstance(value, bytes):
                    array, dtype = np.array(value, object), DType.string
                else:
                    array = np.asarray(value)
                    dtype = DType[array.dtype.name]
                spec = TensorSpec(dtype, array.shape)
                entries[key.encode()] = writer.append(shard, array, spec)
            writer.commit(entries)
        return prefix

    return write


@pytest.fixture
def difference(written):
    """Compares two arrays; returns the difference, or None where they are equal."""

    def compare(a, b, **tolerance):
        prefixes = written("a", {"w": a}), written("b", {"w": b})
        diff = diff_checkpoints(*prefixes, **tolerance)
        assert diff.equal == (not diff.values)
        return diff.values[0].difference if diff.values else None

    return compare


def f32(*values):
    return np.array(values, np.float32)


def test_text_and_json_of_all_kinds_of_difference(written):
    a = written(
        "a", {"old": f32(1), "s": f32(1), "t": f32(1), "v": f32(1, 2, 4), "x": f32(1)}
    )
    b = written(
        "b",
        {
            "new": f32(1),
            "s": f32(1, 2),
            "t": np.int32([1]),
            "v": f32(1, 2, 5),
            "x": f32(1),
        },
    )
    diff = diff_checkpoints(a, b)
    assert not diff.equal
    assert (
        str(diff)
        == f"""a: {a}
b: {b}
different: 1 only in a, 1 only in b, 2 of another dtype or shape, 1 of other values, \
1 tensor equal

only in a: 1 key
old

only in b: 1 key
new

different dtype or shape  a           b
s                         float32[1]  float32[2]
t                         float32[1]  int32[1]

different values  elements  of  max abs  max rel
v                        1   3        1      0.2"""
    )
    assert json.loads(diff.to_json()) == {
        "equal": False,
        "a": a,
        "b": b,
        "only_in_a": ["old"],
        "only_in_b": ["new"],
        "specs": [
            {"key": "s", "a": "float32[1]", "b": "float32[2]"},
            {"key": "t", "a": "float32[1]", "b": "int32[1]"},
        ],
        "values": [
            {
                "key": "v",
                "of": 3,
                "elements": 1,
                "max_abs": 1.0,
                "max_rel": 0.2,
                "not_finite": 0,
            }
        ],
        "equal_count": 1,
        "left_out": [],
        "renamed": {},
        "moved": {},
        "findings": [each.to_config() for each in diff.findings],
    }
    assert [(each.kind, each.target) for each in diff.findings] == [
        ("missing", "old"),
        ("unexpected", "new"),
        ("shape", "s"),
        ("dtype", "t"),
        ("values_differ", "v"),
    ]


@pytest.mark.parametrize("golden", ["saver_v2", "dtypes", "sharded_v2", "names"])
def test_what_versions_of_tensorflow_wrote_is_equal(goldens, golden):
    old, new = goldens / "tf1_15" / golden, goldens / "tf2_21" / golden
    diff = diff_checkpoints(old, new)
    assert diff.equal
    assert str(diff).splitlines()[2] == f"equal: {diff.equal_count:,} tensors"


def test_v1_and_v2_are_compared_by_value(goldens):
    diff = diff_checkpoints(goldens / "tf1_15/dtypes_v1", goldens / "tf2_21/dtypes")
    assert not diff.values
    assert diff.equal_count == 19


def test_partitions_on_either_axis_and_none(goldens, written):
    partitioned = goldens / "tf1_15/partitioned_axis_1"
    from tf_ckpt_migrate.checkpoint.reader import load_checkpoint

    whole = dict(load_checkpoint(partitioned))
    assert diff_checkpoints(partitioned, written("b", whole)).equal
    whole["emb"] = whole["emb"] + np.float32(1)
    (value,) = diff_checkpoints(partitioned, written("c", whole)).values
    assert value.difference.elements == value.elements


def test_nan_equals_nan_of_the_same_bits(difference):
    nan, other = f32(np.nan), np.array([0x7FC00001], np.uint32).view(np.float32)
    assert difference(nan, nan) is None
    assert difference(nan, other).not_finite == 1


def test_signed_zeros_are_equal(difference):
    assert difference(f32(0.0), f32(-0.0)) is None


def test_nan_and_infinity_are_counted_apart(difference):
    found = difference(f32(1, 1, 1, 2), f32(np.nan, np.inf, 1, 3))
    assert found == (3, 1.0, pytest.approx(1 / 3), 2)
    assert difference(f32(1), f32(np.nan)) == (1, None, None, 1)


def test_large_integers_one_apart(difference):
    found = difference(np.int64([2**62]), np.int64([2**62 + 1]))
    assert found.elements == 1


@pytest.mark.parametrize(
    ("dtype", "a", "b", "distance"),
    [
        ("uint8", 0, 255, 255),
        ("int8", -128, 127, 255),
        ("bool", False, True, 1),
        ("complex64", 3j, 4, 5),
        ("float16", 1, 1.5, 0.5),
    ],
)
def test_distances_do_not_wrap_around(difference, dtype, a, b, distance):
    assert difference(np.array(a, dtype), np.array(b, dtype)).max_abs == distance


def test_tolerances_are_those_of_b(difference):
    a, b = f32(100, 1), f32(101, 1)
    assert difference(a, b, atol=1) is None
    assert difference(a, b, rtol=0.01) is None
    assert difference(a, b, rtol=0.0098).elements == 1
    assert difference(f32(np.inf), f32(1), rtol=1e9, atol=1e9).not_finite == 1


@pytest.mark.parametrize("value", [-1.0, math.nan])
@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_a_tolerance_that_is_none_is_refused(checkpoint, name, value):
    with pytest.raises(
        ValueError, match=f"{name}={value}; expected a number, 0 or more"
    ):
        diff_checkpoints(checkpoint, checkpoint, **{name: value})


def test_strings(difference):
    assert difference(b"one", b"one") is None
    assert difference(b"one", b"two") == (1, None, None, 0)


def test_pieces_are_put_together(difference, monkeypatch):
    monkeypatch.setattr("tf_ckpt_migrate.checkpoint.pieces._PIECE", 10)
    a = np.arange(95, dtype=np.float32)
    b = a.copy()
    b[[3, 50, 94]] += np.float32([1, 4, 2])
    assert difference(a, b) == (3, 4.0, 0.25, 0)


def test_the_same_bytes_of_one_file_are_not_read(checkpoint, tmp_path):
    shard = f"{checkpoint}.data-00000-of-00001"
    for suffix in (".index", ".data-00000-of-00001"):
        os.link(checkpoint + suffix, tmp_path / f"linked{suffix}")
    with open(shard, "r+b") as file:
        file.write(b"\xff" * 68)  # reading any of it would be a checksum error
    assert diff_checkpoints(checkpoint, tmp_path / "linked").equal


def test_equal_checksums_do_not_stand_for_equal_bytes(checkpoint, copied, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for suffix in (".index", ".data-00000-of-00001"):
        with open(checkpoint + suffix, "rb") as file:
            (other / f"m{suffix}").write_bytes(file.read())
    with open(f"{checkpoint}.data-00000-of-00001", "r+b") as file:
        file.write(b"\xff")
    with pytest.raises(ChecksumError):
        diff_checkpoints(checkpoint, other / "m")


def test_a_map_renames_a(written):
    a = written("a", {"bert/w": f32(1), "bert/b": f32(2), "step": f32(7)})
    b = written("b", {"encoder/w": f32(1), "encoder/b": f32(3)})
    rules = [("bert/", "encoder/"), Drop("step")]
    diff = diff_checkpoints(a, b, assignment_map=rules)
    assert diff.left_out == ("step",)
    assert diff.renamed == {"encoder/b": "bert/b", "encoder/w": "bert/w"}
    assert [value.key for value in diff.values] == ["encoder/b"]
    assert diff.equal_count == 1
    assert "bert/b -> encoder/b" in str(diff)
    assert "1 of a left out by the map" in str(diff)


def test_what_no_rule_names_keeps_its_key(written):
    a = written("a", {"x/w": f32(1), "v": f32(2)})
    b = written("b", {"y/w": f32(1), "v": f32(2)})
    assert diff_checkpoints(a, b, assignment_map={"x/": "y/"}).equal


def test_a_map_with_a_transform(written):
    a = written("a", {"p0": f32(1, 2), "p1": f32(3)})
    b = written("b", {"w": f32(1, 2, 3)})
    rule = Combine(["p0", "p1"], {"w": Concat()})
    diff = diff_checkpoints(a, b, assignment_map=[rule])
    assert diff.equal
    assert diff.renamed == {"w": "p0 + p1"}


def test_a_map_that_does_not_fit(written):
    prefix = written("a", {"w": f32(1)})
    with pytest.raises(PlanError, match="bret/"):
        diff_checkpoints(prefix, prefix, assignment_map={"bret/": "b/"})


def graph(order, key="x/.ATTRIBUTES/VARIABLE_VALUE"):
    """An object graph of a root with the children x and y, numbered in ``order``."""
    message = TrackableObjectGraph()
    root = message.nodes.add()
    for number, name in enumerate(order, 1):
        root.children.add(node_id=number, local_name=name)
        node = message.nodes.add()
        if name == "x":
            node.attributes.add(name="VARIABLE_VALUE", checkpoint_key=key)
    return message.SerializeToString()


def test_object_graphs_are_equal_however_they_are_numbered(written):
    a = written("a", {OBJECT_GRAPH_KEY: graph("xy")})
    assert diff_checkpoints(a, written("b", {OBJECT_GRAPH_KEY: graph("yx")})).equal
    other = graph("yx", "z/.ATTRIBUTES/VARIABLE_VALUE")
    diff = diff_checkpoints(a, written("c", {OBJECT_GRAPH_KEY: other}))
    assert [value.key for value in diff.values] == [OBJECT_GRAPH_KEY]
    assert "other objects, edges or keys in the object graph" in str(diff)


def graph_of(nodes, slots=()):
    """An object graph; a node is {child: number} and, if any, its key."""
    message = TrackableObjectGraph()
    for children, key in nodes:
        node = message.nodes.add()
        for name, number in children.items():
            node.children.add(node_id=number, local_name=name)
        if key:
            node.attributes.add(name="VARIABLE_VALUE", checkpoint_key=key)
    for optimizer, variable, slot in slots:
        message.nodes[optimizer].slot_variables.add(
            original_variable_node_id=variable,
            slot_name="m",
            slot_variable_node_id=slot,
        )
    return ObjectGraph(message.SerializeToString(), "t")


TRAINED = graph_of(
    [({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 0}, ""), ({}, "slot")], [(2, 1, 3)]
)


@pytest.mark.parametrize(
    ("nodes", "slots", "same"),
    [
        # The slot is node 1, the optimizer is node 3.
        ([({"o": 3, "w": 2}, ""), ({}, "slot"), ({}, "w"), ({"model": 0}, "")],
         [(3, 2, 1)], True),
        ([({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 1}, ""), ({}, "slot")],
         [(2, 1, 3)], False),
        ([({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 0}, ""), ({}, "other")],
         [(2, 1, 3)], False),
        ([({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 0}, ""), ({}, "slot")],
         [(2, 2, 3)], False),
        ([({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 0}, ""), ({}, "slot")],
         [], False),
        ([({"w": 1, "o": 2}, ""), ({}, "w"), ({"model": 0}, "")], [], False),
        ([({"w": 1, "p": 2}, ""), ({}, "w"), ({"model": 0}, ""), ({}, "slot")],
         [(2, 1, 3)], False),
    ],
)  # fmt: skip
def test_object_graphs_are_compared_by_edges_keys_and_slots(nodes, slots, same):
    other = graph_of(nodes, slots)
    assert same_objects(TRAINED, other) is same
    assert same_objects(other, TRAINED) is same


def test_two_objects_are_not_one_object():
    """Each edge leads to a node that has what the other's has; but they are two."""
    two = graph_of([({"a": 1, "b": 2}, ""), ({}, "k"), ({}, "k")])
    one = graph_of([({"a": 1, "b": 1}, ""), ({}, "k"), ({}, "k")])
    assert not same_objects(one, two)
    assert not same_objects(two, one)


def test_graphs_of_any_depth_are_compared_in_little_memory():
    deep = [({"next": number + 1}, "") for number in range(20_000)]
    a, b = graph_of([*deep, ({}, "a")]), graph_of([*deep, ({}, "b")])
    tracemalloc.start()
    assert not same_objects(a, b)
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


def test_specs_are_named_tuples(written):
    a, b = written("a", {"w": f32(1)}), written("b", {"w": f32(1, 2)})
    assert diff_checkpoints(a, b).specs == (
        SpecDifference("w", "float32[1]", "float32[2]"),
    )


def test_relative_differences_are_of_the_larger(difference):
    found = difference(f32(0, 2), f32(1, 1))
    assert (found.max_abs, found.max_rel) == (1.0, 1.0)
    assert math.isfinite(found.max_rel)


def listed(names, values):
    """Tensors of a list of variables with these names, and their object graph."""
    message = TrackableObjectGraph()
    message.nodes.add().children.add(node_id=1, local_name="all")
    parent = message.nodes.add()
    arrays = {}
    for number, name in enumerate(names):
        key = f"all/{number}/.ATTRIBUTES/VARIABLE_VALUE"
        parent.children.add(node_id=number + 2, local_name=str(number))
        message.nodes.add().attributes.add(
            name="VARIABLE_VALUE", full_name=name, checkpoint_key=key
        )
        arrays[key] = f32(values[name])
    return arrays | {OBJECT_GRAPH_KEY: message.SerializeToString()}


def at(number):
    return f"all/{number}/.ATTRIBUTES/VARIABLE_VALUE"


def test_a_variable_at_another_place_of_a_list_is_compared_with_itself(written):
    values = {"net/a": 1, "net/b": 2, "net/c": 3}
    a = written("a", listed(["net/a", "net/b", "net/c"], values))
    b = written("b", listed(["net/c", "net/b", "net/a"], values | {"net/c": 4}))
    diff = diff_checkpoints(a, b)
    assert diff.moved == {at(0): at(2), at(2): at(0)}
    assert {v.key for v in diff.values} == {at(0), OBJECT_GRAPH_KEY}
    assert (diff.renamed, diff.only_in_a, diff.only_in_b) == ({}, (), ())
    assert diff.equal_count == 2
    assert "2 moved within lists" in str(diff)
    assert f"{at(2)} -> {at(0)}" in str(diff)


def test_what_has_left_a_list_is_not_compared_with_what_took_its_place(written):
    values = {"net/a": 1, "net/b": 2, "net/c": 3}
    a = written("a", listed(["net/a", "net/b", "net/c"], values))
    b = written("b", listed(["net/b", "net/c"], values))
    diff = diff_checkpoints(a, b)
    assert (diff.only_in_a, diff.only_in_b) == ((at(0),), ())
    assert diff.moved == {at(0): at(1), at(1): at(2)}
    assert [v.key for v in diff.values] == [OBJECT_GRAPH_KEY]
