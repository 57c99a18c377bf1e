"""The ``checkpoint`` state file: read as TensorFlow writes it, and written back."""

from __future__ import annotations

import os

import pytest

from tests.crash.kills import forked
from tf_ckpt_migrate.checkpoint.state import CheckpointState, read_state, record_latest
from tf_ckpt_migrate.errors import CorruptCheckpointError, OutputPathError


@pytest.fixture
def state(tmp_path):
    def write(text):
        path = tmp_path / "checkpoint"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_file_of_tensorflow(goldens):
    folder = goldens / "tf1_15/model_directory/run"
    assert read_state(str(folder / "checkpoint")) == CheckpointState(
        "model.ckpt-3", ("model.ckpt-2", "model.ckpt-3")
    )


def test_escapes(state):
    path = state(r'model_checkpoint_path: "a\"b\\c\n\303\251\x41"')
    assert read_state(path).latest == 'a"b\\c\né' + "A"


def test_fields_of_later_versions_comments_and_blank_lines(state):
    path = state(
        '# by hand\n\nmodel_checkpoint_path: "m-1"\n'
        "all_model_checkpoint_timestamps: 1571697423.5\n"
        "last_preserved_timestamp: -1e3\n"
    )
    assert read_state(path) == CheckpointState("m-1", ("m-1",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no model_checkpoint_path"),
        ('all_model_checkpoint_paths: "m"\n', "names no model_checkpoint_path"),
        ('x: "a"\nhello there\n', "line 2: not a field of a checkpoint state file"),
        ('model_checkpoint_path: "m\n', "line 1: not a field"),
    ],
)
def test_what_is_no_state_file(state, text, told):
    with pytest.raises(CorruptCheckpointError, match=told):
        read_state(state(text))


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "checkpoint"
    with path.open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(CorruptCheckpointError, match="too large for a state file"):
        read_state(str(path))


def test_the_first_state_file_of_a_directory(tmp_path):
    record_latest(str(tmp_path / "m-1"))
    assert (tmp_path / "checkpoint").read_text() == (
        'model_checkpoint_path: "m-1"\nall_model_checkpoint_paths: "m-1"\n'
    )


def test_a_later_one_keeps_what_is_listed(tmp_path):
    for step in (1, 2, 1):
        record_latest(str(tmp_path / f"m-{step}"))
    state = read_state(str(tmp_path / "checkpoint"))
    assert state == CheckpointState("m-1", ("m-2", "m-1"))


def test_an_odd_name_comes_back(tmp_path):
    name = 'mü"{}\\-1'
    record_latest(str(tmp_path / name))
    assert read_state(str(tmp_path / "checkpoint")).latest == name


def test_tensorflow_reads_what_is_written(tf, tmp_path, goldens):
    folder = goldens / "tf1_15/model_directory/run"
    for file in folder.glob("model.ckpt-2*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    record_latest(str(tmp_path / "model.ckpt-2"))
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-2")


def test_a_damaged_state_file_is_not_overwritten(state, tmp_path):
    path = state("<html>")
    with pytest.raises(CorruptCheckpointError):
        record_latest(str(tmp_path / "m-1"))
    assert (tmp_path / "checkpoint").read_text() == "<html>"
    assert path == str(tmp_path / "checkpoint")


def test_names_with_line_breaks_of_unicode(tmp_path):
    name = "a\u2028b\x0bc\x85d"
    record_latest(str(tmp_path / name))
    record_latest(str(tmp_path / "later"))
    assert read_state(str(tmp_path / "checkpoint")).kept == (name, "later")


def test_several_processes_list_all_that_they_have_written(tmp_path):
    def several(number):
        for step in range(8):
            record_latest(str(tmp_path / f"m{number}-{step}"))

    processes = [forked(lambda n=n: several(n)) for n in range(4)]
    assert [os.waitpid(each, 0)[1] for each in processes] == [0] * 4
    state = read_state(str(tmp_path / "checkpoint"))
    assert sorted(state.kept) == sorted(f"m{n}-{s}" for n in range(4) for s in range(8))
    assert state.latest == state.kept[-1]
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_its_permissions_stay(tmp_path):
    record_latest(str(tmp_path / "m-1"))
    (tmp_path / "checkpoint").chmod(0o640)
    record_latest(str(tmp_path / "m-2"))
    assert (tmp_path / "checkpoint").stat().st_mode & 0o777 == 0o640


def test_one_that_is_a_link_is_replaced_and_its_target_stays(tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text('model_checkpoint_path: "m-0"\n', encoding="utf-8")
    (tmp_path / "checkpoint").symlink_to(target)
    record_latest(str(tmp_path / "m-1"))
    assert read_state(str(tmp_path / "checkpoint")).kept == ("m-0", "m-1")
    assert target.read_text(encoding="utf-8") == 'model_checkpoint_path: "m-0"\n'


def test_a_link_in_the_place_of_its_lock_is_named(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "lock").write_text("mine", encoding="utf-8")
    (tmp_path / ".checkpoint.tcm-staging").symlink_to("home")
    with pytest.raises(OutputPathError, match=r"\.tcm-staging.*symbolic link"):
        record_latest(str(tmp_path / "m-1"))
    assert (tmp_path / "home" / "lock").read_text(encoding="utf-8") == "mine"


def test_a_directory_of_its_name_is_told_of(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(OutputPathError, match="is a directory, so there can be"):
        record_latest(str(tmp_path / "m-1"))
