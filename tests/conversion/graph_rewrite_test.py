"""Renames in object graphs, down to what TensorFlow makes of them."""

import os

import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
from tf_ckpt_migrate.bundle.proto import TrackableObjectGraph
from tf_ckpt_migrate.conversion.graph_build import joined_graphs
from tf_ckpt_migrate.conversion.graph_rewrite import rewritten_graph
from tf_ckpt_migrate.errors import CorruptCheckpointError, LayoutError

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def made(edges, keys, slots=()) -> ObjectGraph:
    """Return a graph from (parent, name, child), {node: key} and slots."""
    message = TrackableObjectGraph()
    numbers = {n for a, _, b in edges for n in (a, b)} | {*keys}
    for _ in range(max(numbers) + 1):
        message.nodes.add().has_checkpoint_values.value = True
    for parent, name, child in edges:
        message.nodes[parent].children.add(node_id=child, local_name=name)
    for node, key in keys.items():
        message.nodes[node].attributes.add(
            name="VARIABLE_VALUE", checkpoint_key=key + VALUE
        )
    for optimizer, variable, name, slot in slots:
        message.nodes[optimizer].slot_variables.add(
            original_variable_node_id=variable,
            slot_name=name,
            slot_variable_node_id=slot,
        )
    return ObjectGraph(message.SerializeToString(), "a graph")


def rewritten(graph, renames) -> ObjectGraph:
    """Return a graph after renames; a key that is not there stays."""
    keys = {a.checkpoint_key.removesuffix(VALUE) for a in graph.attributes}
    news = {key + VALUE: [key + VALUE] for key in keys}
    for old, new in renames.items():
        news[old + VALUE] = [new + VALUE] if isinstance(new, str) else new
    return ObjectGraph(
        rewritten_graph(graph, {k: v for k, v in news.items() if v}), "new"
    )


def found(graph) -> dict[str, str]:
    """Return the key that TensorFlow finds on every path, aliases too."""
    keys = {a.node: a.checkpoint_key.removesuffix(VALUE) for a in graph.attributes}
    paths, queue = {}, [("", 0, (0,))]
    for path, node, above in queue:
        if node in keys:
            paths[path.strip("/")] = keys[node]
        queue += [
            (f"{path}/{name}", child, (*above, child))
            for name, child in graph.children(node).items()
            if child not in above
        ]
    return paths


# As Keras: each layer by its number, and by that of the layers with weights.
KERAS = [
    (0, "with_weights-0", 1),
    (0, "layer-1", 1),
    (0, "with_weights-1", 2),
    (0, "layer-2", 2),
    (1, "w", 3),
    (2, "w", 4),
]
KERAS_KEYS = {3: "with_weights-0/w", 4: "with_weights-1/w"}


def test_a_dropped_variable_has_no_object_that_could_seem_restored():
    graph = rewritten(made(KERAS, KERAS_KEYS), {"with_weights-0/w": None})
    assert found(graph) == {"with_weights-1/w": "with_weights-1/w"} | {
        "layer-2/w": "with_weights-1/w"
    }
    assert set(graph.children(0)) == {"with_weights-1", "layer-2"}


def test_objects_that_swap_come_before_their_aliases():
    swap = {"with_weights-0/w": "with_weights-1/w"}
    swap |= {new: old for old, new in swap.items()}
    graph = rewritten(made(KERAS, KERAS_KEYS), swap)
    names = [child.local_name for child in graph.message.nodes[0].children]
    assert names.index("with_weights-1") < names.index("layer-1")
    assert names.index("with_weights-0") < names.index("layer-2")
    for key in swap:
        assert found(graph)[key] == key


def test_an_object_takes_the_place_of_a_dropped_one():
    rules = {"with_weights-0/w": None, "with_weights-1/w": "with_weights-0/w"}
    graph = rewritten(made(KERAS, KERAS_KEYS), rules)
    assert found(graph)["with_weights-0/w"] == "with_weights-0/w"
    assert graph.children(0)["with_weights-0"] == 2


