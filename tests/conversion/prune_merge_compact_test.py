import os
from pathlib import Path

import numpy as np
import pytest

from tests.conversion.checkpoints import files_in, golden, goldens, values, write
from tf_ckpt_migrate.bundle.shards import Transfer
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.merge import compact, merge
from tf_ckpt_migrate.conversion.prune import prune
from tf_ckpt_migrate.conversion.tf1_to_tf2 import convert_tf1_to_tf2
from tf_ckpt_migrate.errors import LayoutError, PlanError, TruncatedFileError
from tf_ckpt_migrate.naming.slots import role_of

ALL = goldens(lambda _: True)


@pytest.fixture
def trained(tmp_path):
    tensors = {"w": [1.0, 2.0], "w/Adam": [3.0, 3.0], "w/Adam_1": [4.0, 4.0]}
    tensors |= {"beta1_power": 0.9, "w/ExponentialMovingAverage": [5.0, 5.0]}
    return write(tmp_path / "model.ckpt", tensors | {"global_step": 7})


class TestPrune:
    def test_slots_and_optimizer_go_by_default(self, trained):
        result = prune(trained, trained + "-small")
        assert list(load_checkpoint(result)) == [
            "global_step",
            "w",
            "w/ExponentialMovingAverage",
        ]
        assert {each.reason for each in result.dropped} == {"slot", "optimizer"}

    def test_roles_and_patterns_are_chosen(self, trained):
        result = prune(trained, trained + "-s", roles=["average"], patterns=[".*_step"])
        assert [each.key for each in result.dropped] == [
            "global_step",
            "w/ExponentialMovingAverage",
        ]

    def test_compacting_frees_the_bytes(self, trained):
        linked = prune(trained, trained + "-linked")
        small = prune(trained, trained + "-small", compact=True)
        assert values(linked) == values(small)
        assert sum(s.size for s in small.shards) < sum(s.size for s in linked.shards)

    def test_a_pattern_that_fits_nothing_is_an_error(self, trained):
        with pytest.raises(PlanError, match=r"'w/adam' fits no key.*'w/Adam'"):
            prune(trained, trained + "-s", patterns=["w/adam"])

    def test_nothing_to_drop_gives_the_same(self, tmp_path):
        prefix = write(tmp_path / "m", {"w": [1.0]})
        result = prune(prefix, prefix + "-s")
        assert values(result) == values(prefix)
        assert result.notes == ("nothing to drop: no key is slot or optimizer",)

    @pytest.mark.parametrize("name", ALL)
    def test_twice_is_as_once(self, name, tmp_path):
        once = prune(golden(name), tmp_path / "once")
        twice = prune(once, tmp_path / "twice")
        assert values(twice) == values(once)
        assert not twice.dropped
        assert not any("matched no key" in note for note in once.notes)

    def test_roles_that_were_asked_for_and_fit_nothing_are_noted(self, trained):
        result = prune(trained, trained + "-s", roles=["step", "bookkeeping"])
        (note,) = result.notes
        assert "'bookkeeping'" in note
        assert "matched no key" in note

    def test_a_pattern_may_take_all_of_a_role(self, trained):
        result = prune(trained, trained + "-s", patterns=["beta1_power"])
        assert list(load_checkpoint(result)) == [
            "global_step",
            "w",
            "w/ExponentialMovingAverage",
        ]
        assert dict(result.dropped)["beta1_power"] == "fits beta1_power"

    def test_an_optimizer_and_its_steps_are_both_asked_for(self, tmp_path):
        reader = golden("tf2_21/keras_optimizer_adam")
        roles = ["optimizer", "step"]
        result = load_checkpoint(prune(reader, tmp_path / "out", roles=roles))
        assert {role_of(key, result.specs) for key in result} == {
            *("weight", "slot", "bookkeeping")
        }

    @pytest.mark.parametrize(
        "name",
        [
            *("tf_keras_legacy_adam", "tf_keras_legacy_sgd", "keras_optimizer_adam"),
            "keras_optimizer_sgd",
        ],
    )
    def test_nothing_of_an_optimizer_is_left(self, name, tmp_path):
        reader = load_checkpoint(prune(golden(f"tf2_21/{name}"), tmp_path / "out"))
        roles = {role_of(key, reader.specs) for key in reader}
        assert roles == {"weight", "bookkeeping"}

    def test_the_object_graph_forgets_the_slots(self, tmp_path):
        reader = golden("tf2_21/tf_keras_legacy_adam")
        result = load_checkpoint(prune(reader, tmp_path / "out"))
        keys = {each.checkpoint_key for each in result.object_graph.attributes}
        assert keys == set(result) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        assert not list(result.object_graph.slots())

    def test_tensorflow_restores_the_rest(self, trained, tf):
        tf2 = prune(convert_tf1_to_tf2(trained, trained + "-2"), trained + "-3")
        kept = {
            name: tf.Variable(np.zeros_like(load_checkpoint(trained)[name]))
            for name in ("w", "global_step", "w/ExponentialMovingAverage")
        }
        status = tf.train.Checkpoint(vars=kept).restore(os.fspath(tf2))
        status.assert_consumed()
        assert kept["w"].numpy().tolist() == [1.0, 2.0]


