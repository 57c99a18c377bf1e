import os

import pytest

from tests.conversion.checkpoints import files_in, golden, goldens, values, write
from tf_ckpt_migrate.checkpoint.reader import CheckpointFormat, load_checkpoint
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.conversion.convert import convert
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys, remove_name_keys
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.object_keys import add_object_keys
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.saved import saved_aside
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.errors import (
    LayoutError,
    OutputInUseError,
    PlanError,
    TransformError,
)
from tf_ckpt_migrate.names.rules import Drop, Rename
from tf_ckpt_migrate.transforms import Cast

END = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def tf1(tmp_path):
    (tmp_path / "tf1").mkdir()
    return write(tmp_path / "tf1" / "m", {"net/w": [1.0, 2.0], "net/b": [3]})


def test_objects_are_added_beside_the_names(tf1, tmp_path):
    other = convert_tf1_to_tf2(tf1, tmp_path / "other")
    before = values(tf1)
    result = add_object_keys(tf1)
    reader = load_checkpoint(tf1)
    assert reader.format is CheckpointFormat.DUAL_KEYED
    assert os.fspath(result) == str(tf1)
    assert result.keys == len(reader)
    assert set(result.added) == set(load_checkpoint(other))
    assert before.items() <= values(tf1).items()
    assert reader[f"vars/net.Sw{END}"].tolist() == [1.0, 2.0]
    assert verify_checkpoint(tf1).ok
    assert [name for name in files_in(tmp_path / "tf1") if name.startswith(".")] == []


def test_without_the_names_it_is_what_is_converted(tf1, tmp_path):
    other = convert_tf1_to_tf2(tf1, tmp_path / "other")
    add_object_keys(tf1)
    remove_name_keys(tf1)
    found, expected = load_checkpoint(tf1), load_checkpoint(other)
    assert found.object_graph.serialized == expected.object_graph.serialized
    assert set(found) == set(expected)
    assert add_name_keys(tf1).added == ("net/b", "net/w")


def test_like_another_through_a_map(tf1, tmp_path):
    rules = {"net/w": "layer/kernel", "net/b": "layer/bias"}
    like = convert_tf1_to_tf2(tf1, tmp_path / "like", assignment_map=rules)
    result = add_object_keys(tf1, rules, like=like)
    reader = load_checkpoint(tf1)
    assert f"vars/layer.Skernel{END}" in result.added
    assert reader[f"vars/layer.Sbias{END}"].tolist() == [3]
    assert reader["net/b"].tolist() == [3]


def test_names_without_an_object(tf1, tmp_path):
    like = convert_tf1_to_tf2(
        tf1, tmp_path / "like", assignment_map=[Drop("net/b")], unused="keep"
    )
    before = files_in(tmp_path / "tf1")
    with pytest.raises(PlanError, match="'net/b' int64"):
        add_object_keys(tf1, like=like)
    assert files_in(tmp_path / "tf1") == before
    result = add_object_keys(tf1, like=like, unused="keep")
    assert f"vars/net.Sb{END}" not in result.added
    assert load_checkpoint(tf1)["net/b"].tolist() == [3]


def test_values_stay_what_they_are(tf1):
    with pytest.raises(TransformError, match="the same bytes"):
        add_object_keys(
            tf1, [Rename("net/b", "net/b", transform=Cast("int32"))], unused="keep"
        )


def test_what_is_not_name_based(tf1, tmp_path, golden_v1):
    with pytest.raises(LayoutError, match="only a name-based checkpoint"):
        add_object_keys(convert_tf1_to_tf2(tf1, tmp_path / "tf2"))
    add_object_keys(tf1)
    with pytest.raises(LayoutError, match="dual-keyed; only a name-based"):
        add_object_keys(tf1)
    with pytest.raises(LayoutError, match="of format V2"):
        add_object_keys(golden_v1)


@pytest.fixture
def golden_v1():
    return golden("tf1_15/saver_v1")


def test_another_writer(tf1, tmp_path):
    before = files_in(tmp_path / "tf1")
    with saved_aside(str(tf1)), pytest.raises(OutputInUseError):
        add_object_keys(tf1)
    assert set(before) <= set(files_in(tmp_path / "tf1"))
    assert load_checkpoint(tf1).format is CheckpointFormat.NAME_BASED


def test_a_name_that_looks_like_a_key(tmp_path):
    name = f"a{END}"
    prefix = write(tmp_path / "m", {name: [1.0]})
    with pytest.raises(PlanError, match="would be taken for one"):
        add_object_keys(prefix)
    assert [*load_checkpoint(prefix)] == [name]


def _is_plain(reader):
    plain = reader.bundle is not None and reader.object_graph is None
    return plain and not any(map(is_object_key, reader))


@pytest.mark.parametrize("name", goldens(_is_plain))
def test_every_golden(name, tmp_path):
    source = golden(name)
    prefix = tmp_path / "m"
    convert(plan_migration(source), prefix)
    before = values(prefix)
    add_object_keys(prefix)
    assert load_checkpoint(prefix).format is CheckpointFormat.DUAL_KEYED
    assert verify_checkpoint(prefix).ok
    assert before.items() <= values(prefix).items()
