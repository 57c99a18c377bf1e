from __future__ import annotations

import subprocess
import sys

import pytest

import tf_ckpt_migrate as tcm
from tests.storage.copies import placed
from tests.storage.counting import WRITING, counted_system
from tf_ckpt_migrate.errors import FarFileError
from tf_ckpt_migrate.storage import access
from tf_ckpt_migrate.storage.access import system_of


def chosen_in_a_new_process(code: str) -> str:
    ask = "from tf_ckpt_migrate.storage.access import system_of\n"
    done = subprocess.run(
        [sys.executable, "-c", ask + code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_scheme_that_nobody_knows_is_one_clear_error():
    with pytest.raises(FarFileError, match=r"'none://'.*fsspec.*pip install"):
        system_of("none://bucket/m")
    with pytest.raises(FarFileError, match="nobody here can read or write 'none://'"):
        tcm.load_checkpoint("none://bucket/m")
    with pytest.raises(FarFileError, match="nobody here can read or write 'none://'"):
        tcm.inspect_checkpoint("NONE://bucket/m")


def test_a_scheme_whose_package_is_missing_names_it():
    with pytest.raises(FarFileError, match=r"'oci://'.*ocifs"):
        system_of("oci://bucket/m")


def test_fsspec_is_enough_and_tensorflow_is_not_imported():
    code = (
        "import sys\n"
        "print(type(system_of('memory://m')).__name__, 'tensorflow' in sys.modules)"
    )
    assert chosen_in_a_new_process(code) == "FsspecSystem False"


def test_tensorflow_is_imported_for_what_only_it_knows(monkeypatch):
    ours = object()
    known = {"only-there": ours, "memory": ours}
    monkeypatch.setattr(access, "_by_tensorflow", known.get)
    monkeypatch.setattr(access, "find_spec", lambda _: True)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    chosen = access._system.__wrapped__
    assert chosen("only-there") is ours
    assert chosen("memory") is not ours
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # by the program itself
    assert chosen("memory") is ours
    with pytest.raises(FarFileError, match=r"tf\.io\.gfile knows no such scheme"):
        chosen("none")


@pytest.mark.tf
def test_a_program_with_tensorflow_reads_as_tensorflow_does():
    code = "import tensorflow\nprint(type(system_of('gs://m')).__name__)"
    assert chosen_in_a_new_process(code) == "GfileSystem"


def test_a_file_url_is_a_path_of_this_machine(goldens):
    folder = goldens / "tf1_15" / "saver_v2"
    assert tcm.load_checkpoint(f"file://{folder}/model.ckpt").prefix == str(
        folder / "model.ckpt"
    )


def test_a_server_that_goes_away_is_one_clear_error(goldens, monkeypatch):
    folder = placed(goldens / "tf1_15" / "saver_v2", "memory://tests/gone")
    counting = counted_system(folder, monkeypatch)
    reader = tcm.load_checkpoint(f"{folder}/model.ckpt")
    counting.fails = lambda *_: True
    with pytest.raises(FarFileError, match=r"cannot .* RuntimeError: the server has"):
        reader[next(iter(reader))]
    with pytest.raises(FarFileError, match="cannot look at 'memory://tests/gone"):
        tcm.load_checkpoint(f"{folder}/model.ckpt")


def test_what_is_forbidden_is_told_with_its_path(goldens, monkeypatch):
    folder = placed(goldens / "tf1_15" / "saver_v2", "memory://tests/forbidden")
    counting = counted_system(folder, monkeypatch)
    counting.error = PermissionError("Access Denied")
    counting.fails = lambda _, name, __: name == "read"
    with pytest.raises(PermissionError, match=r"cannot read it: Access Denied") as told:
        tcm.load_checkpoint(f"{folder}/model.ckpt")
    assert told.value.filename == f"{folder}/model.ckpt.index"
    counting.fails = lambda _, name, __: name in WRITING
    with pytest.raises(PermissionError, match=r"cannot make it: Access Denied"):
        tcm.add_object_keys(f"{folder}/model.ckpt")
    assert tcm.verify_checkpoint(f"{folder}/model.ckpt").ok
