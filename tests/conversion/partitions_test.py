"""Partitioned variables in other slices: keys, values, and what is written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden, index_entries, values
from tests.conversion.checkpoints import write as write_whole
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.slices import TensorSlice
from tf_ckpt_migrate.conversion.contents import Partitioned, Stored
from tf_ckpt_migrate.conversion.output import write_output
from tf_ckpt_migrate.errors import (
    ChecksumError,
    CorruptCheckpointError,
    PlanError,
    RuleError,
    TransformError,
)
from tf_ckpt_migrate.transforms import Chain, Partition, Transpose, spec_of

ADAM = "tf1_15/partitioned_adam"


def recipe(name, **options):
    return tcm.Recipe("partition", name, name, **options)


def converted(source, prefix, *rules, **options):
    plan = tcm.plan_migration(source, None, rules, unused="keep")
    return tcm.convert(plan, prefix, source=source, **options)


def slices(prefix, key):
    places = tcm.load_checkpoint(prefix).places(key)
    return [str(place.piece) for place in places if place.piece is not None]


class TestGoldens:
    """What TensorFlow wrote is what comes of the whole tensors."""

    @pytest.mark.parametrize(
        ("name", "key", "layout"),
        [
            ("axis_0", "emb", {"parts": 3, "axis": 0}),
            ("axis_1", "emb", {"parts": 2, "axis": 1}),
            ("vector", "emb", {"parts": 4}),
            ("resource", "emb", {"parts": 2}),
            ("single", "emb", {"parts": 1}),
            ("adam", "deep/emb", {"parts": 3}),
        ],
    )
    @pytest.mark.parametrize("writer", ["tf1_15", "tf2_15"])
    def test_index_and_data(self, tmp_path, writer, name, key, layout):
        source = golden(f"{writer}/partitioned_{name}")
        whole = write_whole(tmp_path / "whole", dict(source.items()))
        made = converted(whole, tmp_path / "m", recipe(key, **layout))
        assert {*index_entries(made)} == {*index_entries(source.prefix)}
        assert values(made) == values(source.prefix)
        packed = tcm.compact(made, tmp_path / "p")
        for suffix in (".index", ".data-00000-of-00001"):
            ours = Path(f"{os.fspath(packed)}{suffix}").read_bytes()
            assert ours == Path(f"{source.prefix}{suffix}").read_bytes()

    @pytest.mark.parametrize("name", ["axis_0", "axis_1", "sharded"])
    @pytest.mark.parametrize(("parts", "axis"), [(1, 0), (2, 0), (3, 0), (2, 1)])
    def test_v1(self, tmp_path, name, parts, axis):
        source = golden(f"tf1_15/sliced_v1_{name}")
        key = next(k for k in source if len(source.places(k)) > 1)
        made = converted(source, tmp_path / "m", recipe(key, parts=parts, axis=axis))
        assert values(made) == values(source.prefix)
        assert len(slices(made, key)) == (0 if parts == 1 else parts)


@st.composite
def layouts(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3)))
    partitions = []
    for _ in range(2):
        axis = draw(st.integers(0, 2))
        cuts = draw(st.sets(st.integers(1, max(1, shape[axis] - 1))))
        ends = [0, *sorted(cut for cut in cuts if cut < shape[axis]), shape[axis]]
        sizes = np.diff(ends).tolist()
        partitions.append(Partition(axis, sizes=tuple(sizes)))
    return shape, *partitions


@given(layouts(), st.sampled_from([None, 1, 3]))
def test_any_layout_becomes_any_other_and_comes_back(tmp_path_factory, made, shards):
    shape, first, second = made
    folder = tmp_path_factory.mktemp("layouts")
    value = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    whole = write_whole(folder / "whole", {"e": value})
    before = converted(whole, folder / "a", tcm.Rename("e", "e", first))
    plan = tcm.plan_migration(before, None, [tcm.Rename("e", "f", second)])
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()) == plan
    after = tcm.convert(plan, folder / "b", shards=shards)
    expected = [str(piece) for piece in second.slices(spec_of(value))]
    assert slices(after, "f") == expected
    reader = tcm.load_checkpoint(after)
    reader.check("f")
    assert reader["f"].tolist() == value.tolist()
    back = tcm.convert(plan.reversed(), folder / "c", source=after)
    assert {*index_entries(back)} == {*index_entries(before)}
    assert values(back) == values(before)


class TestWhatIsWritten:
    def test_runs_of_bytes_stay_where_they_are(self, tmp_path):
        made = converted(golden(ADAM), tmp_path / "m", recipe("deep/emb", parts=2))
        assert made.computed == ()
        assert [shard.transfer.value for shard in made.shards] == ["linked"]
        assert slices(made, "deep/emb/Adam_1") == ["0,4:0,2", "4,3:0,2"]

    def test_same_slices_are_no_change(self):
        rules = [recipe("deep/emb", parts=3)]
        plan = tcm.plan_migration(golden(ADAM), None, rules, unused="keep")
        assert all(move.is_kept for move in plan.moves)

    def test_slices_with_the_same_ends_are_kept(self, tmp_path):
        source = golden("tf1_15/partitioned_sharded")  # rows 0-2, 3-4, 5-6
        how = Partition(0, sizes=(3, 4))
        made = converted(source, tmp_path / "m", tcm.Rename("deep/emb", "e", how))
        assert made.computed == ("e",)
        first, second = tcm.load_checkpoint(made).places("e")
        old = source.places("deep/emb")[0]
        assert Path(first.file).samefile(old.file)
        assert (first.offset, first.size) == (old.offset, old.size)
        assert second.size == Path(second.file).stat().st_size == 32

    def test_columns_are_written(self, tmp_path):
        made = converted(
            golden(ADAM), tmp_path / "m", recipe("deep/emb", parts=2, axis=1)
        )
        assert made.computed == ("deep/emb", "deep/emb/Adam", "deep/emb/Adam_1")

    def test_a_value_that_is_computed_too(self, tmp_path):
        source = golden(ADAM)
        how = Chain((Transpose((1, 0)), Partition(1, parts=2)))
        rule = tcm.Rename("deep/emb", "e", how)
        plan = tcm.plan_migration(source, None, [rule], unused="keep")
        made = tcm.convert(plan, tmp_path / "m")
        back = tcm.convert(plan.reversed(), tmp_path / "back", source=made)
        assert values(back) == values(source.prefix)
        assert slices(made, "e") == ["0,2:0,4", "0,2:4,3"]
        found = tcm.load_checkpoint(made)["e"]
        np.testing.assert_array_equal(found, source["deep/emb"].T)

    @pytest.mark.parametrize("parts", [1, 2])
    def test_damage_does_not_go_on(self, copied, tmp_path, parts):
        prefix = str(copied("tf1_15/partitioned_sharded") / "model.ckpt")
        file = Path(tcm.load_checkpoint(prefix).places("deep/emb/Adam")[1].file)
        file.write_bytes(file.read_bytes()[:20] + b"\xff" + file.read_bytes()[21:])
        with pytest.raises(ChecksumError, match="deep/emb/Adam"):
            converted(prefix, tmp_path / "out" / "m", recipe("deep/emb", parts=parts))
        assert not (tmp_path / "out").exists() or not [*(tmp_path / "out").iterdir()]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_slice_of_another_shape(tmp_path, parts):
    made = write_whole(tmp_path / "p", {"p": np.zeros([2, 2], np.float32)})
    bundle = tcm.load_checkpoint(made).bundle
    slices = [TensorSlice((0, 0), (2, 2)), TensorSlice((2, 0), (4, 2))]
    half = Stored(bundle, bundle.index["p"])
    whole = Partitioned(TensorSpec(DType.float32, (6, 2)), dict.fromkeys(slices, half))
    write_output(str(tmp_path / "m"), {"e": whole})
    with pytest.raises(CorruptCheckpointError, match=r"2,4:0,2 of float32\[6, 2\]"):
        converted(tmp_path / "m", tmp_path / "n", recipe("e", parts=parts))


@pytest.mark.parametrize("shards", [None, 2])
def test_strings(tmp_path, shards):
    value = np.array([[b"a", b"bc"], [b"", b"d" * 300], [b"e", b"f"]], object)
    made = write_whole(tmp_path / "whole", {"s": value})
    for number, how in enumerate(
        [Partition(parts=2), Partition(1, 2), Partition(0, 1)]
    ):
        rule = tcm.Rename("s", "s", how)
        made = converted(made, tmp_path / f"{number}", rule, shards=shards)
        reader = tcm.load_checkpoint(made)
        reader.check("s")
        assert reader["s"].tolist() == value.tolist()
        assert len(reader.places("s")) == (2, 2, 1)[number]


class TestRecipe:
    def test_everything_of_a_scope_becomes_whole(self, tmp_path):
        source = golden("tf1_15/partitioned_sharded")
        made = converted(source, tmp_path / "m", recipe("/", parts=1))
        assert not any(slices(made, key) for key in source)
        assert values(made) == values(source.prefix)

    def test_it_renames_too(self):
        rule = tcm.Recipe("partition", "deep/", "wide/", parts=2)
        plan = tcm.plan_migration(golden(ADAM), None, [rule], unused="keep")
        moved = {move.sources[0]: move.target for move in plan.moves}
        assert moved["deep/emb/Adam_1"] == "wide/emb/Adam_1"
        assert "3 partitioned" in plan.summary

    def test_objects(self, tmp_path):
        made = tcm.convert_tf1_to_tf2(
            golden(ADAM),
            tmp_path / "m",
            assignment_map=[recipe("deep/emb", parts=2)],
            unused="keep",
        )
        key = "vars/deep.Semb.SAdam/.ATTRIBUTES/VARIABLE_VALUE"
        assert slices(made, key) == ["0,4:0,2", "4,3:0,2"]
        again = tcm.convert(
            tcm.plan_migration(
                made,
                None,
                [recipe("vars/deep.Semb/.ATTRIBUTES/VARIABLE_VALUE", parts=3)],
                unused="keep",
            ),
            tmp_path / "n",
        )
        assert len(slices(again, key)) == 3

    @pytest.mark.parametrize(
        ("rule", "error", "text"),
        [
            (recipe("emb", parts=2), PlanError, "no variable 'emb'.*'deep/emb'"),
            (recipe("deep/", parts=2, axis=5), PlanError, "'deep/' has an axis 5"),
            (recipe("deep/emb", parts=2, axis=5), PlanError, "has no axis 5"),
            (recipe("deep/emb", parts=0), TransformError, "parts=0 must be from 1"),
            (recipe("deep/emb"), RuleError, "'parts'"),
            (
                tcm.Recipe("partition", "deep/emb", "wide/", parts=2),
                RuleError,
                "'wide/' a scope",
            ),
        ],
    )
    def test_what_is_refused(self, rule, error, text):
        with pytest.raises(error, match=text):
            tcm.plan_migration(golden(ADAM), None, [rule], unused="keep")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "a number of parts, or the sizes"),
        ({"parts": 2, "sizes": (1, 1)}, "a number of parts, or the sizes"),
        ({"sizes": (0, 3)}, "have an index at least"),
        ({"axis": -1, "parts": 2}, "count from 0"),
        ({"parts": 2, "was": 3}, "was=3 is no partition"),
        ({"parts": 10**9}, "from 1 to 100,000"),
        ({"parts": "x"}, "must be integers"),
    ],
)
def test_a_partition_that_is_none(arguments, text):
    with pytest.raises(TransformError, match=text):
        Partition(**arguments)


MEMORY = """
import sys, tf_ckpt_migrate as tcm, numpy, google.protobuf
from tf_ckpt_migrate.conversion import convert, partitions

