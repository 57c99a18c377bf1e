import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tests.conversion.checkpoints import (
    copied,
    files_in,
    golden,
    goldens,
    index_entries,
    is_object_based,
    values,
    write,
)
from tf_ckpt_migrate.bundle.writer import replace_index
from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, load_checkpoint
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys, remove_name_keys
from tf_ckpt_migrate.conversion.merge import merge
from tf_ckpt_migrate.conversion.object_keys import add_object_keys
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.errors import LayoutError, PlanError
from tf_ckpt_migrate.names.rules import Drop, Keep, Rename, Split
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY
from tf_ckpt_migrate.transforms import Slice, Transpose

# One that holds nothing but its graph and counter has no variables to name.
OBJECT_BASED = [
    name for name in goldens(is_object_based) if not name.endswith("checkpoint_empty")
]


@pytest.fixture
def tf2(tmp_path):
    source = write(tmp_path / "m", {"net/w": [1.0, 2.0], "net/b": [3]})
    return convert_tf1_to_tf2(source, tmp_path / "tf2" / "m")


def test_names_are_added_beside_the_objects(tf2):
    before = set(load_checkpoint(tf2))
    result = add_name_keys(tf2)
    assert result.added == ("net/b", "net/w")
    reader = load_checkpoint(result)
    assert set(reader) == before | {"net/b", "net/w"}
    assert reader.format is CheckpointFormat.DUAL_KEYED


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_removing_gives_back_the_very_index(name, tmp_path):
    prefix = copied(golden(name), tmp_path)
    before, shards = index_entries(prefix), files_in(tmp_path)
    expected = values(prefix)
    add_name_keys(prefix, "key")
    dual = values(prefix)
    assert expected.items() <= dual.items()
    assert load_checkpoint(prefix).format is CheckpointFormat.DUAL_KEYED
    remove_name_keys(prefix)
    assert index_entries(prefix) == before
    changed = {k for k, v in files_in(tmp_path).items() if shards[k] != v}
    assert changed <= {os.path.basename(prefix) + ".index"}


def test_both_worlds_restore_it(tf2, tf):
    prefix = os.fspath(add_name_keys(tf2))
    variables = {"net/w": tf.Variable([0.0, 0.0], dtype=tf.float64)}
    variables["net/b"] = tf.Variable([0], dtype=tf.int64)
    tf.train.Checkpoint(vars=variables).restore(prefix).assert_consumed()
    assert variables["net/w"].numpy().tolist() == [1.0, 2.0]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        w = tf.compat.v1.get_variable("net/w", [2], tf.float64)
        tf.compat.v1.train.Saver().restore(session, prefix)
        assert session.run(w).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_tensorflow_reads_every_dual_keyed_golden(name, tmp_path, tf):
    prefix = copied(golden(name), tmp_path)
    add_name_keys(prefix, "key")
    ours, theirs = load_checkpoint(prefix), tf.train.load_checkpoint(prefix)
    assert theirs.get_variable_to_shape_map() == ours.get_variable_to_shape_map()
    for key, spec in ours.specs.items():
        if spec.dtype.name not in ("variant", "resource", "string"):
            value = np.asarray(theirs.get_tensor(key))
            assert value.tobytes() == ours[key].tobytes()


TURNED = [
    Rename("vars/net/w", "w", Transpose((1, 0))),
    Split("vars/net/b", {"first": Slice((0,), (1,)), "rest": Slice((1,), (2,))}),
    Rename("vars/step", "global_step"),
]


@pytest.fixture(params=["local", "memory://"])
def turned(request, tmp_path):
    """A checkpoint with names whose tensors are computed, and how it was before."""
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors = {"net/w": kernel, "net/b": np.arange(3.0), "step": 7}
    source = write(tmp_path / "m", tensors)
    folder = str(tmp_path / "tf2")
    folder = folder if request.param == "local" else f"memory:/{folder}"
    prefix = os.fspath(convert_tf1_to_tf2(source, f"{folder}/m"))
    return prefix, dict(load_checkpoint(prefix)), kernel


def test_values_that_rules_change_are_written_to_a_shard_more(turned):
    prefix, objects, kernel = turned
    before = len(load_checkpoint(prefix).files)
    result = add_name_keys(prefix, TURNED)
    assert set(result.added) == {"first", "rest", "w", "global_step"}
    assert set(result.computed) == {"first", "rest", "w"}
    reader = load_checkpoint(prefix)
    assert len(reader.files) == before + 1
    assert reader["w"].tolist() == kernel.T.tolist()
    assert (reader["first"].tolist(), reader["rest"].tolist()) == ([0.0], [1.0, 2.0])
    assert reader["global_step"] == 7
    for key, value in objects.items():
        np.testing.assert_array_equal(reader[key], value)


def test_computed_names_are_removed_by_the_rules_that_made_them(turned):
    prefix, objects, _ = turned
    add_name_keys(prefix, TURNED)
    with pytest.raises(LayoutError, match=r"'first', 'rest', 'w'\. If a map"):
        remove_name_keys(prefix)
    with pytest.raises(LayoutError, match=r"would be lost: 'first', 'rest'\. Pass"):
        remove_name_keys(prefix, [TURNED[0], Drop("/")])
    remove_name_keys(prefix, TURNED)
    reader = load_checkpoint(prefix)
    assert reader.keys() == objects.keys()
    for key, value in objects.items():
        np.testing.assert_array_equal(reader[key], value)
    add_name_keys(prefix, TURNED)


