"""Only those values are read that are asked for, and they are what they are."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.report.checkpoints import RULES, SOURCE, write
from tf_ckpt_migrate.checkpoint import pieces
from tf_ckpt_migrate.checkpoint import statistics as histogram


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "old", SOURCE)


def without_data(prefix):
    """Take the data of a checkpoint away: who reads a value now fails."""
    with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
        file.truncate(0)


def rows(report):
    return {row.main.key: row for row in report.rows}


@pytest.mark.parametrize("values", ["none", "changed"])
def test_a_plan_that_only_renames_reads_nothing(source, values):
    plan = tcm.plan_migration(source, None, {"net/": "model/", "global_step": "step"})
    without_data(source)
    report = tcm.make_report(plan, values=values)
    assert not any(row.before or row.after for row in report.rows)
    with pytest.raises(tcm.errors.CorruptCheckpointError):
        tcm.make_report(plan, values="all")


def test_what_is_only_divided_otherwise_is_not_read(source):
    partition = tcm.transforms.Partition(parts=2)
    rules = [tcm.Rename("net/w", "net/w", transform=partition)]
    plan = tcm.plan_migration(source, None, rules, unused="keep")
    without_data(source)
    (row,) = (r for r in tcm.make_report(plan).rows if r.status == "computed")
    assert row.before is None


def test_bytes_that_are_the_same_are_not_read(source, tmp_path):
    rules = {"net/": "model/", "global_step": "step"}
    plan = tcm.plan_migration(source, None, rules)
    new = tcm.convert(plan, tmp_path / "new", data="link").prefix
    without_data(source)
    report = tcm.make_report(plan, new)
    assert all(row.shared and row.before is None for row in report.rows)


def test_of_a_plan_what_is_computed_is_read(source):
    report = tcm.make_report(tcm.plan_migration(source, None, RULES))
    read = [key for key, row in rows(report).items() if row.before]
    assert read == ["model/w"]
    w = rows(report)["model/w"]
    assert sum(w.before.counts) == sum(w.after.counts) == 6
    exact = SOURCE["net/w"].astype(np.float64)
    rounded = SOURCE["net/w"].astype(ml_dtypes.bfloat16).astype(np.float64)
    assert w.before.statistics.mean == pytest.approx(exact.mean())
    assert w.after.statistics.mean == pytest.approx(rounded.mean())
    assert w.difference.max_abs == np.abs(exact - rounded).max()
    assert w.difference.elements == 6


@pytest.mark.parametrize("name", ["saver_v2", "partitioned_axis_1"])
def test_what_is_rounded_piece_by_piece_is_as_in_one(goldens, name, monkeypatch):
    source = goldens / "tf1_15" / name / "model.ckpt"
    cast = tcm.transforms.Cast("bfloat16")
    specs = tcm.load_checkpoint(source).specs
    rules = [
        tcm.Rename(key, key, transform=cast)
        for key, spec in specs.items()
        if spec.dtype.name == "float32"
    ]
    plan = tcm.plan_migration(source, None, rules, unused="keep")
    whole = tcm.make_report(plan)
    assert any(row.difference and row.difference.elements for row in whole.rows)
    monkeypatch.setattr(pieces, "_PIECE", 2)
    cut = tcm.make_report(plan)
    assert [(row.difference, row.after.counts) for row in cut.rows if row.after] == [
        (row.difference, row.after.counts) for row in whole.rows if row.after
    ]


def test_all_of_a_checkpoint(source):
    report = tcm.make_report(source, values="all")
    assert all(row.before for row in report.rows)
    step = rows(report)["global_step"]
    assert (step.before.counts, step.interval) == ((1,), (7.0, 7.0))


def test_values_that_are_no_numbers(goldens):
    report = tcm.make_report(goldens / "tf2_21/variants", values="all")
    assert any(row.before is None for row in report.rows)
    report = tcm.make_report(goldens / "tf1_15/dtypes", values="all")
    strings = [row for row in report.rows if row.main.spec.startswith("string")]
    assert strings
    assert all(row.before.statistics.elements >= 0 for row in strings)
    assert all(row.interval is None for row in strings)
    assert report.to_html()


@pytest.mark.parametrize(
    "name",
    [
        "tf1_15/dtypes_v1",
        "tf1_15/names",
        "tf1_15/partitioned_sharded",
        "tf1_15/shapes",
        "tf1_15/sliced_v1_sharded",
        "tf2_21/checkpoint_empty",
        "tf2_21/dtypes",
        "tf2_21/saved_model",
    ],
)
def test_all_of_whatever_a_checkpoint_holds(goldens, name):
    folder = goldens / name
    prefix = json.loads((folder / "expected.json").read_text())["prefix"]
    report = tcm.make_report(folder / prefix, values="all")
    found = tcm.inspect_checkpoint(folder / prefix, values=True)
    expected = {each.key: each.statistics for each in found.tensors}
    assert {
        key: row.before and row.before.statistics for key, row in rows(report).items()
    } == expected
    assert report.to_html()


def test_nan_and_infinity_need_a_look(tmp_path):
    odd = {"w": np.array([np.nan, np.inf, 1.0], np.float32), "ok": np.float32(1)}
    report = tcm.make_report(write(tmp_path / "odd", odd), values="all")
    (finding,) = report.findings
    assert finding.title == "1 weight with NaN or infinite values"
    assert sum(rows(report)["w"].before.counts) == 1


def test_both_sides_are_counted_in_the_same_intervals(tmp_path):
    a = write(tmp_path / "a", {"w": np.array([0.0, 1.0], np.float32)})
    b = write(tmp_path / "b", {"w": np.array([0.0, 4.0], np.float32)})
    (row,) = tcm.make_report(a, b).rows
    assert row.interval == (0.0, 4.0)
    assert [n for n, count in enumerate(row.before.counts) if count] == [0, 8]
    assert [n for n, count in enumerate(row.after.counts) if count] == [0, 31]


def test_of_huge_tensors_a_sample_is_counted_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(histogram, "_MOST_COUNTED", 10)
    value = np.arange(100, dtype=np.float32)
    report = tcm.make_report(write(tmp_path / "a", {"w": value}), values="all")
    (row,) = report.rows
    assert row.step == 11
    assert sum(row.before.counts) == 10
    assert row.before.statistics.greatest == 99.0  # of all


def test_progress_comes_to_its_end(source):
    told = []
    tcm.make_report(source, values="all", progress=lambda *each: told.append(each))
    size = sum(value.nbytes for value in SOURCE.values())
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


TEXT = np.array([b"text", b"more"], object)
KINDS = {
    "floats": np.float32([1, 2]),
    "nothing": np.zeros(0, np.float32),
    "nan": np.float32([np.nan]),
    "number": np.int64(3),
    "text": TEXT,
    "no_text": TEXT[:0],
    "complex": np.complex64([1j]),
    "bools": np.array([True]),
}


@pytest.mark.parametrize("values", ["all", "changed"])
@pytest.mark.parametrize("right", KINDS)
@pytest.mark.parametrize("left", KINDS)
def test_a_key_may_hold_values_of_any_two_kinds(tmp_path, left, right, values):
    a = write(tmp_path / "a", {"odd": np.asarray(KINDS[left])})
    b = write(tmp_path / "b", {"odd": np.asarray(KINDS[right])})
    report = tcm.make_report(a, b, values=values)
    assert "odd" in report.to_html()
    (row,) = json.loads(report.to_json())["rows"]
    assert row["target"]["key"] == "odd"
