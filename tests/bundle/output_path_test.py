"""Impossible paths of outputs are one error, before anything is written."""

import os

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tf_ckpt_migrate.bundle.commit import (
    check_file_path,
    check_folder_path,
    check_prefix,
)
from tf_ckpt_migrate.conversion.manifest import NameManifest
from tf_ckpt_migrate.errors import OutputPathError

CHECKS = [check_prefix, check_file_path, check_folder_path]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with what stands in the way of outputs."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("a.index", "b.data-00000-of-00001", "link target"):
        (tmp_path / name).mkdir()
    (tmp_path / "c.index").symlink_to("link target")
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMPOSSIBLE = {
    "": "is empty",
    "o\0ut": r"'o\\x00ut' contains a NUL character",
    "fol\0der/m": "contains a NUL character",
    "o\ud800": "characters that file names here cannot contain",
    "file/m": "'file' is not a directory, but a file",
    "file/deep/er/m": "'file' is not a directory, but a file",
    "dangling/m": "'dangling' is not a directory, but a link that leads to none",
    "loop/m": "'loop' is not a directory, but a link that leads to none",
    "x" * 256 + "/m": "is longer than the file system allows",
    "new/" + "x" * 256 + "/m": "is longer than the file system allows",
    "x/" * 2100 + "m": "is longer than the file system allows",
}


@pytest.mark.parametrize("path", IMPOSSIBLE)
@pytest.mark.parametrize("check", CHECKS)
def test_paths_that_nothing_can_have(folder, check, path):
    before = sorted(os.listdir())
    with pytest.raises(OutputPathError, match=IMPOSSIBLE[path]) as error:
        check(path)
    assert "\0" not in str(error.value)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("prefix", "told"),
    [
        ("x" * 236, "and up to 20 more for the file of a checkpoint"),
        ("ä" * 118, "longer than the file system allows"),
        ("a", "'a.index', which would be one of its files, is a directory"),
        ("b", "'b.data-00000-of-00001', which would be one of its files"),
        ("c", "'c.index', which would be one of its files, is a directory"),
    ],
)
def test_prefixes_that_no_checkpoint_can_have(folder, prefix, told):
    with pytest.raises(OutputPathError, match=told):
        check_prefix(prefix)


@pytest.mark.parametrize("path", [".", "..", "link target", "c.index", "new/"])
def test_a_directory_is_no_file(folder, path):
    with pytest.raises(OutputPathError, match="is a directory; give the path"):
        check_file_path(path)


def test_paths_that_can_be_written_to(folder):
    for path in ("m", "new/m", "./m", "link target/m", "x" * 235, "ä" * 117, "file"):
        check_prefix(path)
    for path in ("m", "new/m", "file", "dangling", "x" * 255, str(folder / "m")):
        check_file_path(path)
    for path in (".", "new", "new/er/", "link target", "/"):
        check_folder_path(path)
    check_prefix("dir/")  # TensorFlow writes 'dir/.index'


WRITERS = {
    "convert": lambda named, _, out: tcm.convert(tcm.plan_migration(named), out),
    "to tf2": lambda named, _, out: tcm.convert_tf1_to_tf2(
        named, out, update_state_file=True
    ),
    "to tf1": lambda _, objects, out: tcm.convert_tf2_to_tf1(objects, out),
    "compact": lambda named, _, out: tcm.compact(named, out, overwrite=True),
    "prune": lambda named, _, out: tcm.prune(named, out),
    "merge": lambda named, _, out: tcm.merge([named], out, update_state_file=True),
    "convert all": lambda named, _, out: tcm.convert_all(named, out, to="tf2"),
    "report": lambda named, _, out: tcm.write_report(named, out),
    "manifest": lambda named, _, out: NameManifest.from_checkpoint(named).save(out),
}


@pytest.mark.parametrize("path", IMPOSSIBLE)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_refuses_them_and_writes_nothing(folder, writer, path):
    named = write(folder / "source" / "named", {"w": [1.0, 2.0], "w/Adam": [0.0, 0.0]})
    objects = str(folder / "source" / "objects")
    tcm.convert_tf1_to_tf2(named, objects, data="copy")
    before = sorted(folder.rglob("*"))
    with pytest.raises(OutputPathError):
        WRITERS[writer](named, objects, path)
    assert sorted(folder.rglob("*")) == before


def test_a_directory_called_checkpoint_is_told_of_before_anything_is_written(folder):
    named = write(folder / "source" / "named", {"w": [1.0, 2.0]})
    (folder / "out" / "checkpoint").mkdir(parents=True)
    with pytest.raises(OutputPathError, match="'out/checkpoint' is a directory"):
        tcm.convert_tf1_to_tf2(named, "out/m", update_state_file=True)
    assert os.listdir("out") == ["checkpoint"]
    tcm.convert_tf1_to_tf2(named, "out/m")