def test_an_object_may_move_to_its_own_alias():
    graph = rewritten(made(KERAS, KERAS_KEYS), {"with_weights-0/w": "layer-1/w"})
    assert found(graph)["layer-1/w"] == "layer-1/w"
    assert len(graph.attributes) == 2


def test_two_values_of_one_object_are_refused():
    with pytest.raises(LayoutError, match=r"with_weights-1/w.* and .*layer-2/w"):
        rewritten(made(KERAS, KERAS_KEYS), {"with_weights-0/w": "layer-2/w"})


TRAINED = [(0, "a", 1), (0, "b", 2), (0, "opt", 3), (1, "w", 4), (2, "w", 5)]
TRAINED_KEYS = {4: "a/w", 5: "b/w", 3: "opt"}


def with_slots(*names) -> ObjectGraph:
    keys, slots = dict(TRAINED_KEYS), []
    for variable, path in ((4, "a/w"), (5, "b/w")):
        for name in names:
            slots.append((3, variable, name, 6 + len(slots)))
            keys[5 + len(slots)] = f"{path}/.OPTIMIZER_SLOT/opt/{name}"
    return made(TRAINED, keys, slots)


def slots_of(graph) -> dict[tuple[str, str], str]:
    """Return the key of each slot, by the variable's path and the slot's name."""
    paths = graph.paths()
    keys = {a.node: a.checkpoint_key.removesuffix(VALUE) for a in graph.attributes}
    return {
        ("/".join(paths[variable]), name): keys[slot]
        for optimizer, variable, name, slot in graph.slots()
        if optimizer in paths
    }


def test_slots_follow_the_object_that_takes_the_place_of_another():
    gone = {"a/w": None, "a/w/.OPTIMIZER_SLOT/opt/m": None}
    moved = {f"b/w{end}": f"a/w{end}" for end in ("", "/.OPTIMIZER_SLOT/opt/m")}
    graph = rewritten(with_slots("m"), gone | moved)
    assert slots_of(graph) == {("a/w", "m"): "a/w/.OPTIMIZER_SLOT/opt/m"}


def test_slots_of_joined_objects_follow():
    # "a" keeps another variable, so that "b" becomes a part of it.
    edges = [*TRAINED, (1, "kept", 10)]
    slots = [(3, 5, "m", 6)]
    slot = "b/w/.OPTIMIZER_SLOT/opt/m"
    graph = made(edges, {3: "opt", 5: "b/w", 10: "a/kept", 6: slot}, slots)
    news = {"b/w": "a/w", slot: slot.replace("b/w", "a/w")}
    assert slots_of(rewritten(graph, news)) == {("a/w", "m"): news[slot]}


def test_a_slot_may_get_another_name():
    start = "a/w/.OPTIMIZER_SLOT/opt/"
    swap = {start + "m": start + "v", start + "v": start + "m"}
    graph = rewritten(with_slots("m", "v"), swap)
    assert all(key.endswith("/" + name) for (_, name), key in slots_of(graph).items())
    assert len(slots_of(graph)) == 4


def test_a_slot_may_become_a_plain_variable_and_back():
    slot, plain = "a/w/.OPTIMIZER_SLOT/opt/m", "opt/_variables/1"
    graph = rewritten(with_slots("m"), {slot: plain})
    assert found(graph)[plain] == plain
    assert ("a/w", "m") not in slots_of(graph)
    assert slots_of(rewritten(graph, {plain: slot})) == slots_of(with_slots("m"))


def test_slots_follow_a_scope_that_names_only_the_optimizer():
    graph = rewritten(with_slots("m"), {"opt": "optimizer"})
    assert set(slots_of(graph)) == {("a/w", "m"), ("b/w", "m")}
    assert "optimizer" in graph.children(0)


