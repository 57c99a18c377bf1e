"""What SECURITY.md promises: no code from files, nothing outside the named places."""

from __future__ import annotations

import ast
import os
import re
import sys

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.crash.operations import OPERATIONS, Scene
from tests.fuzz import seeds
from tf_ckpt_migrate.checkpoint.state import kept_beside
from tf_ckpt_migrate.errors import (
    CheckpointNotFoundError,
    NotACheckpointError,
    OutputExistsError,
    OutputPathError,
    VocabularyError,
)
from tf_ckpt_migrate.storage import access
from tf_ckpt_migrate.storage import access as far_writer
from tf_ckpt_migrate.transforms.vocabulary import read_vocabulary
from tools.source_graph import PACKAGE, ROOT, modules, tree

MODULES = modules()

# What runs what it is given, or makes objects of it.
RUNS_CODE = {"eval", "exec", "compile", "__import__", "execfile"}
MAKES_OBJECTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
# One function of the C library of google-crc32c, by a fixed name; nothing of a file's.
ALLOWED = {("tf_ckpt_migrate.table.crc32c", "ctypes")}
STARTS_PROGRAMS = {"subprocess", "ctypes", "cffi", "runpy", "code", "socket", "urllib"}
UNSAFE = {"system", "popen", "load", "unsafe_load", "full_load", "loadtxt"}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_can_run_what_a_file_says(module):
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        else:
            names = set()
        names -= {name for owner, name in ALLOWED if owner == module}
        assert not names & (MAKES_OBJECTS | STARTS_PROGRAMS), ast.unparse(node)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in RUNS_CODE
            owner, _, method = called.rpartition(".")
            assert owner not in ("os", "yaml", "np", "numpy") or method not in UNSAFE


def test_every_dependency_has_a_lower_bound_and_none_is_fixed():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    block = re.findall(r"install_requires=\[(.*?)\]", text, re.DOTALL)[0]
    found = re.findall(r'"([\w-]+)([^"]*)"', block)
    assert len(found) >= 9
    assert [name for name, bounds in found if not bounds.startswith(">=")] == []
    assert "--resolution=lowest-direct" in (ROOT / "run_tests.py").read_text()


RECORDED: list[str] | None = None


def _record(event: str, args: tuple[object, ...]) -> None:
    # Listing a folder, too, is reading it.
    of_files = event == "open" or event.startswith(("os.", "shutil."))
    if RECORDED is None or not of_files or event in ("os.putenv", "os.unsetenv"):
        return
    RECORDED.extend(
        os.path.abspath(os.fsdecode(each))
        for each in args
        if isinstance(each, str | bytes | os.PathLike) and "/" in os.fsdecode(each)
    )


@pytest.fixture
def paths(monkeypatch):
    """The paths that are opened, listed, made, renamed or removed from now on."""
    if _record not in _HOOKS:  # one hook for all tests, as none can be taken back
        sys.addaudithook(_record)
        _HOOKS.append(_record)
    found: list[str] = []
    monkeypatch.setattr(sys.modules[__name__], "RECORDED", found)
    return found


_HOOKS: list[object] = []
CODE = re.compile(rf"\.(py|pyc|so)(\.\d+)?$|/lib/python|^/proc|^{ROOT}/{PACKAGE}\b")


def outside(paths, *folders):
    return sorted(
        {
            path
            for path in paths
            if not CODE.search(path)
            and not any(path == f"{f}" or path.startswith(f"{f}/") for f in folders)
        }
    )


KEYS = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a/../../b",
    "~/w",
    "C:\\w",
    "w\n",
    "w ",
]


def test_names_that_lead_elsewhere_are_names_and_no_paths(tmp_path, paths):
    folder, out = tmp_path / "in", tmp_path / "out"
    arrays = {key: np.float32([number]) for number, key in enumerate(KEYS)}
    source = str(folder / "m")
    _write(source, arrays)
    tcm.list_variables(source)  # loads what it needs
    del paths[:]
    assert tcm.verify_checkpoint(source).ok
    str(tcm.inspect_checkpoint(source, values=True))
    result = tcm.convert(
        tcm.plan_migration(source, assignment_map={"/": "net/"}), str(out / "m")
    )
    assert result.keys == len(KEYS)
    back = tcm.load_checkpoint(str(out / "m"))
    assert {key: back[f"net/{key}"].tolist() for key in arrays} == {
        key: value.tolist() for key, value in arrays.items()
    }
    assert any(path.startswith(str(out)) for path in paths)
    assert outside(paths, folder, out) == []


