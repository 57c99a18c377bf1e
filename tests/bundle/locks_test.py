import multiprocessing
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tf_ckpt_migrate.bundle import locks
from tf_ckpt_migrate.bundle.locks import (
    check_in_place,
    owned_folder,
    remove_abandoned,
)
from tf_ckpt_migrate.errors import OutputInUseError, OutputPathError

MARK = ".work"


def test_a_folder_is_there_empty_and_goes(tmp_path):
    path = tmp_path / ("m" + MARK)
    with owned_folder(str(path)) as folder:
        assert os.listdir(folder.path) == ["lock"]
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


def test_without_locks_the_first_owns_it(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    path = str(tmp_path / ("m" + MARK))
    with owned_folder(path):
        (Path(path) / "file").write_text("x", encoding="utf-8")
        remove_abandoned(str(tmp_path), MARK)
        with (
            pytest.raises(OutputInUseError, match=r"no locks.*remove that folder"),
            owned_folder(path),
        ):
            pytest.fail("two owners")
        assert sorted(os.listdir(path)) == ["file", "lock"]
    assert not os.path.exists(path)


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def home(tmp_path):
    """A folder whose files are precious, one of them called as a lock."""
    folder = tmp_path / "home"
    (folder / "photos").mkdir(parents=True)
    for name in ("lock", "paper.tex", "photos/cat.jpg"):
        (folder / name).write_text("the only copy", encoding="utf-8")
    (folder / "empty").touch()
    return folder


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def link_to_home(path, home):
    path.symlink_to(home)


def link_to_home_without_lock(path, home):
    (home / "lock").unlink()
    path.symlink_to("../home")


def dangling_link(path, home):
    path.symlink_to(home / "nothing")


def link_to_itself(path, home):
    path.symlink_to(path)


def regular_file(path, home):
    os.link(home / "paper.tex", path)


def linked_lock(path, home):
    path.mkdir()
    (path / "lock").symlink_to(home / "paper.tex")


def dangling_lock(path, home):
    path.mkdir()
    (path / "lock").symlink_to(home / "nothing")


def lock_with_a_second_name(path, home):
    path.mkdir()
    os.link(home / "paper.tex", path / "lock")


def lock_of_another_program(path, home):
    path.mkdir()
    os.link(home / "empty", path / "lock")
    os.link(home / "paper.tex", path / "mine")


def lock_that_is_a_folder(path, home):
    (path / "lock").mkdir(parents=True)


def lock_that_is_a_pipe(path, home):
    path.mkdir()
    os.mkfifo(path / "lock")


def folder_without_a_lock(path, home):
    path.mkdir()
    os.link(home / "paper.tex", path / "mine")


FOREIGN = [
    link_to_home,
    link_to_home_without_lock,
    dangling_link,
    link_to_itself,
    regular_file,
    linked_lock,
    dangling_lock,
    lock_with_a_second_name,
    lock_of_another_program,
    lock_that_is_a_folder,
    lock_that_is_a_pipe,
    folder_without_a_lock,
]


@pytest.mark.parametrize("make", FOREIGN)
@pytest.mark.parametrize("with_locks", [True, False])
def test_what_no_writer_has_made_stays_and_is_named(
    home, run, make, with_locks, monkeypatch
):
    if not with_locks:
        monkeypatch.setattr(locks, "fcntl", None)
    path = run / ("m" + MARK)
    make(path, home)
    before = snapshot(home), snapshot(run)
    error = OutputPathError if with_locks else (OutputPathError, OutputInUseError)
    with pytest.raises(error, match=path.name), owned_folder(str(path)):
        pytest.fail("it is not ours")
    remove_abandoned(str(run), MARK)
    assert (snapshot(home), snapshot(run)) == before


def test_an_empty_lock_with_a_second_name_is_not_written_to(home, run):
    """A writer that is killed early leaves an empty lock, and nothing else."""
    path = run / ("m" + MARK)
    path.mkdir()
    os.link(home / "empty", path / "lock")
    before = snapshot(home)
    with owned_folder(str(path)) as folder:
        assert folder.names() == ["lock"]
    assert snapshot(home) == before
    assert not path.exists()


def test_links_in_a_folder_that_was_left_are_not_followed(home, run, held, tmp_path):
    path, process = held
    process.kill()
    process.join()
    (Path(path) / "link").symlink_to(home)
    (Path(path) / "inner" / "deep").mkdir(parents=True)
    (Path(path) / "inner" / "link").symlink_to(home)
    os.link(home / "paper.tex", Path(path) / "inner" / "deep" / "paper")
    before = snapshot(home)
    remove_abandoned(str(tmp_path), MARK)
    assert not os.path.exists(path)
    assert snapshot(home) == before


def steps(monkeypatch, function, at_call):
    """Call something just before each call of a function of the module ``os``."""
    original = getattr(os, function)

    def called(*args, **options):
        monkeypatch.setattr(os, function, original)
        at_call()
        return original(*args, **options)

    monkeypatch.setattr(os, function, called)


@pytest.mark.parametrize("function", ["mkdir", "open", "listdir", "write"])
def test_a_link_that_appears_meanwhile_is_not_followed(
    home, run, function, monkeypatch
):
    path = run / ("m" + MARK)
    before = snapshot(home)

    def swap():
        if path.exists():
            path.rename(run / "moved")
        path.symlink_to(home)

    steps(monkeypatch, function, swap)
    with pytest.raises(OutputPathError, match=path.name), owned_folder(str(path)) as f:
        check_in_place(f)
    assert path.is_symlink()
    assert snapshot(home) == before


def test_a_folder_that_is_moved_away_is_an_error_that_says_so(home, run):
    path = run / ("m" + MARK)
    before = snapshot(home)

    def write_by_path():
        with owned_folder(str(path)):
            path.rename(run / "moved")
            path.symlink_to(home)
            (path / "shard-0").rename(path / "m")

    with pytest.raises(
        OutputPathError, match="was moved, removed or replaced"
    ) as error:
        write_by_path()
    assert isinstance(error.value.__cause__, FileNotFoundError)
    assert snapshot(home) == before


def test_a_lock_of_a_folder_that_is_gone_is_no_lock(tmp_path, monkeypatch):
    """A third process made the folder again while this one opened the old lock."""
    path = str(tmp_path / ("m" + MARK))
    flock = locks.fcntl.flock
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(owned_folder(path))

        def paused(*args):
            monkeypatch.setattr(locks.fcntl, "flock", flock)
            first.close()
            second.enter_context(owned_folder(path))
            return flock(*args)

        monkeypatch.setattr(locks.fcntl, "flock", paused)
        remove_abandoned(str(tmp_path), MARK)
        assert os.listdir(path) == ["lock"]
        with pytest.raises(OutputInUseError), owned_folder(path):
            pytest.fail("two owners")


def test_a_file_system_without_lasting_identities_ends_in_an_error(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    with (
        pytest.raises(OutputInUseError, match="changes all the time"),
        owned_folder(str(tmp_path / ("m" + MARK))),
    ):
        pytest.fail("nobody knows whose it is")


def test_a_clean_up_keeps_no_writer_out(tmp_path, monkeypatch):
    """It has the lock for a moment, in which the next writer comes."""
    path = str(tmp_path / ("m" + MARK))
    os.mkdir(path)
    lock = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT)
    locks.fcntl.flock(lock, locks.fcntl.LOCK_EX)
    monkeypatch.setattr(locks.time, "sleep", lambda _: os.close(lock))
    with owned_folder(path) as folder:
        assert folder.names() == ["lock"]
