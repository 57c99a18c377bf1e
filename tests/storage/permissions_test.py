"""A file that replaces another one keeps its permissions."""

import os
import stat

import pytest

from tf_ckpt_migrate.storage.paths import copy_permissions, create_like


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_new_file_has_them_before_anything_is_written(tmp_path, umask, mode):
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    old.chmod(mode)
    with create_like(str(new), str(old)) as file:
        assert stat.S_IMODE(new.stat().st_mode) == mode
        file.write(b"text")
    assert new.read_bytes() == b"text"
    assert stat.S_IMODE(old.stat().st_mode) == mode


def test_without_another_one_they_are_those_of_any_new_file(tmp_path, umask):
    with create_like(str(tmp_path / "new"), str(tmp_path / "nothing")):
        pass
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask


def test_an_existing_file_is_not_written_over(tmp_path):
    (tmp_path / "there").write_text("text", encoding="utf-8")
    with pytest.raises(FileExistsError):
        create_like(str(tmp_path / "there"), str(tmp_path / "nothing"))


@pytest.mark.parametrize(("mode", "left"), [(0o640, 0o600), (0o664, 0o644)])
def test_another_group_does_not_get_the_permissions(tmp_path, mode, left, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.touch()
        path.chmod(mode)
    fields = list(old.stat())
    fields[5] += 1  # a group that this process is not in
    monkeypatch.setattr(os, "chown", _refuse)
    original = os.stat
    monkeypatch.setattr(
        os,
        "stat",
        lambda path, **options: (
            os.stat_result(fields) if path == str(old) else original(path, **options)
        ),
    )
    copy_permissions(str(old), str(new))
    assert stat.S_IMODE(original(new).st_mode) == left


def _refuse(*_):
    raise PermissionError


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="not root")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    os.chown(old, 1234, 5678)
    old.chmod(0o640)
    with create_like(str(new), str(old)):
        pass
    found = new.stat()
    assert (found.st_uid, found.st_gid) == (1234, 5678)
    assert stat.S_IMODE(found.st_mode) == 0o640
