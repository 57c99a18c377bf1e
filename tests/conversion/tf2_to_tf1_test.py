import os

import numpy as np
import pytest

from tests.conversion.checkpoints import golden, goldens, is_object_based, values, write
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.conversion.tf2_to_tf1 import convert_tf2_to_tf1, plan_tf2_to_tf1
from tf_ckpt_migrate.errors import LayoutError, PlanError
from tf_ckpt_migrate.names.keys import OBJECT_GRAPH_KEY
from tf_ckpt_migrate.names.rules import Drop

OBJECT_BASED = goldens(is_object_based)


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
    plan = plan_tf2_to_tf1(reader, rules, unmatched="keep")
    assert not any("OPTIMIZER_SLOT" in move.sources[0] for move in plan.moves)
    assert {each.reason for each in plan.dropped} >= {"slot", "optimizer"}


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


def test_nameless_variables_are_listed_with_ways_out(tmp_path):
    reader = golden("tf2_21/checkpoint_nested")
    with pytest.raises(PlanError) as caught:
        convert_tf2_to_tf1(reader, tmp_path / "tf1")
    text = str(caught.value)
    assert "'Variable' is the name of" in text
    assert 'names="key"' in text
    assert 'names={"vars/": "/"}' in text
    assert not list(tmp_path.iterdir())


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