def _write(prefix: str, arrays: dict[str, np.ndarray]) -> None:
    from tests.bundle.files import write_checkpoint

    write_checkpoint(prefix, arrays)


LEADS_ELSEWHERE = ["../other/m-1", "/nowhere/at/all/m-1", "../../m-1"]


@pytest.mark.parametrize("named", LEADS_ELSEWHERE)
def test_a_state_file_makes_nobody_write_elsewhere(tmp_path, paths, named):
    folder = tmp_path / "run"
    _write(str(folder / "m-1"), {"w": np.float32([1])})
    other = tmp_path / "other"
    _write(str(other / "m-1"), {"w": np.float32([2])})
    before = {path: path.read_bytes() for path in other.iterdir()}
    state = f'model_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "{named}"\n'
    (folder / "checkpoint").write_text(state)
    plan = tcm.plan_migration(str(folder / "m-1"))
    tcm.convert(plan, str(folder / "m-2"), update_state_file=True)
    tcm.convert(plan, str(folder / "m-2"), update_state_file=True, overwrite=True)
    assert {path: path.read_bytes() for path in other.iterdir()} == before
    assert outside(paths, tmp_path) == []
    assert 'model_checkpoint_path: "m-2"' in (folder / "checkpoint").read_text()


URLS = ["http://host/runs/m-1", "s3://bucket/m-1", "GS://b/m-1", "hdfs:///runs/m-1"]
READERS = {
    "load": lambda folder, _: tcm.load_checkpoint(folder),
    "inspect": lambda folder, _: tcm.inspect_checkpoint(folder, values=True),
    "list": lambda folder, _: tcm.list_variables(folder),
    "verify": lambda folder, _: tcm.verify_checkpoint(folder),
    "diff": lambda folder, _: tcm.diff_checkpoints(folder, folder),
    "plan": lambda folder, _: tcm.plan_migration(folder),
    "state file": lambda folder, _: tcm.load_checkpoint(folder / "checkpoint"),
    "convert": lambda folder, out: tcm.convert_tf1_to_tf2(folder, out / "m"),
    "convert all": lambda folder, out: tcm.convert_all(folder, out, to="tf2"),
    "update": lambda folder, _: tcm.compact(
        folder, folder / "m-2", update_state_file=True
    ),
}


@pytest.fixture
def unreachable(monkeypatch):
    """Let no file system but the local one be asked for anything."""

    def refuse(path):
        pytest.fail(f"{path!r} was opened")

    for module in (access, far_writer):
        monkeypatch.setattr(module, "system_of", refuse)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("reader", READERS)
def test_a_state_file_makes_nobody_open_a_network_connection(
    tmp_path, unreachable, reader, url
):
    folder = tmp_path / "run"
    _write(str(folder / "m-1"), {"w": np.float32([1])})
    _write(str(folder / "m-0"), {"w": np.float32([0])})
    text = f'model_checkpoint_path: "{url}"\nall_model_checkpoint_paths: "{url}"\n'
    (folder / "checkpoint").write_text(text)
    READERS[reader](folder, tmp_path / "out")
    found = tcm.load_checkpoint(folder)
    if reader != "update":
        assert found["w"].tolist() == [1]
        (note,) = found.notes
        assert f"{url!r}, which is a URL of another file system" in note
    (folder / "m-1.index").unlink()
    (folder / "checkpoint").write_text(text)
    with pytest.raises(CheckpointNotFoundError, match=f"{url}.*pass it yourself"):
        tcm.load_checkpoint(folder)
    assert not tcm.convert_all(folder, tmp_path / "new", to="tf2").ok


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder"])
def test_no_writer_empties_what_it_has_not_made(tmp_path, name, kind):
    """A folder from elsewhere has something in the place of the staging directory."""
    scene = Scene(tmp_path / "scene", OPERATIONS[name])
    scene.set()
    run, home = tmp_path / "scene" / "run", tmp_path / "home"
    home.mkdir()
    staging = run / ".model.ckpt.tcm-staging"
    if kind == "folder":
        staging.mkdir()
    else:
        staging.symlink_to(home if kind == "link" else "nothing")
    mine = {"link": home, "dangling link": run, "folder": staging}[kind] / "lock"
    mine.write_text("the only copy")
    (run / ".other.tcm-staging").symlink_to(home)
    before = {path: path.lstat() for path in (staging, mine)}
    with pytest.raises(OutputPathError, match=r"\.model\.ckpt\.tcm-staging"):
        scene.run()
    assert scene.check() != scene.new
    assert {path: path.lstat() for path in before} == before
    assert mine.read_text() == "the only copy"
    assert os.listdir(home) == (["lock"] if kind == "link" else [])


