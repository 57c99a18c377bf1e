import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_ckpt_migrate.errors import RuleError
from tf_ckpt_migrate.naming.keys import (
    SAVE_COUNTER_KEY,
    ObjectKey,
    SlotPath,
    escape,
    object_key,
    parse_object_key,
    parse_partition,
    slot_key,
    unescape,
)

names = st.text(st.characters(codec="utf-8"), min_size=1) | st.text("./Sa_", min_size=1)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("kernel", "kernel"),
        ("net/w", "net.Sw"),
        ("v1.5", "v1..5"),
        ("v1.Small", "v1..Small"),
        ("a./b", "a...Sb"),
        (".", ".."),
        ("..S/", "....S.S"),
    ],
)
def test_escapes_as_tensorflow_does(name, component):
    assert escape(name) == component
    assert unescape(component) == name


@given(names)
def test_unescape_undoes_escape(name):
    assert unescape(escape(name)) == name


@pytest.mark.parametrize("component", ["a.b", "a.", ".", "...", ".s", "a..b.T"])
def test_a_dot_that_starts_no_escape_is_refused(component):
    with pytest.raises(RuleError, match="is no escape"):
        unescape(component)


def test_several_components_are_refused():
    with pytest.raises(RuleError, match="is several components"):
        unescape("a/b")


def test_known_object_keys():
    assert object_key("save_counter") == SAVE_COUNTER_KEY
    assert object_key("vars", "net/w") == "vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE"
    assert object_key("layer", attribute="OBJECT_CONFIG_JSON") == (
        "layer/.ATTRIBUTES/OBJECT_CONFIG_JSON"
    )
    assert slot_key("model/w", "optimizer", "m") == (
        "model/w/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE"
    )


def test_a_slot_key_names_variable_optimizer_and_slot():
    key = slot_key("vars/net.Sw", "train/optimizer", "m")
    parsed = parse_object_key(key)
    assert parsed == ObjectKey(
        ("vars", "net/w"), slot=SlotPath(("train", "optimizer"), "m")
    )
    assert parsed.object_path == "vars/net.Sw"


def test_the_root_object_has_an_empty_path():
    assert parse_object_key("/.ATTRIBUTES/OBJECT_CONFIG_JSON") == ObjectKey(
        (), "OBJECT_CONFIG_JSON"
    )


@pytest.mark.parametrize(
    "key", ["net/w", "_CHECKPOINTABLE_OBJECT_GRAPH", "", "a.b/.ATTRIBUTES/X", "a.S"]
)
def test_what_is_no_object_key(key):
    assert parse_object_key(key) is None


@given(st.lists(names, min_size=1), st.sampled_from(["VARIABLE_VALUE", "-keys", "a/b"]))
def test_object_keys_both_ways(path, attribute):
    key = object_key(*path, attribute=attribute)
    parsed = parse_object_key(key)
    assert parsed == ObjectKey(tuple(path), attribute)
    assert str(parsed) == key


@given(names, st.lists(names, min_size=1), names)
def test_slot_keys_both_ways(variable, optimizer, slot):
    key = slot_key(escape(variable), "/".join(map(escape, optimizer)), slot)
    parsed = parse_object_key(key)
    assert parsed == ObjectKey((variable,), slot=SlotPath(tuple(optimizer), slot))
    assert str(parsed) == key


def test_partition_names():
    assert parse_partition("a/emb/part_3") == ("a/emb", 3)
    assert parse_partition("emb/part_x") is None
    assert parse_partition("part_1") is None


@pytest.mark.parametrize(
    "name", ["w", "net/w", "v1.5", "a./b", ".S", "..", "a.Small/é"]
)
def test_tensorflow_writes_these_keys(tf, tmp_path, name):
    variables = {name: tf.Variable(1.0)}
    optimizer = tf.compat.v1.train.MomentumOptimizer(0.1, 0.9)
    optimizer.apply_gradients([(tf.constant(1.0), variables[name])])
    saved = tf.train.Checkpoint(vars=variables, optimizer=optimizer)
    prefix = saved.write(str(tmp_path / "ckpt"))
    keys = dict(tf.train.list_variables(prefix))
    assert object_key("vars", name) in keys
    assert slot_key(f"vars/{escape(name)}", "optimizer", "momentum") in keys
    parsed = {parse_object_key(key) for key in keys} - {None}
    assert {"/".join(key.path[1:]) for key in parsed if key.path[0] == "vars"} == {name}
