"""``convert-all`` tells what became of each; its exit code, whether all is done."""

from __future__ import annotations

import json

import pytest

from tests.conversion.checkpoints import write
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint


@pytest.fixture
def runs(tmp_path):
    for step in (1, 2):
        write(tmp_path / f"runs/m-{step}", {"net/w": [1.0, 2.0], "step": step})
    return tmp_path / "runs"


def test_all_is_done(command, runs, tmp_path):
    for told in ("2 converted, 0 there already", "0 converted, 2 there already"):
        outcome = command("convert-all", runs, tmp_path / "tf2", "--to=tf2")
        assert outcome.status == 0
        assert outcome.out.startswith(f"2 checkpoints: {told}, 0 failed\n")
        assert outcome.err == ""


def test_one_has_failed(command, runs, tmp_path):
    (runs / "m-1.index").write_bytes(b"<html>")
    outcome = command(
        "convert-all", runs, tmp_path / "o", "--rename=net/=a/", "--unused=keep"
    )
    assert outcome.status == 1
    assert "1 converted, 0 there already, 1 failed" in outcome.out
    assert "NotACheckpointError" in outcome.out
    assert sorted(load_checkpoint(tmp_path / "o/m-2")) == ["a/w", "step"]
    outcome = command(
        "convert-all",
        f"{runs}/m-*",
        tmp_path / "o",
        "--rename=net/=a/",
        "--unused=keep",
        "--output_format=json",
    )
    assert outcome.status == 1
    told = json.loads(outcome.out)
    assert (told["converted"], told["present"], told["failed"]) == (0, 1, 1)
    assert [each["status"] for each in told["outcomes"]] == ["failed", "present"]


def test_nothing_to_do_is_no_failure(command, runs, tmp_path):
    out = tmp_path / "o"
    outcome = command("convert-all", runs, out, "--to=tf1", "--output_format=json")
    told = json.loads(outcome.out)
    assert (outcome.status, told["skipped"], told["failed"]) == (0, 2, 0)
    outcome = command("convert-all", runs, out, "--to=tf1")
    head, _, why = outcome.out.splitlines()
    assert head == "2 checkpoints: 0 converted, 0 there already, 2 skipped, 0 failed"
    assert why.startswith("skipped, as it is name-based (TF1) already: ")


def test_a_plan_for_all(command, runs, tmp_path):
    plan = tmp_path / "plan.yaml"
    assert command("plan", f"{runs}/m-1", "--to=tf2", f"--output={plan}").status == 0
    outcome = command("convert-all", runs, tmp_path / "tf2", f"--plan={plan}")
    assert outcome.status == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "say what to do: --to=tf2"),
        (["--to=tf2", "--plan=p.yaml"], "--plan says all that is to be done"),
    ],
)
def test_wrong_use(command, runs, tmp_path, flags, told):
    outcome = command("convert-all", runs, tmp_path / "tf2", *flags)
    assert outcome.status == 2
    assert told in outcome.err


def test_no_such_folder(command, tmp_path):
    outcome = command("convert-all", tmp_path / "runs", tmp_path / "tf2", "--to=tf2")
    assert (outcome.status, outcome.out) == (1, "")
    assert "no checkpoint at" in outcome.err