class TestMerge:
    def test_disjoint(self, tmp_path):
        a = write(tmp_path / "a", {"x": [1.0]})
        b = write(tmp_path / "b", {"y": [2, 3]})
        result = merge([a, b], tmp_path / "out")
        assert values(result) == {**values(a), **values(b)}
        assert [each.transfer for each in result.shards] == [Transfer.LINKED] * 2

    def test_what_was_one_tensor_and_is_two_is_told(self, tmp_path):
        old = write(tmp_path / "old", {"x": [1.0], "y": [2.0]})
        dual = add_name_keys(convert_tf1_to_tf2(old, tmp_path / "dual"))
        new = write(tmp_path / "new", {"x": [9.0]})
        result = merge([dual, new], tmp_path / "out", precedence="last")
        (note,) = result.notes
        assert "'x' and 'vars/x/.ATTRIBUTES/VARIABLE_VALUE' are the same" in note

    def test_the_same_key_twice_is_an_error_by_default(self, tmp_path):
        a = write(tmp_path / "a", {"x": [1.0]})
        b = write(tmp_path / "b", {"x": [2.0]})
        before = files_in(tmp_path)
        with pytest.raises(
            PlanError, match=r"(?s)'x' is in .*/a' and .*/b'.*precedence"
        ):
            merge([a, b], tmp_path / "out")
        assert files_in(tmp_path) == before

    @pytest.mark.parametrize(
        ("precedence", "expected"), [("first", 1.0), ("last", 2.0)]
    )
    def test_precedence(self, tmp_path, precedence, expected):
        a = write(tmp_path / "a", {"x": [1.0], "only": [5]})
        b = write(tmp_path / "b", {"x": [2.0]})
        result = merge([a, b], tmp_path / "out", precedence=precedence)
        assert load_checkpoint(result)["x"].tolist() == [expected]
        assert [each.key for each in result.dropped] == ["x"]

    def test_object_graphs_are_joined(self, tmp_path, tf):
        a = convert_tf1_to_tf2(write(tmp_path / "a", {"x": [1.0]}), tmp_path / "a2")
        b = convert_tf1_to_tf2(write(tmp_path / "b", {"y": [2.0]}), tmp_path / "b2")
        result = merge([a, b], tmp_path / "out")
        kept = {name: tf.Variable([0.0], dtype=tf.float64) for name in "xy"}
        status = tf.train.Checkpoint(vars=kept).restore(os.fspath(result))
        status.assert_consumed()
        assert [kept[name].numpy()[0] for name in "xy"] == [1.0, 2.0]

    def test_joined_graphs_hold_the_keys_of_both(self, tmp_path):
        a, b = golden("tf2_21/checkpoint_vars"), golden("tf2_21/tf_keras_legacy_adam")
        reader = load_checkpoint(merge([a, b], tmp_path / "out"))
        keys = [each.checkpoint_key for each in reader.object_graph.attributes]
        assert len(keys) == len(set(keys))
        assert set(keys) == set(reader) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}

    def test_graphs_that_do_not_fit_are_refused(self):
        from tf_ckpt_migrate.bundle.object_graph import ObjectGraph
        from tf_ckpt_migrate.conversion.graph_build import joined_graphs

        def graph(edges):
            message = ObjectGraph(b"", "test").message
            for children in edges:
                node = message.nodes.add()
                for name, child in children.items():
                    node.children.add(local_name=name, node_id=child)
            return ObjectGraph(message.SerializeToString(), "test")

        one, two = graph([{"a": 1, "b": 1}, {}]), graph([{"a": 1, "b": 2}, {}, {}])
        with pytest.raises(LayoutError, match="'b' is one object in the first"):
            joined_graphs([two, one])


class TestCompact:
    @pytest.mark.parametrize("name", ALL)
    @pytest.mark.parametrize("shards", [1, 3])
    def test_every_golden_keeps_its_values(self, name, shards, tmp_path):
        reader = golden(name)
        result = compact(reader, tmp_path / "out", shards=shards)
        assert len(result.shards) == shards
        assert values(result) == values(reader.prefix)
        compacted = load_checkpoint(result)
        for key in compacted:
            compacted.check(key)

    def test_shared_bytes_are_copied_once(self, trained, tmp_path):
        tf2 = convert_tf1_to_tf2(trained, trained + "-2")
        reader = load_checkpoint(add_name_keys(tf2))
        compact(reader, tmp_path / "out")
        shard = tmp_path / "out.data-00000-of-00001"
        places = {p for key in reader for p in reader.places(key)}
        graph = sum(p.size for p in reader.places("_CHECKPOINTABLE_OBJECT_GRAPH"))
        expected = sum(place.size for place in places)
        assert expected - graph <= shard.stat().st_size <= expected + graph

    def test_shards_are_of_like_sizes(self, tmp_path):
        tensors = {f"v{i}": np.zeros(1000, np.float32) for i in range(20)}
        result = compact(write(tmp_path / "m", tensors), tmp_path / "out", shards=4)
        assert [each.size for each in result.shards] == [20_000] * 4

    def test_impossible_number_of_shards(self, tmp_path):
        prefix = write(tmp_path / "m", {"w": [1.0]})
        with pytest.raises(ValueError, match="shards=0; expected a number from 1"):
            compact(prefix, tmp_path / "out", shards=0)
        assert not list(tmp_path.glob("*out*"))

    def test_a_cut_off_shard_is_told(self, tmp_path):
        prefix = write(tmp_path / "m", {"w": [1.0, 2.0]})
        shard = Path(prefix + ".data-00000-of-00001")
        shard.write_bytes(shard.read_bytes()[:-1])
        with pytest.raises(TruncatedFileError, match="copy the file again"):
            compact(prefix, tmp_path / "out")
        assert not list(tmp_path.glob("*out*"))
