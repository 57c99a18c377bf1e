import os

import numpy as np
import pytest

from tests.conversion.checkpoints import (
    copied,
    golden,
    goldens,
    is_object_based,
    values,
    write,
)
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.contents import Value
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.graph_build import built_graph
from tf_ckpt_migrate.conversion.output import string_value, write_output
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.conversion.tf2_to_tf1 import convert_tf2_to_tf1, plan_tf2_to_tf1
from tf_ckpt_migrate.errors import LayoutError, PlanError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.names.rules import Drop, Rename, RenameRegex
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, object_key, parse_object_key
from tf_ckpt_migrate.naming.slots import role_of
from tf_ckpt_migrate.transforms import spec_of

# One that holds nothing but its graph and counter has no variables.
OBJECT_BASED = [
    name for name in goldens(is_object_based) if not name.endswith("checkpoint_empty")
]
TRAINED = [name for name in OBJECT_BASED if "keras" in name]


@pytest.fixture
def tf2(tmp_path):
    source = write(tmp_path / "m", {"net/w": [1.0, 2.0], "net/b": [3]})
    return convert_tf1_to_tf2(source, tmp_path / "tf2")


def test_full_names_are_the_default(tf2):
    assert list(load_checkpoint(convert_tf2_to_tf1(tf2, tf2.prefix + "-1"))) == [
        "net/b",
        "net/w",
    ]


def test_what_tf1_does_not_have_is_dropped_and_told(tf2):
    result = convert_tf2_to_tf1(tf2, tf2.prefix + "-1")
    assert {each.key for each in result.dropped} == {
        OBJECT_GRAPH_KEY,
        "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
    }
    assert "2 dropped" in str(result)


def test_keys_as_names_and_a_map_over_them(tf2):
    by_key = convert_tf2_to_tf1(tf2, tf2.prefix + "-key", names="key")
    assert list(load_checkpoint(by_key)) == ["vars/net/b", "vars/net/w"]
    by_map = convert_tf2_to_tf1(tf2, tf2.prefix + "-map", names={"vars/": "/"})
    assert list(load_checkpoint(by_map)) == ["net/b", "net/w"]


@pytest.mark.parametrize(
    ("names", "is_told"),
    [("key", True), ({"/": "/"}, True), ("full_name", False), ({"/": "all/"}, True)],
)
def test_paths_that_say_nothing_are_told_of(names, is_told):
    plan = plan_tf2_to_tf1(golden("tf2_21/keras_optimizer_adam"), names)
    told = [note for note in plan.notes if "calls that one 'net/d1/kernel'" in note]
    assert bool(told) is is_told


def test_a_map_may_drop_by_role():
    reader = golden("tf2_21/tf_keras_legacy_adam")
    rules = [Drop(role="slot"), Drop(role="optimizer"), ("/", "/")]
    plan = plan_tf2_to_tf1(reader, rules, unused="keep")
    assert not any("OPTIMIZER_SLOT" in move.sources[0] for move in plan.moves)
    reasons = {each.reason for each in plan.dropped}
    assert reasons >= {"Drop(role='slot')", "Drop(role='optimizer')"}


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_every_golden_by_key_holds_every_value(name, tmp_path):
    reader = golden(name)
    plan = plan_tf2_to_tf1(reader, "key")
    result = convert_tf2_to_tf1(reader, tmp_path / "tf1", names="key")
    found, expected = values(result), values(reader.prefix)
    assert found == {
        move.target: expected[move.sources[0]]
        for move in plan.moves
        if move.sources[0] in expected
    }
    accounted = {key for move in plan.moves for key in move.sources}
    accounted |= {each.key for each in result.dropped}
    assert accounted == set(reader)


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_tensorflow_reads_what_we_write(name, tmp_path, tf):
    result = convert_tf2_to_tf1(golden(name), tmp_path / "tf1", names="key")
    ours = load_checkpoint(result)
    theirs = tf.train.load_checkpoint(os.fspath(result))
    assert sorted(theirs.get_variable_to_shape_map()) == list(ours)
    for key, spec in ours.specs.items():
        if spec.dtype.name not in ("variant", "resource"):
            value = np.asarray(theirs.get_tensor(key))
            assert value.tolist() == ours[key].tolist() or np.isnan(value).any()


def test_variables_of_one_name_go_by_their_paths(tmp_path):
    reader = golden("tf2_21/checkpoint_nested")
    result = convert_tf2_to_tf1(reader, tmp_path / "tf1")
    found, expected = values(result), values(reader.prefix)
    names = dict.fromkeys(["extra/0", "net/heads/a", "net/layers/1", "net/tied"])
    paths = {f"{name}/{end}" for name in names for end in "wb"}
    paths |= {"net/heads/b/0", "net/heads/b/1/0"}
    assert found == {
        "global_step": expected[object_key("net", "step")],
        **{path: expected[object_key(*path.split("/"))] for path in paths},
    }
    (note,) = result.notes
    assert "10 of 11 tensors go by their object paths" in note
    assert "'net/heads/b/0' (several are called 'Variable')" in note


@pytest.mark.parametrize("name", ["tf2_15/checkpoint_empty", "tf2_21/checkpoint_empty"])
def test_no_variables_are_an_error(name, tmp_path):
    with pytest.raises(PlanError, match="has no variables"):
        convert_tf2_to_tf1(golden(name), tmp_path / "tf1")
    assert not list(tmp_path.iterdir())
    with pytest.raises(PlanError, match="has no variables"):
        add_name_keys(copied(golden(name), tmp_path))


