import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bundle.faults import Disk
from tests.crash.kills import forked
from tf_ckpt_migrate.bundle.commit import (
    check_absent,
    existing_files,
    flushed,
    free_count,
    publish,
    remove_unpublished,
    replace_file,
    staging_folder,
)
from tf_ckpt_migrate.bundle.writer import BundleWriter
from tf_ckpt_migrate.errors import OutputExistsError

SHARD = "m.data-00000-of-00001"
OTHERS = ["m.data-00000-of-00002", "m.data-00001-of-00002"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def make(folder, *names, text="old"):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(text + name, encoding="utf-8")


def contents(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def published(folder, *shards):
    """Stage a checkpoint of these shards and publish it."""
    prefix = str(folder / "m")
    with staging_folder(prefix) as staging:
        make(Path(staging.path), "m.index", *shards, text="new")
        publish(staging, prefix, [str(folder / name) for name in shards])


def test_files_of_a_checkpoint(folder):
    mine = ["m", "m.index", SHARD, *OTHERS, "m.data-00009-of-00010"]
    make(folder, *mine, "m.meta", "m.data", "mm.index", "n" + SHARD, SHARD + ".tmp")
    assert existing_files(str(folder / "m")) == sorted(str(folder / f) for f in mine)


def test_files_of_a_checkpoint_in_this_folder(folder, monkeypatch):
    make(folder, "m.index", "other.index")
    monkeypatch.chdir(folder)
    assert existing_files("m") == ["m.index"]
    assert existing_files("nowhere/m") == []


def test_a_folder_of_the_same_name_is_no_file_of_a_checkpoint(folder):
    make(folder)
    make(folder / "m", "m.index")
    check_absent(str(folder / "m"))
    published(folder, SHARD)
    assert existing_files(str(folder / "m")) == [
        str(folder / SHARD),
        str(folder / "m.index"),
    ]


def test_files_of_an_empty_basename(folder):
    make(folder, ".index", ".data-00000-of-00001", "m.index")
    assert existing_files(f"{folder}/") == [
        f"{folder}/.data-00000-of-00001",
        f"{folder}/.index",
    ]


@pytest.mark.parametrize("names", [["m"], ["m.index"], ["m.index", SHARD]])
def test_a_prefix_that_is_taken(folder, names):
    make(folder, *names)
    with pytest.raises(OutputExistsError, match=r"exists already: .*--overwrite"):
        check_absent(str(folder / "m"))


@pytest.mark.parametrize("name", OTHERS)
def test_data_files_without_an_index_are_no_checkpoint(folder, name):
    make(folder, name)
    with pytest.raises(OutputExistsError, match=f"without an index.*{name}.*killed"):
        check_absent(str(folder / "m"))


@pytest.fixture
def killed(folder):
    """Kill a writer between its data files and its index."""

    def kill(*shards):
        def run():
            with pytest.MonkeyPatch.context() as patch:
                disk = Disk(patch)
                disk.after = lambda: (
                    disk.failed
                    or (
                        disk.steps[-1][0] == "replace"
                        and moves(disk, folder)[-1][1] == shards[-1]
                        and os.kill(os.getpid(), signal.SIGKILL)
                    )
                )
                published(folder, *shards)

        make(folder)
        assert os.WIFSIGNALED(os.waitpid(forked(run), 0)[1])

    return kill


def test_what_was_published_without_its_index_goes(folder, killed):
    killed(*OTHERS)
    assert {*OTHERS} <= {*os.listdir(folder)}
    remove_unpublished(str(folder / "m"))
    assert contents(folder) == {}


def test_a_writer_of_another_prefix_removes_it_too(folder, killed):
    killed(SHARD)
    with staging_folder(str(folder / "other")):
        assert SHARD not in os.listdir(folder)
    assert contents(folder) == {}


def test_a_file_that_came_later_is_not_taken_for_what_was_published(folder, killed):
    killed(SHARD)
    (folder / SHARD).unlink()
    (folder / "copied").write_text("new" + SHARD, encoding="utf-8")
    (folder / "copied").rename(folder / SHARD)
    remove_unpublished(str(folder / "m"))
    assert contents(folder) == {SHARD: "new" + SHARD}


def test_shards_with_an_index_are_never_withdrawn(folder, killed):
    killed(SHARD)
    make(folder, "m.index")
    remove_unpublished(str(folder / "m"))
    assert contents(folder) == {"m.index": "oldm.index", SHARD: "new" + SHARD}


@pytest.mark.parametrize(
    "note", ["../{0}\t{1}", "{0}\t1 2 3", "{0}", "other\t{1}", "\xff\t\t", "{0}\t{1} "]
)
def test_a_note_cannot_name_what_was_not_published(folder, killed, note):
    killed(SHARD)
    seen = (folder / SHARD).lstat()
    identity = f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns}"
    path = folder / ".m.tcm-staging" / "published"
    assert path.read_text() == f"{SHARD}\t{identity}\n"
    path.write_text(note.format(SHARD, identity), encoding="latin-1")
    remove_unpublished(str(folder / "m"))
    assert contents(folder) == {SHARD: "new" + SHARD}


def test_what_its_own_killed_writer_published_goes_from_a_large_folder_too(
    folder, killed, monkeypatch
):
    make(folder, *(f"{number}" for number in range(160)))
    with staging_folder(str(folder / "other")):
        pass  # the folder is listed now, and not again soon
    killed(SHARD)
    listed = []
    original = os.listdir
    monkeypatch.setattr(os, "listdir", lambda p: listed.append(p) or original(p))
    with BundleWriter(str(folder / "m")) as writer:
        writer.commit({})
    assert str(folder) not in listed
    assert {SHARD, "m.index"} < {*original(folder)}


def test_a_prefix_that_is_free(folder):
    make(folder, "m.meta", "checkpoint")
    check_absent(str(folder / "m"))
    check_absent(str(folder / "nowhere" / "m"))


def test_a_staging_folder_is_beside_its_prefix_and_goes(folder):
    with staging_folder(str(folder / "m")) as staging:
        assert os.path.dirname(staging.path) == str(folder)
        assert os.path.basename(staging.path).startswith(".m.")
        make(Path(staging.path), "file")
    assert contents(folder) == {}


def test_a_staging_folder_goes_when_its_user_fails(folder):
    with pytest.raises(KeyboardInterrupt), staging_folder(str(folder / "m")):
        raise KeyboardInterrupt
    assert contents(folder) == {}


def test_a_file_is_replaced_and_its_folder_flushed(folder, monkeypatch):
    make(folder, "staged", "final")
    disk = Disk(monkeypatch)
    replace_file(str(folder / "staged"), str(folder / "final"))
    assert contents(folder) == {"final": "oldstaged"}
    assert [name for name, _ in disk.steps] == ["replace", "fsync"]


def test_flushing_what_is_not_there(folder):
    with pytest.raises(FileNotFoundError):
        flushed(str(folder / "nothing"))


def test_publishing_where_nothing_was(folder):
    published(folder, *OTHERS)
    assert contents(folder) == {name: "new" + name for name in ("m.index", *OTHERS)}


def test_publishing_takes_what_was_there_away(folder):
    make(folder, "m.index", *OTHERS, "m", "m.meta", "n.index")
    published(folder, SHARD)
    new = {"m.index": "newm.index", SHARD: "new" + SHARD}
    others = {name: "old" + name for name in ("m", "m.meta", "n.index")}
    assert contents(folder) == {**new, **others}


def moves(disk, folder):
    """Return what was renamed within or into the folder, staging files as ``...``."""
    return [
        tuple(path.name if path.parent == folder else "..." for path in map(Path, args))
        for name, args in disk.steps
        if name == "replace"
    ]


@pytest.mark.parametrize(
    ("there", "least", "free"),
    [([], 1, 1), ([SHARD], 1, 2), (OTHERS, 1, 1), ([SHARD, *OTHERS], 1, 3)],
)
def test_the_count_of_shards_is_one_that_none_there_has(folder, there, least, free):
    make(folder, "n.data-00000-of-00003", *there)
    assert free_count(str(folder / "m"), least) == free


def test_an_old_index_stays_until_the_new_one_where_shards_differ(folder, monkeypatch):
    make(folder, "m.index", *OTHERS)
    disk = Disk(monkeypatch)
    published(folder, SHARD)
    assert moves(disk, folder) == [("...", SHARD), ("...", "m.index")]
    assert [name for name, _ in disk.steps][-2:] == ["unlink", "unlink"]


@pytest.mark.parametrize("old", [[], OTHERS])
@pytest.mark.parametrize("index", [True, False])
def test_a_failure_puts_all_back(folder, monkeypatch, old, index):
    make(folder, *(["m.index"] if index else []), *old)
    before = contents(folder)
    for fails_at in range(100):
        with monkeypatch.context() as patch:
            disk = Disk(patch, fails_at)
            with suppress(OSError):
                published(folder, SHARD)
        if not disk.failed:
            break
        found = contents(folder)
        if found != before:  # what is left to do comes after the new index
            assert disk.failed in ("fsync", "unlink")
            assert found["m.index"] == "newm.index"
            assert found[SHARD] == "new" + SHARD
            for path in folder.iterdir():
                path.unlink()
            make(folder, *before)  # as it was, for the next step
    assert fails_at >= 4
    assert contents(folder) == {"m.index": "newm.index", SHARD: "new" + SHARD}


def test_a_large_folder_is_listed_now_and_then(folder, monkeypatch):
    make(folder, *(f"{number}" for number in range(160)))
    listed = []
    original = os.listdir
    monkeypatch.setattr(os, "listdir", lambda p: listed.append(p) or original(p))
    for number in range(34):
        with staging_folder(str(folder / f"m-{number}")):
            pass
    assert listed.count(str(folder)) == 4  # at first, and after ten each


def test_what_a_killed_writer_has_left_goes_with_the_next_in_a_small_folder(folder):
    make(folder)
    for _ in range(3):
        make(folder / ".other.tcm-staging")
        with staging_folder(str(folder / "m")):
            assert not (folder / ".other.tcm-staging").exists()
