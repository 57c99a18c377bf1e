"""Every checkpoint of a tree is found, and what only looks like one is not left out."""

import os
import shutil

import pytest

from tests.conversion.checkpoints import write
from tf_ckpt_migrate.conversion.fleet.found import find
from tf_ckpt_migrate.errors import CheckpointNotFoundError, OutputPathError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unflushed):
    monkeypatch.chdir(tmp_path)
    for prefix in ("runs/m-10", "runs/m-9", "runs/a/m-1", "runs/a/b/m-1", "runs/c/n-1"):
        write(prefix, {"w": [1.0]})
    return tmp_path


def outputs(*sources, output_dir="out"):
    return [output for _, output in find(sources, output_dir).pairs]


def test_a_folder(here):
    assert find(["runs"], "out").pairs == (
        ("runs/m-9", "out/m-9"),
        ("runs/m-10", "out/m-10"),
        ("runs/a/m-1", "out/a/m-1"),
        ("runs/a/b/m-1", "out/a/b/m-1"),
        ("runs/c/n-1", "out/c/n-1"),
    )
    assert outputs("runs/") == outputs("runs") == outputs(str(here / "runs"))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("runs/*", ["m-9", "m-10"]),
        ("runs/m-?", ["m-9"]),
        ("runs/*/m-*", ["a/m-1"]),
        ("runs/**/m-1", ["a/m-1", "a/b/m-1"]),
        ("runs/**/m-*", ["m-9", "m-10", "a/m-1", "a/b/m-1"]),
        ("runs/[!a]/*", ["c/n-1"]),
        ("runs/[ac]/[m-n]-1", ["a/m-1", "c/n-1"]),
        ("runs/a/**", ["m-1", "b/m-1"]),
        ("r*/a/m-1", ["runs/a/m-1"]),
    ],
)
def test_a_pattern(pattern, found):
    assert outputs(pattern) == [f"out/{each}" for each in found]


def test_a_checkpoint_by_any_of_its_names():
    for name in ("runs/a/m-1", "runs/a/m-1.index", "runs/a/m-1.data-00000-of-00001"):
        assert find([name], "out").pairs == (("runs/a/m-1", "out/m-1"),)


def test_several():
    assert outputs("runs/a", "runs/c") == ["out/m-1", "out/b/m-1", "out/n-1"]
    assert outputs("runs/c", "runs/c/*") == ["out/n-1"]
    with pytest.raises(OutputPathError, match=r"both 'runs/a/m-1' and 'runs/a/b/m-1'"):
        find(["runs/a", "runs/a/b"], "out")


def test_the_output_is_no_source(here):
    write("runs/out/a/m-1", {"w": [1.0]})
    assert "runs/out/out/a/m-1" not in outputs("runs", output_dir="runs/out")
    assert len(outputs("runs", output_dir="./runs/out/")) == 5
    assert len(outputs("runs", output_dir=str(here / "runs/out"))) == 5
    for same in ("runs", "runs/", "./runs", str(here / "runs")):
        with pytest.raises(OutputPathError, match="is the folder of the sources"):
            find(["runs"], same)


def test_nothing_is_found():
    os.mkdir("empty")
    for source in ("empty", "runs/x*", "empty/**"):
        with pytest.raises(CheckpointNotFoundError, match="no checkpoint is found by"):
            find([source], "out")
    for source in ("nowhere", "nowhere/*", "runs/m-11"):
        with pytest.raises(CheckpointNotFoundError):
            find([source], "out")


def test_files_of_format_v1(goldens):
    shutil.copytree(goldens / "tf1_15/saver_v1", "v1/one")
    shutil.copytree(goldens / "tf1_15/sharded_v1", "v1/many")
    found = outputs("v1")
    assert found == ["out/many/model.ckpt", "out/one/model.ckpt"]
    (shard,) = [n for n in os.listdir("v1/many") if "-00001-of-" in n]
    os.unlink(f"v1/many/{shard}")  # what is left is found: that it fails is told
    assert outputs("v1") == found


def test_what_is_broken_is_found():
    os.unlink("runs/m-9.index")
    os.makedirs("runs/a/m-2_temp_0f")
    write("runs/a/m-2_temp_0f/part-00000-of-00002", {"w": [1.0]})
    write("runs/a/b_temp/m-1", {"w": [1.0]})  # a folder like any other
    with open("runs/c/checkpoint", "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "/gone/n-2"\n')
    found = outputs("runs")
    assert "out/m-9" in found
    assert "out/a/m-2" in found
    assert not [each for each in found if "_temp_0f" in each]
    assert "out/a/b_temp/m-1" in found
    assert "out/c/n-2" in found


def test_a_state_file_that_leads_elsewhere_names_nothing_here(here):
    os.mkdir("runs/eval")
    with open("runs/eval/checkpoint", "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "../a/m-1"\n')
    assert "out/eval/m-1" not in outputs("runs")


def test_what_writers_leave_is_no_checkpoint():
    write("runs/a/.m-1.tcm-staging/m-1", {"w": [1.0]})
    assert len(outputs("runs")) == 5


def test_links_to_folders_are_told_of():
    os.symlink("a", "runs/link")
    os.symlink("..", "runs/a/up")
    found = find(["runs"], "out")
    assert len(found.pairs) == 5
    assert found.notes == (
        "links to folders are not followed: 'runs/a/up', 'runs/link'",
    )


def test_a_folder_that_cannot_be_looked_into(monkeypatch):
    def listdir(path):
        if path == "runs/a":
            raise PermissionError(13, "Permission denied", path)
        return original(path)

    original = os.listdir
    monkeypatch.setattr(os, "listdir", listdir)
    found = find(["runs"], "out")
    assert len(found.pairs) == 3
    assert [folder for folder, _ in found.unreadable] == ["runs/a"]