@pytest.mark.parametrize("names", ["full_name", "key"])
def test_a_lookup_table_is_left_behind(names, tmp_path):
    reader = golden("tf2_21/checkpoint_tables")
    result = convert_tf2_to_tf1(reader, tmp_path / "tf1", names=names)
    assert len(load_checkpoint(result)) == 1  # the state of a random generator
    tables = {key for key in reader if "/table-" in key}
    assert len(tables) == 4
    assert tables <= {each.key for each in result.dropped}
    asked = {"table/table-keys": "k", "table/table-values": "v", "random/": "r/"}
    by_name = convert_tf2_to_tf1(reader, tmp_path / "asked", names=asked)
    assert set(load_checkpoint(by_name)) == {"k", "v", "r/_state_var"}


@pytest.mark.parametrize("names", ["full_name", "key"])
@pytest.mark.parametrize("name", TRAINED)
def test_what_was_no_weight_is_no_weight_under_a_name(name, names):
    reader = golden(name)
    plan = plan_tf2_to_tf1(reader, names)
    specs = {move.target: move.spec for move in plan.moves}
    for move in plan.moves:
        was = role_of(move.sources[0], reader.specs)
        assert (role_of(move.target, specs) == "weight") is (was == "weight"), move


KERAS_3 = {
    object_key("net", "d", "_kernel"): ("net/kernel", [[1.0, 2.0]]),
    object_key("net", "d", "bias"): ("net/bias", [3.0, 4.0]),
    object_key("net", "words", "_embeddings"): ("net/embeddings", [[5.0]]),
    object_key("net", "_own"): ("own", [6.0]),
    object_key("net", "both", "_kernel"): ("net/kernel", [7.0]),
    object_key("net", "both", "kernel"): ("net/kernel", [8.0]),
}


@pytest.fixture
def keras_3(tmp_path):
    graph = built_graph(
        (key, parse_object_key(key), name) for key, (name, _) in KERAS_3.items()
    )
    prefix = str(tmp_path / "keras_3")
    arrays = {key: np.array(value) for key, (_, value) in KERAS_3.items()}
    contents = {
        key: Value(spec_of(array), lambda array=array: array)
        for key, array in arrays.items()
    }
    write_output(prefix, contents | {OBJECT_GRAPH_KEY: string_value(graph)})
    return prefix


PUBLIC = {"d/kernel", "d/bias", "words/embeddings", "_own"}
BOTH = {"both/_kernel", "both/kernel"}  # are two attributes


@pytest.mark.parametrize(
    ("names", "scope"),
    [
        ("key", "net/"),
        ({"net/": "c/"}, "c/"),
        ([RenameRegex("net/(.+)", r"r/\1")], "r/"),
        ({"net/d/": "s/d/", "net/": "s/"}, "s/"),
    ],
)
def test_private_attributes_of_keras_3_go_by_public_names(
    keras_3, names, scope, tmp_path
):
    result = convert_tf2_to_tf1(keras_3, tmp_path / "tf1", names=names)
    expected = {scope + each for each in PUBLIC | BOTH}
    assert set(load_checkpoint(result)) == expected
    assert load_checkpoint(result)[f"{scope}d/kernel"].tolist() == [[1.0, 2.0]]
    back = AssignmentMap({scope: "net/"})
    there = convert_tf1_to_tf2(
        result, tmp_path / "back", like=keras_3, assignment_map=back
    )
    assert values(there) == values(keras_3)
    assert set(add_name_keys(keras_3, names).added) == expected


def test_rules_may_say_private_attributes_of_keras_3(keras_3, tmp_path):
    rules = [
        Rename("net/d/_kernel", "w"),
        RenameRegex("net/words/_(.+)", r"words_\1"),
        Drop("/"),
    ]
    result = convert_tf2_to_tf1(keras_3, tmp_path / "tf1", names=rules)
    assert set(load_checkpoint(result)) == {"w", "words_embeddings"}


def test_an_unknown_way_of_naming_is_an_error(tf2):
    with pytest.raises(ValueError, match=r"names='keys'.*full_name"):
        convert_tf2_to_tf1(tf2, tf2.prefix + "-1", names="keys")


def test_name_based_is_refused_with_the_right_calls(tmp_path):
    with pytest.raises(LayoutError, match=r"name-based.*convert_tf1_to_tf2"):
        convert_tf2_to_tf1(golden("tf2_21/saver_v2"), tmp_path / "out")


def test_of_a_dual_keyed_checkpoint_the_names_stay(tmp_path):
    reader = golden("tf2_21/dual_keyed")
    made = convert_tf2_to_tf1(reader, tmp_path / "out")
    names = {k for k in reader if "/.ATTR" not in k} - {OBJECT_GRAPH_KEY}
    assert set(load_checkpoint(made)) == names
    assert made.notes == ()
    plan = plan_tf2_to_tf1(reader, "key")
    assert {move.target for move in plan.moves} == names
    assert "it keeps the names that it has, whatever names=" in plan.notes[0]


def test_tf1_saver_restores_into_a_graph(tf2, tf):
    result = convert_tf2_to_tf1(tf2, tf2.prefix + "-1")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        w = tf.compat.v1.get_variable("net/w", [2], tf.float64)
        b = tf.compat.v1.get_variable("net/b", [1], tf.int64)
        tf.compat.v1.train.Saver().restore(session, os.fspath(result))
        assert session.run(w).tolist() == [1.0, 2.0]
        assert session.run(b).tolist() == [3]
