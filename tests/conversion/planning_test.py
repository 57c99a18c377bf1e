import os
import re

import numpy as np
import pytest

from tests.conversion.checkpoints import (
    golden,
    goldens,
    index_entries,
    values,
    write,
)
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.checkpoint.state import record_latest
from tf_ckpt_migrate.checkpoint.verify import verify_checkpoint
from tf_ckpt_migrate.conversion.convert import convert
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.conversion.planning import plan_migration
from tf_ckpt_migrate.conversion.tf1_to_tf2 import plan_tf1_to_tf2
from tf_ckpt_migrate.conversion.verify import verify_conversion
from tf_ckpt_migrate.errors import CheckpointNotFoundError, PlanError
from tf_ckpt_migrate.names.plan import MigrationPlan
from tf_ckpt_migrate.names.rules import Combine, Drop, Rename, RenameRegex
from tf_ckpt_migrate.naming.keys import SAVE_COUNTER_KEY
from tf_ckpt_migrate.transforms import Concat, Transpose

ALL = goldens(lambda _: True)
# Those that have more than a counter of saves.
OBJECT_BASED = goldens(
    lambda reader: (
        reader.object_graph is not None
        and sum(map(is_object_key, reader)) > (SAVE_COUNTER_KEY in reader)
    )
)


@pytest.fixture
def source(tmp_path):
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    return write(tmp_path / "m", {"a/w": kernel, "a/b": [1, 2], "step": 7})


@pytest.mark.parametrize("name", ALL)
def test_the_plan_that_changes_nothing_gives_the_same(name, tmp_path):
    reader = golden(name)
    result = convert(plan_migration(reader), tmp_path / "out", source=reader)
    assert values(result) == values(reader.prefix)


@pytest.mark.parametrize("name", ["tf1_15/saver_v2", "tf1_15/partitioned_adam"])
def test_a_plan_reversed_gives_back_keys_and_bytes(name, tmp_path):
    reader = golden(name)
    plan = plan_migration(reader, None, {"/": "new/"})
    there = convert(plan, tmp_path / "there")
    assert all(key.startswith("new/") for key in load_checkpoint(there))
    back = convert(plan.reversed(), tmp_path / "back", source=there)
    assert index_entries(back) == index_entries(reader.prefix)


def reversals(source, tmp_path):
    """Yield plans without a target, with one, and to objects, with what each wrote."""
    template = write(
        tmp_path / "template",
        {"b/w": np.zeros((2, 3), np.float32), "b/b": [0, 0], "step": 0},
    )
    for number, plan in enumerate(
        [
            plan_migration(source, None, {"a/": "b/", "step": "step"}),
            plan_migration(source, template, {"a/": "b/"}),
            plan_tf1_to_tf2(source),
        ]
    ):
        yield plan, convert(plan, tmp_path / f"there-{number}").prefix


def test_a_reversed_plan_never_guesses_its_source(source, tmp_path, monkeypatch):
    for plan, there in reversals(source, tmp_path):
        # A checkpoint that the plan fits lies in the current folder, and is the latest.
        record_latest(there)
        monkeypatch.chdir(tmp_path)
        back = plan.reversed()
        for each in (back, MigrationPlan.from_yaml(back.to_yaml()), back.reversed()):
            with pytest.raises(PlanError, match=r"pass the checkpoint.*source=CHECKP"):
                convert(each, tmp_path / "back")
            assert not os.path.exists(tmp_path / "back.index")
        made = convert(back, f"{there}-back", source=there)
        assert values(made) == values(source)
        proof = verify_conversion(made, there, MigrationPlan.from_yaml(back.to_yaml()))
        assert proof.ok, proof


def test_an_empty_path_is_not_the_current_folder(source, monkeypatch):
    record_latest(source)
    monkeypatch.chdir(os.path.dirname(source))
    assert load_checkpoint(".").prefix.endswith("m")
    for open_it in (load_checkpoint, plan_migration, verify_checkpoint):
        with pytest.raises(CheckpointNotFoundError, match=r"the path is empty"):
            open_it("")


def test_a_plan_to_tf2_reversed_gives_back_keys_and_bytes(source, tmp_path):
    plan = plan_tf1_to_tf2(source)
    there = convert(plan, tmp_path / "there")
    back = convert(plan.reversed(), tmp_path / "back", source=there)
    assert index_entries(back) == index_entries(source)


def test_a_plan_from_edited_yaml(source, tmp_path):
    text = plan_migration(source).to_yaml()
    text = text.replace("- a/w: a/w", "- a/w: net/kernel   # as in the new code")
    result = convert(MigrationPlan.from_yaml(text), tmp_path / "out")
    assert sorted(load_checkpoint(result)) == ["a/b", "net/kernel", "step"]


