"""Checkpoints written to far systems: the same as here, and whole or not there."""

from __future__ import annotations

import gc
from contextlib import suppress

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.storage.copies import placed
from tests.storage.counting import WRITING, counted_system
from tf_ckpt_migrate.bundle.commit import existing_files
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.bundle.text_file import read_text, write_text
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.errors import (
    CheckpointError,
    CheckpointReplacedError,
    FarFileError,
    OutputExistsError,
    TransformError,
)
from tf_ckpt_migrate.storage.access import copy_file, exists, names_in
from tf_ckpt_migrate.storage.paths import join

SPEC = TensorSpec(DType.float32, (2,))


def written(prefix: str, *values: float, overwrite: bool = False) -> str:
    """Write a checkpoint of one shard for each value."""
    entries: dict[bytes, bytes] = {}
    with BundleWriter(prefix, overwrite=overwrite) as writer:
        for at, value in enumerate(values):
            number = writer.new_shard()
            array = np.full(2, value, np.float32)
            entries[f"w{at}".encode()] = writer.append(number, array, SPEC)
        writer.commit(entries)
    return prefix


def values_of(prefix: str) -> dict[str, list[float]]:
    reader = tcm.load_checkpoint(prefix)
    return {key: reader[key].tolist() for key in reader}


def nothing_else_in(folder: str, prefix: str) -> bool:
    there = {join(folder, name) for name in names_in(folder)}
    return there == {*existing_files(prefix)}


def test_a_checkpoint_is_written_as_here(folder):
    prefix = written(f"{folder}/run/m", 1.0, 2.0, 3.0)
    assert values_of(prefix) == {"w0": [1, 1], "w1": [2, 2], "w2": [3, 3]}
    assert sorted(names_in(f"{folder}/run")) == [
        "m.data-00000-of-00003",
        "m.data-00001-of-00003",
        "m.data-00002-of-00003",
        "m.index",
    ]
    assert tcm.verify_checkpoint(prefix).ok
    with pytest.raises(OutputExistsError, match="exists already"):
        written(prefix, 4.0)
    written(prefix, 5.0, overwrite=True)
    assert values_of(prefix) == {"w0": [5, 5]}
    assert nothing_else_in(f"{folder}/run", prefix)


def test_what_was_not_committed_leaves_no_trace(folder):
    with BundleWriter(f"{folder}/m") as writer:
        writer.append(writer.new_shard(), np.ones(2, np.float32), SPEC)
        with pytest.raises(TransformError):
            writer.append(writer.new_shard(), np.ones(3, np.float32), SPEC)
    gc.collect()  # what is forgotten is not sent either
    assert not names_in(folder)


def test_what_another_has_written_meanwhile_is_not_replaced(folder):
    prefix, other = f"{folder}/m", written(f"{folder}/other/m", 1.0)
    with BundleWriter(prefix) as writer:
        for path in existing_files(other):  # by a program that knows no lock
            copy_file(path, path.replace(other, prefix))
        writer.append(writer.new_shard(), np.ones(2, np.float32), SPEC)
        with pytest.raises(OutputExistsError, match="exists already"):
            writer.commit({})
    assert values_of(prefix) == {"w0": [1, 1]}
    assert {*names_in(folder)} == {"m.data-00000-of-00001", "m.index", "other"}


@pytest.mark.parametrize("way", ["here to there", "there to there", "there to here"])
def test_a_conversion_gives_what_it_gives_here(way, goldens, far, tmp_path):
    golden = goldens / "tf1_15" / "saver_v2"
    start, end = way.split(" to ")
    source = str(golden) if start == "here" else placed(golden, f"{far}/from")
    to = str(tmp_path / "to") if end == "here" else f"{far}/to"
    rules = [tcm.RenameScope("net", "encoder"), tcm.Keep("/")]
    here = tcm.plan_migration(golden / "model.ckpt", None, rules)
    expected = tcm.convert(here, tmp_path / "expected" / "m")
    plan = tcm.plan_migration(f"{source}/model.ckpt", None, rules)
    result = tcm.convert(plan, f"{to}/m")
    assert result.keys == expected.keys
    assert tcm.diff_checkpoints(expected, result).equal
    assert nothing_else_in(to, f"{to}/m")


def test_every_conversion_works_there(goldens, quick_far):
    source = placed(goldens / "tf1_15" / "saver_v2", f"{quick_far}/tf1") + "/model.ckpt"
    as_tf2 = tcm.convert_tf1_to_tf2(source, f"{quick_far}/tf2/m")
    back = tcm.convert_tf2_to_tf1(as_tf2, f"{quick_far}/back/m")
    assert tcm.diff_checkpoints(source, back).equal
    tcm.add_name_keys(f"{quick_far}/tf2/m")
    assert tcm.load_checkpoint(f"{quick_far}/tf2/m").format.value == "dual-keyed"
    tcm.remove_name_keys(f"{quick_far}/tf2/m")
    tcm.add_object_keys(f"{quick_far}/back/m")
    assert tcm.load_checkpoint(f"{quick_far}/back/m").format.value == "dual-keyed"
    compact = tcm.compact(f"{quick_far}/back/m", f"{quick_far}/compact/m", shards=2)
    assert tcm.diff_checkpoints(compact, f"{quick_far}/back/m").equal
    for folder in ("tf2", "back", "compact"):
        assert tcm.verify_checkpoint(f"{quick_far}/{folder}/m").ok
        assert nothing_else_in(f"{quick_far}/{folder}", f"{quick_far}/{folder}/m")