def peak():  # not ru_maxrss, into which the parent's peak counts
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])

rule = tcm.Recipe("partition", "emb", "emb", parts=int(sys.argv[3]))
plan = tcm.plan_migration(sys.argv[1], None, [rule])
before = peak()
result = tcm.convert(plan, sys.argv[2])
assert result.computed == ("emb",)
print((peak() - before) << 10)
"""
PARTS = 8
ROWS = PARTS * 25 * 2**10  # of 1 KiB


def embedding(folder) -> str:
    """Write 200 MiB in 8 slices, each in a shard of its own, as a cluster does."""
    rows = np.arange(ROWS, dtype=np.int64)
    sources = []
    for number, part in enumerate(np.split(rows, PARTS)):
        block = np.repeat(part[:, None], 128, axis=1)
        sources.append(write_whole(folder / f"part{number}", {"p": block}))
    readers = [tcm.load_checkpoint(each) for each in sources]
    size = ROWS // PARTS
    parts = {
        TensorSlice((at * size, 0), (size, 128)): Stored(
            reader.bundle, reader.bundle.index["p"]
        )
        for at, reader in enumerate(readers)
    }
    whole = Partitioned(TensorSpec(DType.int64, (ROWS, 128)), parts)
    write_output(str(folder / "emb"), {"emb": whole})
    return str(folder / "emb")


def test_memory_is_bounded_by_a_part(tmp_path):
    source = embedding(tmp_path)
    assert len(slices(source, "emb")) == PARTS
    for parts in (5, 1):
        target = str(tmp_path / f"to{parts}" / "m")
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, source, target, str(parts)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Threads sum up the ends of one part of 25 MiB at once, so all of it is there.
        assert int(done.stdout) < 30 << 20, done.stdout
        reader = tcm.load_checkpoint(target)
        assert len(reader.places("emb")) == parts
        found = reader.get_tensor("emb", (slice(None), 7))
        np.testing.assert_array_equal(found, np.arange(ROWS))
