"""Every command takes paths of far systems, here one in the memory of this process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.storage.copies import placed
from tf_ckpt_migrate.storage.access import names_in, put_file, remove_folder


@pytest.fixture
def far(goldens) -> Iterator[str]:
    """A folder with a checkpoint, ``m``."""
    yield placed(goldens / "tf1_15" / "saver_v2", "memory://tests/cli")
    remove_folder("memory://tests/cli")


def test_commands_that_read(command, far):
    source = f"{far}/model.ckpt"
    assert command("inspect", source).out.startswith(f"{source}\nname-based")
    assert command("inspect", source, "--values").status == 0
    assert command("verify", far).out.startswith(f"{source}: ok")
    assert command("diff", source, far).status == 0
    found = json.loads(command("inspect", source, "--output_format=json").out)
    assert found["files"][0]["path"] == f"{source}.index"


def test_commands_that_write(command, far):
    source = f"{far}/model.ckpt"
    plan, page = f"{far}/plan.yaml", f"{far}/page.html"
    rest = ["--unused=keep", f"--output={plan}"]
    assert command("plan", source, "--rename", "net/=encoder/", *rest).status == 0
    assert command("convert", source, f"{far}/new/m", "--plan", plan).status == 0
    assert (
        command("prune", f"{far}/new/m", f"{far}/small/m", "--drop=global_step").status
        == 0
    )
    merged = ["merge", source, f"{far}/new/m", "--output", f"{far}/both/m"]
    assert command(*merged, "--precedence=first", "--update_state_file").status == 0
    assert command("verify", f"{far}/both").status == 0
    assert "checkpoint" in names_in(f"{far}/both")
    report = command("report", source, f"{far}/new/m", "--plan", plan, "--output", page)
    assert report.err == ""
    assert "page.html" in names_in(far)
    again = command("convert", source, f"{far}/new/m", "--plan", plan)
    assert again.status == 1
    assert "exists already" in again.err


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("none://bucket/m", "nobody here can read or write 'none://'"),
        ("memory://tests/cli/nowhere/m", "there is no directory"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(command, far, path, told):
    for words in (["inspect", path], ["verify", path], ["prune", path, f"{far}/out"]):
        outcome = command(*words)
        assert outcome.status == 1
        assert told in outcome.err
        assert "Traceback" not in outcome.err
    assert "out.index" not in names_in(far)


def test_many_at_once_are_converted_anywhere(command, far, tmp_path):
    for told in ("1 converted, 0 there already", "0 converted, 1 there already"):
        for output in (tmp_path / "out", f"{far}/out"):
            outcome = command("convert-all", f"{far}/model*", output, "--to=tf2")
            assert outcome.status == 0
            assert outcome.out.startswith(f"1 checkpoint: {told}, 0 failed\n")


def test_text_does_not_take_the_place_of_a_folder(command, far):
    put_file(f"{far}/folder/file", b"", f"{far}/folder/file.aside")
    outcome = command("plan", f"{far}/model.ckpt", f"--output={far}/folder")
    assert outcome.status == 1
    assert "folder" in outcome.err