def test_a_plan_for_another_checkpoint_is_refused(source, tmp_path):
    plan = plan_migration(source)
    other = write(tmp_path / "other", {"a/w": [1.0]})
    with pytest.raises(PlanError, match=r"(?s)'a/w' is planned as float32\[2, 3\]"):
        convert(plan, tmp_path / "out", source=other)
    assert not list(tmp_path.glob("*out*"))


def test_transforms_compute_values(source, tmp_path):
    rules = [
        Rename("a/w", "w", transform=Transpose((1, 0))),
        Rename("a/b", "b"),
        Drop("step"),
    ]
    result = convert(plan_migration(source, None, rules), tmp_path / "out")
    reader = load_checkpoint(result)
    assert reader["w"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert result.computed == ("w",)
    reader.check("w")


def test_many_to_one(tmp_path):
    source = write(tmp_path / "m", {"q": np.ones([2, 1]), "k": np.zeros([2, 1])})
    rule = Combine(["q", "k"], "qk", Concat(1))
    result = convert(plan_migration(source, None, [rule]), tmp_path / "out")
    assert load_checkpoint(result)["qk"].tolist() == [[1, 0], [1, 0]]


def test_one_to_many_shares_the_bytes(source, tmp_path):
    rules = [("a/w", ["x", "y"]), Drop("a/b"), Drop("step")]
    reader = load_checkpoint(
        convert(plan_migration(source, None, rules), tmp_path / "out")
    )
    assert reader.places("x") == reader.places("y")


def test_a_target_checkpoint_decides_the_keys(source, tmp_path):
    target = write(
        tmp_path / "t", {"net/w": np.zeros([2, 3], np.float32), "net/b": [0, 0]}
    )
    plan = plan_migration(source, target, [("a/", "net/"), Drop("step")])
    result = convert(plan, tmp_path / "out")
    assert values(result)["net/w"] == values(source)["a/w"]


def test_a_kept_target_keeps_its_value(source, tmp_path):
    target = write(tmp_path / "t", {"a/b": [9, 9], "new": [5.0]})
    plan = plan_migration(source, target, unused="drop", missing="keep")
    reader = load_checkpoint(convert(plan, tmp_path / "out"))
    assert reader["new"].tolist() == [5.0]
    assert reader["a/b"].tolist() == [1, 2]


class TestBookkeeping:
    """What only serves TensorFlow itself stays out of the way, unless asked for."""

    COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"

    @pytest.fixture
    def tf2(self, source, tmp_path):
        return convert(plan_tf1_to_tf2(source), tmp_path / "tf2")

    def test_a_scope_leaves_it_in_place(self, tf2):
        plan = plan_migration(tf2, None, {"/": "x/"})
        targets = [move.target for move in plan.moves]
        assert self.COUNTER in targets
        assert plan.notes == ()

    @pytest.mark.parametrize("rule", [Drop(COUNTER), Drop(role="bookkeeping")])
    def test_it_goes_where_it_is_asked_for(self, tf2, rule):
        plan = plan_migration(tf2, None, [rule, ("/", "/")])
        assert [each.key for each in plan.dropped] == [self.COUNTER]

    def test_the_targets_own_is_kept(self, tf2):
        plan = plan_migration(tf2, tf2)
        assert [each.key for each in plan.dropped] == [self.COUNTER]
        assert [each.name for each in plan.kept_targets] == [self.COUNTER]


class TestRenamedObjects:
    """Renaming object-based keys renames the objects in the graph too."""

    def test_edges_follow_a_scope(self, tmp_path, tf):
        module = tf.Module()
        module.encoder = tf.Module()
        module.encoder.w = tf.Variable([1.0, 2.0])
        module.head = tf.Variable(3.0)
        prefix = tf.train.Checkpoint(model=module).save(str(tmp_path / "m"))
        rules = {"model/encoder/": "model/bert/layer/", "model/": "model/"}
        result = convert(plan_migration(prefix, None, rules), tmp_path / "out")
        other = tf.Module()
        other.bert = tf.Module()
        other.bert.layer = tf.Module()
        other.bert.layer.w = tf.Variable([0.0, 0.0])
        other.head = tf.Variable(0.0)
        checkpoint = tf.train.Checkpoint(model=other)
        checkpoint.restore(os.fspath(result)).assert_consumed()
        assert other.bert.layer.w.numpy().tolist() == [1.0, 2.0]
        assert other.head.numpy() == 3.0

    def test_one_variable_moves_into_another_object(self, tmp_path, tf):
        module = tf.Module()
        module.a, module.b = tf.Module(), tf.Module()
        module.a.x, module.a.y = tf.Variable(1.0), tf.Variable(2.0)
        module.b.z = tf.Variable(3.0)
        prefix = tf.train.Checkpoint(m=module).save(str(tmp_path / "m"))
        value = ".ATTRIBUTES/VARIABLE_VALUE"
        rules = {f"m/a/x/{value}": f"m/b/x/{value}", "m/": "m/"}
        result = convert(plan_migration(prefix, None, rules), tmp_path / "out")
        other = tf.Module()
        other.a, other.b = tf.Module(), tf.Module()
        other.b.x, other.a.y = tf.Variable(0.0), tf.Variable(0.0)
        other.b.z = tf.Variable(0.0)
        tf.train.Checkpoint(m=other).restore(os.fspath(result)).assert_consumed()
        assert [other.b.x.numpy(), other.a.y.numpy(), other.b.z.numpy()] == [1, 2, 3]

    def test_two_objects_swap(self, tmp_path, tf):
        prefix = tf.train.Checkpoint(
            a=tf.train.Checkpoint(v=tf.Variable(1.0)),
            b=tf.train.Checkpoint(v=tf.Variable(2.0)),
        ).save(str(tmp_path / "m"))
        result = convert(
            plan_migration(prefix, None, {"a/": "b/", "b/": "a/"}), tmp_path / "out"
        )
        a, b = tf.Variable(0.0), tf.Variable(0.0)
        tf.train.Checkpoint(
            a=tf.train.Checkpoint(v=a), b=tf.train.Checkpoint(v=b)
        ).restore(os.fspath(result)).assert_consumed()
        assert (a.numpy(), b.numpy()) == (2.0, 1.0)

    def test_a_scope_moves_to_the_root_and_below_a_new_one(self, tmp_path, tf):
        prefix = tf.train.Checkpoint(
            model=tf.train.Checkpoint(v=tf.Variable(1.0))
        ).save(str(tmp_path / "m"))
        up = convert(plan_migration(prefix, None, {"model/": "/"}), tmp_path / "up")
        v = tf.Variable(0.0)
        tf.train.Checkpoint(v=v).restore(os.fspath(up)).assert_consumed()
        assert v.numpy() == 1.0
        down = convert(plan_migration(up, None, {"v/": "x/y/v/"}), tmp_path / "down")
        v = tf.Variable(0.0)
        inner = tf.train.Checkpoint(y=tf.train.Checkpoint(v=v))
        tf.train.Checkpoint(x=inner).restore(os.fspath(down)).assert_consumed()
        assert v.numpy() == 1.0

    def test_a_copy_gets_an_object_of_its_own(self, tmp_path, tf):
        prefix = tf.train.Checkpoint(v=tf.Variable(4.0)).save(str(tmp_path / "m"))
        key = "{}/.ATTRIBUTES/VARIABLE_VALUE".format
        rules = [(key("v"), [key("v"), key("w")])]
        result = convert(plan_migration(prefix, None, rules), tmp_path / "out")
        v, w = tf.Variable(0.0), tf.Variable(0.0)
        tf.train.Checkpoint(v=v, w=w).restore(os.fspath(result)).assert_consumed()
        assert (v.numpy(), w.numpy()) == (4.0, 4.0)

    def test_slots_follow_their_variable(self, tmp_path, tf):
        reader = golden("tf2_21/tf_keras_legacy_adam")
        first = next(key for key in reader if "OPTIMIZER_SLOT" in key).split("/")[0]
        plan = plan_migration(reader, None, {f"{first}/": "renamed/"}, unused="keep")
        result = load_checkpoint(convert(plan, tmp_path / "out"))
        before, after = reader.object_graph, result.object_graph
        assert len(list(after.slots())) == len(list(before.slots())) > 0
        keys = {each.checkpoint_key for each in after.attributes}
        assert keys == set(result) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}

    def test_a_lookup_table_is_renamed_as_a_whole(self, tmp_path):
        reader = golden("tf2_21/checkpoint_tables")
        tables = [key for key in reader if key.endswith("-keys")]
        scope = tables[0].split("/")[0]
        plan = plan_migration(reader, None, {f"{scope}/": "new/"}, unused="keep")
        result = load_checkpoint(convert(plan, tmp_path / "out"))
        tensors = result.object_graph.tensors(result)
        assert all(tensors.values())
        assert any(key.startswith("new/") for key in tensors)


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_renaming_every_child_of_the_root_and_back_gives_the_same_graph(name, tmp_path):
    reader = golden(name)
    tops = {key.split("/")[0] for key in reader if is_object_key(key)}
    tops -= {"save_counter", ".ATTRIBUTES"}
    rules = [
        RenameRegex(re.escape(top) + "(/.*)", rf"renamed_{at}\1")
        for at, top in enumerate(sorted(tops))
    ]
    plan = plan_migration(reader, None, rules, unused="keep")
    there = convert(plan, tmp_path / "there", source=reader)
    assert verify_checkpoint(there).ok
    back = load_checkpoint(convert(plan.reversed(), tmp_path / "back", source=there))
    assert back.object_graph.paths() == reader.object_graph.paths()
    assert back.object_graph.attributes == reader.object_graph.attributes
