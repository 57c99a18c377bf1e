"""One more checkpoint costs the same, however many lie in its folder."""

import os

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tests.listing import count_listed
from tf_ckpt_migrate.checkpoint.state import kept_beside

FEW, MANY = 20, 160


@pytest.fixture(autouse=True)
def _unflushed(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def make_runs(folder, count):
    for number in range(count):
        write(folder / f"m-{number}", {"net/w": np.array([number, 1], np.float32)})


def check_linear(work, tmp_path):
    """Check that eight times the checkpoints cost about eight times the listing.

    A large folder is listed now and then, to remove what killed writers have left.
    """
    listed = []
    for count in (FEW, MANY):
        folder = tmp_path / str(count)
        make_runs(folder / "runs", count)
        with count_listed(folder) as counted:
            work(folder, count)
        listed.append(counted.entries)
    few, many = listed
    assert many <= MANY // FEW * few + 100 * MANY, listed
    assert many < MANY * MANY, listed  # every source listed for each would be more


@pytest.mark.parametrize("to", ["tf2", None])
def test_convert_all_first_and_again(tmp_path, to):
    def run(expected, folder, count):
        rules = None if to else {"net/": "model/"}
        out = folder / "out"
        result = tcm.convert_all(folder / "runs", out, to=to, assignment_map=rules)
        assert result.count(expected) == count
        last = tcm.load_checkpoint(out / f"m-{count - 1}")
        (key,) = (key for key in last if "w" in key)
        assert last[key].tolist() == [count - 1, 1]

    check_linear(lambda *given: run("converted", *given), tmp_path)
    with count_listed(tmp_path) as counted:
        run("present", tmp_path / str(MANY), MANY)
    assert counted.entries < 20 * MANY


@pytest.mark.parametrize("overwrite", [False, True])
def test_convert_in_a_loop(tmp_path, overwrite):
    def run(folder, count):
        for number in range(count):
            result = tcm.convert_tf1_to_tf2(
                folder / f"runs/m-{number}",
                folder / f"out/m-{number}",
                overwrite=overwrite,
                update_state_file=True,
            )
        assert kept_beside(result.prefix)[-1] == f"m-{count - 1}"
        if overwrite and not (folder / "again").exists():
            (folder / "again").mkdir()
            run(folder, count)
            assert len(kept_beside(result.prefix)) == count
        elif not overwrite:
            with pytest.raises(tcm.errors.OutputExistsError):
                run(folder, 1)

    check_linear(run, tmp_path)


def test_reading_and_keys_that_are_added(tmp_path):
    def run(folder, count):
        for number in range(count):
            prefix = folder / f"runs/m-{number}"
            assert tcm.verify_checkpoint(prefix).ok
            assert len(tcm.add_object_keys(prefix).added) == 3
            assert not tcm.diff_checkpoints(prefix, folder / "runs/m-0").only_in_a

    check_linear(run, tmp_path)
