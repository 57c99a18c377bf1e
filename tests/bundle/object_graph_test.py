import re

import pytest

from tests.bundle.files import GOLDENS
from tf_ckpt_migrate.bundle.object_graph import (
    OBJECT_GRAPH_KEY,
    Attribute,
    ObjectGraph,
)
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.bundle.reader import BundleReader
from tf_ckpt_migrate.errors import CorruptCheckpointError

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def message(*nodes):
    """Return a graph whose nodes are dicts of edges."""
    graph = TrackableObjectGraph()
    for children in nodes:
        node = graph.nodes.add()
        for name, child in children.items():
            node.children.add(local_name=name, node_id=child)
    return graph


def add_tensor(node, key, full_name=""):
    node.attributes.add(
        name="VARIABLE_VALUE", full_name=full_name, checkpoint_key=key + VALUE
    )


@pytest.fixture
def model():
    """Return root -> layer -> kernel, root -> optimizer, whose slot m is of kernel."""
    graph = message({"layer": 1, "optimizer": 3}, {"kernel": 2}, {}, {}, {})
    add_tensor(graph.nodes[2], "layer/kernel", "dense/kernel")
    add_tensor(graph.nodes[4], "layer/kernel/.OPTIMIZER_SLOT/optimizer/m")
    graph.nodes[3].slot_variables.add(
        original_variable_node_id=2, slot_name="m", slot_variable_node_id=4
    )
    return graph


def read(graph):
    return ObjectGraph(graph.SerializeToString(), "m.index")


def test_a_model(model):
    graph = read(model)
    slot_key = f"layer/kernel/.OPTIMIZER_SLOT/optimizer/m{VALUE}"
    key = f"layer/kernel{VALUE}"
    assert len(graph) == 5
    assert graph.children(0) == {"layer": 1, "optimizer": 3}
    assert graph.attributes == (
        Attribute(2, "VARIABLE_VALUE", "dense/kernel", key),
        Attribute(4, "VARIABLE_VALUE", "", slot_key),
    )
    assert graph.full_names() == {key: "dense/kernel"}
    assert list(graph.slots()) == [(3, 2, "m", 4)]


def test_paths_are_those_that_keys_are_made_of(model):
    assert read(model).paths() == {
        0: (),
        1: ("layer",),
        2: ("layer", "kernel"),
        3: ("optimizer",),
    }


@pytest.mark.parametrize(
    ("nodes", "paths"),
    [
        ([], {}),
        ([{}], {0: ()}),
        ([{"self": 0}], {0: ()}),
        ([{"a": 1}, {"back": 0, "b": 2}, {}], {0: (), 1: ("a",), 2: ("a", "b")}),
        # The shortest wins, and of those as short the first.
        ([{"x": 1, "w": 2}, {"y": 2}, {}], {0: (), 1: ("x",), 2: ("w",)}),
        ([{"p": 1, "q": 1}, {}], {0: (), 1: ("p",)}),
        ([{}, {}], {0: ()}),  # node 1 cannot be reached
    ],
)
def test_paths_of_a_graph(nodes, paths):
    assert read(message(*nodes)).paths() == paths


def chain(length, name="next"):
    return message(*({name: number + 1} for number in range(length)), {})


def test_paths_as_long_as_no_graph_has_them_are_refused():
    assert len(read(chain(1_000)).paths()) == 1_001
    with pytest.raises(CorruptCheckpointError, match=r"m\.index: the paths .* deep"):
        read(chain(20_000)).paths()
    wide = message({"x" * 100_000: 1}, {f"{n}": n for n in range(2, 900)}, *[{}] * 898)
    with pytest.raises(CorruptCheckpointError, match=r"together over 64 times"):
        read(wide).paths()


@pytest.mark.parametrize("node", [-1, 1, 2**31 - 1])
def test_an_edge_to_a_node_that_is_not_there(node):
    expected = f"m.index: node 0 of the object graph refers to node {node}, but there"
    with pytest.raises(CorruptCheckpointError, match=re.escape(expected)):
        read(message({"a": node}))


@pytest.mark.parametrize(("variable", "slot"), [(9, 0), (0, 9), (-1, 0)])
def test_a_slot_of_a_node_that_is_not_there(variable, slot):
    graph = message({})
    graph.nodes[0].slot_variables.add(
        original_variable_node_id=variable, slot_name="m", slot_variable_node_id=slot
    )
    with pytest.raises(CorruptCheckpointError, match="refers to node"):
        read(graph)


def test_what_is_no_graph():
    with pytest.raises(CorruptCheckpointError, match=r"m\.index: not a Trackable"):
        ObjectGraph(b"\xff", "m.index")


def test_tensors_of_attributes():
    graph = message({})
    for key in ("w", "table", "gone"):
        add_tensor(graph.nodes[0], key)
    keys = [
        f"w{VALUE}",
        f"w{VALUE}-not-of-w",  # an attribute that has its own key has no others
        f"table{VALUE}-keys",
        f"table{VALUE}-values",
        "other",
    ]
    assert read(graph).tensors(keys) == {
        f"w{VALUE}": (f"w{VALUE}",),
        f"table{VALUE}": (f"table{VALUE}-keys", f"table{VALUE}-values"),
        f"gone{VALUE}": (),
    }


def test_an_attribute_without_a_key_has_no_tensors():
    graph = message({})
    graph.nodes[0].attributes.add(name="VARIABLE_VALUE")
    assert read(graph).tensors(["a", "b"]) == {"": ()}


def test_an_edited_graph_is_another(model):
    graph = read(model)
    before = graph.message.SerializeToString()

    def edit(message):
        message.nodes[2].attributes[0].full_name = "kernel"

    edited = ObjectGraph(graph.edited(edit), "t")
    assert set(edited.full_names().values()) == {"kernel"}
    assert graph.message.SerializeToString() == before


def test_an_edit_of_nothing_keeps_what_is_unknown(model):
    raw = model.SerializeToString() + bytes.fromhex("a21f0161")  # field 500
    assert ObjectGraph(raw, "t").edited(lambda _: None) == raw


@pytest.mark.parametrize("name", ["tf1_15/hash_table", "tf2_21/checkpoint_tables"])
def test_tables_of_tensorflow_have_keys_and_values(name):
    index = next((GOLDENS / name).rglob("*.index"))
    reader = BundleReader(str(index.with_suffix("")))
    if OBJECT_GRAPH_KEY not in reader.index:
        assert [key for key in reader.index if key.endswith("-keys")]
        return
    graph = ObjectGraph(reader.read(OBJECT_GRAPH_KEY).item(), str(index))
    owned = [key for keys in graph.tensors(reader.index).values() for key in keys]
    assert sorted(owned) == sorted(set(reader.index) - {OBJECT_GRAPH_KEY})
    assert max(map(len, graph.tensors(reader.index).values())) == 2
