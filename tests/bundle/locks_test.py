import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle import locks
from tf_ckpt_migrate.bundle.locks import owned_folder, remove_abandoned
from tf_ckpt_migrate.errors import OutputInUseError

MARK = ".work"


def test_a_folder_is_there_empty_and_goes(tmp_path):
    path = tmp_path / ("m" + MARK)
    with owned_folder(str(path)) as folder:
        assert os.listdir(folder) == ["lock"]
        (path / "inner").mkdir()
        (path / "inner" / "file").write_text("x", encoding="utf-8")
    assert not path.exists()


def test_a_second_owner_is_refused_and_the_first_goes_on(tmp_path):
    path = str(tmp_path / ("m" + MARK))
    with owned_folder(path):
        (Path(path) / "file").write_text("x", encoding="utf-8")
        with (
            pytest.raises(OutputInUseError, match="another writer is at work on"),
            owned_folder(path),
        ):
            pytest.fail("two owners")
        assert sorted(os.listdir(path)) == ["file", "lock"]
    with owned_folder(path):
        assert os.listdir(path) == ["lock"]


def hold(path, ready):
    with owned_folder(path):
        (Path(path) / "half").write_text("x", encoding="utf-8")
        ready.set()
        signal.pause()


@pytest.fixture
def held(tmp_path):
    """Yield a folder, and the process that owns it."""
    context = multiprocessing.get_context("spawn")
    path = str(tmp_path / ("m" + MARK))
    ready = context.Event()
    process = context.Process(target=hold, args=(path, ready), daemon=True)
    process.start()
    assert ready.wait(60)
    yield path, process
    process.kill()
    process.join()


def test_another_process_is_refused_while_the_first_lives(held):
    path, process = held
    with pytest.raises(OutputInUseError), owned_folder(path):
        pytest.fail("two owners")
    remove_abandoned(os.path.dirname(path), MARK)
    assert os.path.exists(os.path.join(path, "half"))
    process.kill()
    process.join()
    with owned_folder(path):
        assert os.listdir(path) == ["lock"]


def test_what_a_killed_owner_left_is_removed(held, tmp_path):
    path, process = held
    process.kill()
    process.join()
    other = tmp_path / "other"
    other.mkdir()
    remove_abandoned(str(tmp_path), MARK)
    assert not os.path.exists(path)
    assert other.exists()


def test_a_folder_without_a_lock_is_left_alone(tmp_path):
    path = tmp_path / ("mine" + MARK)
    path.mkdir()
    (path / "file").write_text("x", encoding="utf-8")
    remove_abandoned(str(tmp_path), MARK)
    assert (path / "file").exists()
    (path / "file").unlink()  # now it is what one leaves that was killed at the end
    remove_abandoned(str(tmp_path), MARK)
    assert not path.exists()


def test_without_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    path = str(tmp_path / ("m" + MARK))
    with owned_folder(path):
        remove_abandoned(str(tmp_path), MARK)
        assert os.path.exists(path)
    assert not os.path.exists(path)