def test_keys_are_added_by_one_put_of_the_index(goldens, monkeypatch):
    source = goldens / "tf2_21" / "checkpoint_slots"
    prefix = placed(source, "memory://tests/in-place") + "/ckpt-1"
    counting = counted_system(prefix, monkeypatch)
    tcm.add_name_keys(prefix, names="key")
    changes = [call for call in counting.calls if call[0] in WRITING]
    assert changes == [("put", f"{prefix}.index")]


def test_text_is_written_and_read(folder):
    write_text(f"{folder}/plan.yaml", "a: 1\n")
    write_text(f"{folder}/plan.yaml", "b: 2\n")
    assert read_text(f"{folder}/plan.yaml") == "b: 2\n"
    assert names_in(folder) == ["plan.yaml"]


def test_links_are_refused_as_there_are_none(goldens, far):
    plan = tcm.plan_migration(
        goldens / "tf1_15" / "saver_v2" / "model.ckpt", None, [tcm.Keep("/")]
    )
    with pytest.raises(CheckpointError, match="cannot hard-link"):
        tcm.convert(plan, f"{far}/m", data="link")
    assert not names_in(far)


def test_a_source_is_never_replaced_by_another_spelling(far):
    source = written(f"{far}/m", 1.0)
    start, _, rest = source.partition("://")
    plan = tcm.plan_migration(source, None, [tcm.Keep("/")])
    for other in {"s3": ["S3", "s3a"], "memory": ["memory"]}.get(
        start, [start.upper()]
    ):
        slash = "/" if start == "memory" else ""
        with pytest.raises(OutputExistsError, match="would replace"):
            tcm.convert(plan, f"{other}://{slash}{rest}", overwrite=True)
    assert values_of(source) == {"w0": [1, 1]}


def test_a_source_that_is_replaced_before_it_is_copied_is_told(far):
    source, other = written(f"{far}/m", 1.0), f"{far}/other"
    reader = tcm.load_checkpoint(source).bundle
    assert reader is not None
    with BundleWriter(other) as writer:
        writer.link(reader.shards.present(0), reader.index.kept_current)
        written(source, 2.0, overwrite=True)
        with pytest.raises(CheckpointReplacedError, match="open it again"):
            writer.commit({b"w0": reader.index.raw["w0"]})
    assert not exists(f"{other}.index")
    assert nothing_else_in(far, source)


def test_a_bucket_that_is_missing_is_one_clear_error(s3_bucket):
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        written(f"{s3_bucket}-2/m", 1.0)


test_a_bucket_that_is_missing_is_one_clear_error = pytest.mark.far(
    test_a_bucket_that_is_missing_is_one_clear_error
)


class TestFailures:
    """Whatever step fails, there is the old checkpoint or the new one."""

    OLD, NEW = {"w0": [1, 1], "w1": [2, 2]}, {"w0": [3, 3], "w1": [4, 4]}

    def steps(self, folder: str, monkeypatch: pytest.MonkeyPatch) -> int:
        prefix = written(f"{folder}/m", 1.0, 2.0)
        with monkeypatch.context() as patched:
            counting = counted_system(prefix, patched)
            written(prefix, 3.0, 4.0, overwrite=True)
            return len(counting.calls)

    @pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
    def test_at_each_step(self, quick_far, once, monkeypatch):
        outcomes = set()
        for step in range(1, self.steps(f"{quick_far}/counted", monkeypatch) + 1):
            folder = f"{quick_far}/failing-{step}"
            prefix = written(f"{folder}/m", 1.0, 2.0)
            with monkeypatch.context() as patched:
                counting = counted_system(prefix, patched)
                counting.fails = lambda number, *_, step=step: (
                    number == step if once else number >= step
                )
                with suppress(FarFileError):
                    written(prefix, 3.0, 4.0, overwrite=True)
            found = values_of(prefix)
            assert found in (self.OLD, self.NEW), step
            outcomes.add(found == self.NEW)
            if once and found == self.OLD:
                assert nothing_else_in(folder, prefix), step
        assert outcomes == {True, False}

    def test_an_answer_that_is_lost_when_the_work_is_done(self, quick_far, monkeypatch):
        prefix = written(f"{quick_far}/m", 1.0, 2.0)
        with monkeypatch.context() as patched:
            counting = counted_system(prefix, patched)
            put = counting.put

            def lost(path: str, data: bytes, aside: str) -> None:
                put(path, data, aside)
                raise TimeoutError("no answer")

            counting.put = lost
            written(prefix, 3.0, 4.0, overwrite=True)
        assert values_of(prefix) == self.NEW
        assert nothing_else_in(quick_far, prefix)

    def test_nobody_knows(self, quick_far, monkeypatch):
        prefix = written(f"{quick_far}/m", 1.0, 2.0)
        with monkeypatch.context() as patched:
            counting = counted_system(prefix, patched)
            gone: list[bool] = []
            counting.fails = lambda _, name, path: bool(
                gone or (name == "put" and not gone.append(True))
            )
            with pytest.raises(FarFileError, match="cannot be known now"):
                written(prefix, 3.0, 4.0, overwrite=True)
        assert values_of(prefix) == self.OLD
        assert len(existing_files(prefix)) == 1 + 2 + 3