def test_twice_is_an_error(tf2):
    add_name_keys(tf2)
    with pytest.raises(LayoutError, match=r"dual-keyed already.*remove_name_keys"):
        add_name_keys(tf2)


def test_variables_of_one_name_go_by_their_paths(tmp_path):
    prefix = copied(golden("tf2_21/checkpoint_nested"), tmp_path)
    made = add_name_keys(prefix)
    assert "several are called 'Variable'" in made.notes[0]
    assert len({*made.added}) == len(made.added) > 2
    assert "Variable" not in made.added


def test_a_name_based_checkpoint_is_refused(tmp_path):
    prefix = write(tmp_path / "m", {"w": [1.0]})
    with pytest.raises(LayoutError, match="convert_tf1_to_tf2"):
        add_name_keys(prefix)
    with pytest.raises(LayoutError, match="its names are all that it has"):
        remove_name_keys(prefix)


def test_nothing_to_remove_is_an_error(tf2):
    with pytest.raises(LayoutError, match="no name keys"):
        remove_name_keys(tf2)


def test_a_named_tensor_without_an_object_is_not_lost(tf2):
    prefix = os.fspath(add_name_keys(tf2))
    entries = index_entries(prefix)
    del entries[b"vars/net.Sw/.ATTRIBUTES/VARIABLE_VALUE"]
    replace_index(prefix, entries, load_checkpoint(prefix).bundle.index.header)
    before = Path(prefix + ".index").read_bytes()
    with pytest.raises(LayoutError, match=r"'net/w'.*prune"):
        remove_name_keys(prefix)
    assert Path(prefix + ".index").read_bytes() == before


def test_a_named_tensor_that_only_equals_an_object_is_not_lost(tmp_path):
    zeros = np.zeros(3, np.float32)
    tf2 = convert_tf1_to_tf2(write(tmp_path / "a", {"w": zeros}), tmp_path / "tf2")
    named = write(tmp_path / "named", {"w/Momentum": zeros})
    both = merge([tf2, named], tmp_path / "both")
    with pytest.raises(LayoutError, match="'w/Momentum'"):
        remove_name_keys(both)


@pytest.mark.parametrize("name", [OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY, "\0w"])
def test_a_name_that_an_index_has_another_meaning_for_is_refused(tf2, name):
    before = index_entries(tf2)
    rules = [Rename("vars/net/w", name), Keep(pattern=".*")]
    with pytest.raises(PlanError, match="cannot be the name"):
        add_name_keys(tf2, rules)
    assert index_entries(tf2) == before


def test_what_gets_no_name_is_not_said_to_be_lost(tmp_path):
    source = write(tmp_path / "m", {"net/w": np.ones(2), "b": np.ones(1)})
    tf2 = convert_tf1_to_tf2(source, tmp_path / "tf2")
    made = add_name_keys(tf2, [Keep("vars/net/w"), Drop("vars/b", reason="not served")])
    assert made.dropped == ()
    assert made.notes == (
        "without a name, by the map: vars/b/.ATTRIBUTES/VARIABLE_VALUE (not served)",
    )
    assert "vars/b/.ATTRIBUTES/VARIABLE_VALUE" in load_checkpoint(tf2)


def _of_names(prefix):
    write(prefix, {"net/w": [1.0, 2.0], "net/b": [3]})


def _of_objects(prefix):
    convert_tf1_to_tf2(write(prefix + "-1", {"net/w": [1.0]}), prefix, data="copy")
    for path in Path(prefix).parent.glob("*-1.*"):
        path.unlink()


def _of_both(prefix):
    _of_objects(prefix)
    add_name_keys(prefix)


EDITS = {
    add_name_keys: _of_objects,
    remove_name_keys: _of_both,
    add_object_keys: _of_names,
}


@pytest.fixture(params=["linked", "copied"])
def transferred(request, monkeypatch):
    """How data files come to be called otherwise."""
    if request.param == "copied":
        monkeypatch.setattr(os, "link", _cannot_link)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize(
    ("umask", "modes"),
    [(0o022, (0o600, 0o600)), (0o077, (0o664, 0o640)), (0o000, (0o640, 0o600))],
)
@pytest.mark.usefixtures("transferred")
def test_permissions_of_edited_files_stay(edit, umask, modes, tmp_path):
    """An added data file gets those of the data file that is there."""
    prefix = str(tmp_path / "m")
    EDITS[edit](prefix)
    for path in tmp_path.iterdir():
        path.chmod(modes[path.suffix != ".index"])
    before = os.umask(umask)
    try:
        edit(prefix)
    finally:
        os.umask(before)
    found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert found.pop("m.index") == modes[0]
    assert set(found.values()) == {modes[1]}


def _cannot_link(*_):
    raise OSError(errno.EPERM, "links are not permitted")


def test_a_source_that_is_linked_keeps_its_permissions(tmp_path):
    source = write(tmp_path / "source", {"w": [1.0]})
    out = write(tmp_path / "out", {"w": [2.0]})
    shard = Path(source + ".data-00000-of-00001")
    shard.chmod(0o640)
    for path in tmp_path.glob("out.*"):
        path.chmod(0o600)
    merge([source], out, overwrite=True)
    assert shard.stat().st_mode & 0o777 == 0o640
    assert Path(out + ".index").stat().st_mode & 0o777 == 0o600
