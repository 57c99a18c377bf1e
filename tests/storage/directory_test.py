"""An open directory: no link takes its place, and no link in it is followed."""

import errno
import os

import pytest

from tf_ckpt_migrate.storage import paths as directory
from tf_ckpt_migrate.storage.paths import Directory


@pytest.fixture(params=[True, False], ids=["by descriptor", "by path"])
def within(request, tmp_path, monkeypatch):
    """A directory to open, as on POSIX and as where none can be opened."""
    monkeypatch.setattr(directory, "_BY_DESCRIPTOR", request.param)
    path = tmp_path / "within"
    path.mkdir()
    return path


def test_entries_are_made_read_and_removed(within):
    with Directory(str(within)) as opened:
        file = opened.open("a", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        assert opened.holds("a", file)
        assert not opened.holds("b", file)
        assert opened.names() == ["a"]
        (within / "a").rename(within / "b")
        (within / "a").touch()
        assert not opened.holds("a", file)
        opened.remove("a")
        os.close(file)
    assert os.listdir(within) == ["b"]


@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_what_is_not_a_directory_is_refused(within, kind):
    path = within / "here"
    if kind == "file":
        path.touch()
    else:
        path.symlink_to(within if kind == "link" else within / "nothing")
    with pytest.raises(NotADirectoryError):
        Directory(str(path))
    with pytest.raises(FileNotFoundError):
        Directory(str(within / "nothing"))


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_only_regular_files_are_opened(within, kind):
    (within / "file").touch()
    if kind == "folder":
        (within / "entry").mkdir()
    elif kind == "pipe":
        os.mkfifo(within / "entry")
    else:
        (within / "entry").symlink_to("file" if kind == "link" else "nothing")
    with (
        Directory(str(within)) as opened,
        pytest.raises(OSError, match=rf"\[Errno {errno.ENXIO}\]"),
    ):
        opened.open("entry", os.O_RDWR)


def test_clearing_it_follows_no_link(within, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    (within / "a" / "b").mkdir(parents=True)
    for place in (within, within / "a", within / "a" / "b"):
        (place / "file").touch()
        (place / "to folder").symlink_to(other)
        (place / "to file").symlink_to(other / "file")
        (place / "dangling").symlink_to("nothing")
    with Directory(str(within)) as opened:
        opened.clear(but="file")
        assert opened.names() == ["file"]
    assert os.listdir(other) == ["file"]


def test_directories_in_one_another_without_end_are_an_error_of_the_system(
    within, monkeypatch
):
    def endless(*_, **__):
        raise RecursionError

    (within / "a").mkdir()
    for function in ("walk", "fwalk"):
        monkeypatch.setattr(os, function, endless)
    with (
        Directory(str(within)) as opened,
        pytest.raises(OSError, match="too many directories"),
    ):
        opened.clear(but="lock")


def test_it_knows_when_it_is_not_at_its_path(within, tmp_path):
    with Directory(str(within)) as opened:
        assert opened.is_at_its_path()
        within.rename(tmp_path / "moved")
        assert not opened.is_at_its_path()
        within.symlink_to("moved")
        assert not opened.is_at_its_path()
