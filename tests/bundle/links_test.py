import errno
import os
import sys

import pytest

from tf_ckpt_migrate.bundle import shards as links
from tf_ckpt_migrate.bundle.shards import Transfer, append_range, transfer
from tf_ckpt_migrate.errors import CheckpointError

DATA = bytes(range(256)) * 40
HAS_COPY_FILE_RANGE = hasattr(os, "copy_file_range")


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    return str(tmp_path / "source"), str(tmp_path / "target")


def failing(code):
    def fail(*_args, **_options):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.fixture
def no_links(monkeypatch):
    monkeypatch.setattr(os, "link", failing(errno.EXDEV))


@pytest.fixture(params=["copy_file_range", "read and write"])
def way(request, monkeypatch):
    """Copy with the kernel's help, where it gives any, and without."""
    if request.param == "read and write":
        monkeypatch.delattr(os, "copy_file_range", raising=False)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_hard_link_is_the_same_file(paths):
    source, target = paths
    assert transfer(source, target) is Transfer.LINKED
    assert os.path.samefile(source, target)


def test_a_link_follows_a_symbolic_one(paths, tmp_path):
    source, target = paths
    alias = str(tmp_path / "alias")
    os.symlink(source, alias)
    assert transfer(alias, target, "link") is Transfer.LINKED
    assert not os.path.islink(target)
    assert os.path.samefile(source, target)


def test_a_copy_is_another_file(paths, way):
    source, target = paths
    assert transfer(source, target, "copy") in (Transfer.COPIED, Transfer.REFLINKED)
    assert content(target) == DATA
    assert not os.path.samefile(source, target)


def test_a_copy_is_made_where_no_link_can_be(paths, no_links, way):
    source, target = paths
    assert transfer(source, target) in (Transfer.COPIED, Transfer.REFLINKED)
    assert content(target) == DATA


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_a_link_that_was_asked_for_is_not_replaced_by_a_copy(paths, monkeypatch, code):
    source, target = paths
    monkeypatch.setattr(os, "link", failing(code))
    expected = f'cannot hard-link .*source.*target.*{os.strerror(code)}; data="auto"'
    with pytest.raises(CheckpointError, match=expected):
        transfer(source, target, "link")
    assert not os.path.exists(target)


def test_a_symbolic_link_names_the_file_itself(paths, tmp_path):
    source, target = paths
    alias = str(tmp_path / "alias")
    os.symlink(source, alias)
    assert transfer(alias, target, "symlink") is Transfer.SYMLINKED
    assert os.readlink(target) == source


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_where_no_symbolic_link_can_be_another_way_is_taken(paths, monkeypatch, code):
    source, target = paths
    monkeypatch.setattr(os, "symlink", failing(code))
    assert transfer(source, target, "symlink") is Transfer.LINKED
    assert os.path.samefile(source, target)


@pytest.mark.parametrize("mode", ["hard", "move"])
def test_another_mode_is_refused(paths, mode):
    with pytest.raises(ValueError, match=f"data='{mode}'; expected \"auto\""):
        transfer(*paths, mode)


def test_nothing_is_written_over(paths):
    source, target = paths
    with open(target, "wb") as file:
        file.write(b"kept")
    for mode in ("auto", "copy", "symlink"):
        with pytest.raises(FileExistsError):
            transfer(source, target, mode)
    assert content(target) == b"kept"


@pytest.mark.skipif(sys.platform != "linux", reason="reflinks are asked of Linux only")
class TestReflink:
    @pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL])
    def test_a_file_system_without_them_gets_a_copy(
        self, paths, no_links, monkeypatch, code
    ):
        monkeypatch.setattr("fcntl.ioctl", failing(code))
        assert transfer(*paths) is Transfer.COPIED
        assert content(paths[1]) == DATA

    def test_one_that_has_them_copies_nothing(self, paths, no_links, monkeypatch):
        monkeypatch.setattr("fcntl.ioctl", lambda *_: 0)
        monkeypatch.setattr(links, "append_range", failing(errno.EIO))
        assert transfer(*paths) is Transfer.REFLINKED

    def test_another_failure_is_one(self, paths, no_links, monkeypatch):
        monkeypatch.setattr("fcntl.ioctl", failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            transfer(*paths)


def written(source, target, offset, size):
    """Append behind three bytes, as the writer does; return all of the target."""
    with open(source, "rb") as reading, open(target, "wb") as writing:
        writing.write(b"abc")
        writing.flush()
        append_range(reading.fileno(), writing.fileno(), offset, size)
    return content(target)


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 0), (0, 10), (100, 5000), (10_239, 1)]
)
def test_a_range_is_appended(paths, way, offset, size):
    assert written(*paths, offset, size) == b"abc" + DATA[offset : offset + size]


def test_a_range_beyond_the_file_is_an_error(paths, way):
    with pytest.raises(OSError, match="the file ends 5 bytes too early"):
        written(*paths, len(DATA) - 5, 10)


def test_a_range_is_copied_in_pieces(paths, monkeypatch):
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    monkeypatch.setattr(links, "_CHUNK", 7)
    assert written(*paths, 3, 100) == b"abc" + DATA[3:103]


@pytest.mark.skipif(not HAS_COPY_FILE_RANGE, reason="this system has none to fail")
class TestCopyFileRange:
    @pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOSYS])
    def test_where_it_does_not_work_bytes_are_read_and_written(
        self, paths, monkeypatch, code
    ):
        monkeypatch.setattr(os, "copy_file_range", failing(code))
        assert written(*paths, 5, 1000) == b"abc" + DATA[5:1005]

    def test_where_it_stops_working_the_rest_is_read_and_written(
        self, paths, monkeypatch
    ):
        copy = os.copy_file_range
        calls = iter([lambda a, b, _, at: copy(a, b, 10, at), failing(errno.EXDEV)])

        def stopping(*args):
            return next(calls)(*args)

        monkeypatch.setattr(os, "copy_file_range", stopping)
        assert written(*paths, 5, 1000) == b"abc" + DATA[5:1005]

    def test_a_full_disk_is_an_error(self, paths, monkeypatch):
        monkeypatch.setattr(os, "copy_file_range", failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            written(*paths, 0, 10)


def test_a_copy_tells_how_far_it_is(paths, way, monkeypatch):
    monkeypatch.setattr(links, "_RANGE", 4000)
    monkeypatch.setattr(links, "_CHUNK", 4000)
    monkeypatch.setattr(links, "_cloned", lambda *_: False)  # done at once
    told = []
    assert transfer(*paths, "copy", told.append) is Transfer.COPIED
    assert told == [4000, 4000, 2240]