def test_additions_grow_below_objects_that_moved():
    news = {"a/w": ["net/w" + VALUE, "net/copy/w" + VALUE, "net/w/x" + VALUE]}
    graph = rewritten(made(TRAINED, TRAINED_KEYS), news)
    names = [child.local_name for child in graph.message.nodes[0].children]
    assert len(names) == len({*names})
    assert {"net/w", "net/copy/w", "net/w/x"} <= set(found(graph))


def test_what_tensorflow_knew_of_values_below_is_left_for_it_to_find_out():
    # It defers no restore below a node that it thinks has none.
    graph = made([(0, "a", 1), (0, "empty", 2), (1, "w", 3)], {3: "a/w"})
    graph.message.nodes[2].has_checkpoint_values.value = False
    new = rewritten(graph, {"a/w": "empty/w"})
    assert not any(n.HasField("has_checkpoint_values") for n in new.message.nodes)


def test_a_graph_with_cycles_is_rewritten():
    edges = [(0, "a", 1), (1, "parent", 0), (1, "self", 1), (1, "w", 2)]
    edges += [(0, "b", 3), (3, "self", 3), (3, "x", 4)]
    graph = made(edges, {2: "a/w", 4: "b/x"})
    graph = rewritten(graph, {"b/x": "a/x"})
    assert found(graph)["a/x"] == "a/x"
    assert found(graph)["a/w"] == "a/w"


def test_two_objects_of_one_name_are_refused():
    graph = made([(0, "a", 1), (0, "a", 2)], {1: "a"})
    with pytest.raises(CorruptCheckpointError, match="2 objects 'a'"):
        rewritten(graph, {"a": "b"})


def test_joined_objects_with_two_values_are_refused():
    one = made([(0, "a", 1)], {1: "a"})
    other = made([(0, "a", 1), (0, "alias", 1)], {1: "alias"})
    with pytest.raises(LayoutError, match="both be the value of one object"):
        joined_graphs([one, other])


def _module(tf, start):
    """Return an object with two variables, each found on two paths, and slots."""
    root = tf.train.Checkpoint(a=tf.Module(), b=tf.Module())
    root.a.w = tf.Variable([start, start])
    root.b.w = tf.Variable([start + 1, start + 1])
    root.alias_a, root.alias_b = root.a, root.b
    return root


def _converted(tf, tmp_path, *rules):
    saved = _module(tf, 1.0).save(str(tmp_path / "saved"))
    plan = tcm.plan_migration(saved, None, rules, unused="keep")
    return os.fspath(tcm.convert(plan, tmp_path / "out"))


def test_tensorflow_misses_what_was_dropped(tmp_path, tf):
    prefix = _converted(tf, tmp_path, tcm.Drop(pattern="a/w/.*"))
    status = _module(tf, 5.0).restore(prefix)
    with pytest.raises(AssertionError):
        status.assert_existing_objects_matched()


def test_tensorflow_restores_what_swapped_though_there_are_aliases(tmp_path, tf):
    swap = [tcm.RenameScope("a/", "b/"), tcm.RenameScope("b/", "a/")]
    prefix = _converted(tf, tmp_path, *swap)
    root = _module(tf, 5.0)
    root.restore(prefix).assert_consumed()
    assert root.a.w.numpy().tolist() == [2, 2]
    assert root.b.w.numpy().tolist() == [1, 1]


def test_tensorflow_defers_what_moved_below_an_empty_object(tmp_path, tf):
    root = tf.train.Checkpoint(a=tf.Module(), empty=tf.Module())
    root.a.w = tf.Variable([1.0, 2.0])
    saved = root.save(str(tmp_path / "saved"))
    rename = tcm.Rename("a/w" + VALUE, "empty/z/w" + VALUE)
    plan = tcm.plan_migration(saved, None, [rename], unused="keep")
    later = tf.train.Checkpoint()
    status = later.restore(os.fspath(tcm.convert(plan, tmp_path / "out")))
    later.empty = tf.Module()
    later.empty.z = tf.Module()
    later.empty.z.w = tf.Variable([0.0, 0.0])
    status.assert_consumed()
    assert later.empty.z.w.numpy().tolist() == [1, 2]