def test_no_link_in_the_place_of_a_file_of_an_output_is_followed(tmp_path):
    _write(str(tmp_path / "m"), {"w": np.float32([1])})
    out, home = tmp_path / "out", tmp_path / "home"
    out.mkdir()
    home.mkdir()
    names = ["m.index", "m.data-00000-of-00001", "m.data-00001-of-00002", "checkpoint"]
    for name in names:
        (home / name).write_text("mine")
        (out / name).symlink_to(home / name)
    with pytest.raises(OutputExistsError):
        tcm.compact(tmp_path / "m", out / "m")
    (out / "checkpoint").unlink()
    (out / "checkpoint").symlink_to("nothing")
    tcm.compact(tmp_path / "m", out / "m", overwrite=True, update_state_file=True)
    assert tcm.load_checkpoint(out)["w"].tolist() == [1]
    assert {name: (home / name).read_text() for name in names} == dict.fromkeys(
        names, "mine"
    )
    assert not any(path.is_symlink() for path in out.iterdir())


def test_converting_many_names_links_in_the_place_of_its_locks(tmp_path):
    source, out, home = (tmp_path / name for name in ("in", "out", "home"))
    _write(str(source / "m-1"), {"w": np.float32([1])})
    _write(str(source / "m-2"), {"w": np.float32([2])})
    (source / "checkpoint").write_text('model_checkpoint_path: "m-1"\n')
    out.mkdir()
    home.mkdir()
    (home / "lock").write_text("mine")
    for name in ("m-2.migrated.json", "checkpoint"):
        (out / f".{name}.tcm-staging").symlink_to(home)
    result = tcm.convert_all(source, out, to="tf2")
    status = {os.path.basename(each.output): each for each in result.outcomes}
    assert status["m-1"].status == "converted"
    assert "m-2.migrated.json.tcm-staging" in status["m-2"].reason
    assert not result.ok
    assert ".checkpoint.tcm-staging" in str(result)
    assert (home / "lock").read_text() == "mine"
    assert os.listdir(home) == ["lock"]


def test_a_state_file_may_name_a_checkpoint_elsewhere_which_is_told(tmp_path):
    """As TensorFlow reads it: model directories are moved, and mounted elsewhere."""
    folder, other = tmp_path / "run", tmp_path / "other"
    _write(str(other / "m-1"), {"w": np.float32([2])})
    folder.mkdir()
    (folder / "checkpoint").write_text('model_checkpoint_path: "../other/m-1"\n')
    reader = tcm.load_checkpoint(folder)
    assert reader["w"].tolist() == [2]
    (note,) = reader.notes
    assert "names '../other/m-1', which lies outside of" in note


def test_an_object_graph_that_leads_elsewhere(tmp_path, paths):
    graph = seeds.object_graph().replace(b"\x0a\x00", b"")
    seeds.graph_checkpoint(graph, tmp_path / "g")
    seeds.graph_checkpoint(
        graph.replace(b"VARIABLE_VALUE", b"../../../../.."), tmp_path / "g"
    )
    str(tcm.inspect_checkpoint(tmp_path / "g"))
    str(tcm.verify_checkpoint(tmp_path / "g"))
    assert outside(paths, tmp_path) == []


def test_the_recorder_records(tmp_path, paths):
    (tmp_path / "a").write_text("")
    os.rename(tmp_path / "a", tmp_path / "b")
    assert outside(paths) == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_never_ends_is_not_read(tmp_path):
    _write(str(tmp_path / "m"), {"w": np.float32([1])})
    shard = tmp_path / "m.data-00000-of-00001"
    shard.unlink()
    os.mkfifo(shard)
    os.mkfifo(tmp_path / "vocabulary.txt")
    os.mkfifo(tmp_path / "checkpoint")
    (problem,) = tcm.verify_checkpoint(tmp_path / "m").problems
    assert "is no regular file" in problem
    with pytest.raises(NotACheckpointError, match="is no regular file"):
        tcm.load_checkpoint(tmp_path / "m").get_tensor("w")
    with pytest.raises(VocabularyError, match="is no regular file"):
        read_vocabulary(str(tmp_path / "vocabulary.txt"))
    assert kept_beside(str(tmp_path / "m")) == ()
