"""One checkpoint is converted once, whatever ends the process or gets in its way."""

import errno
import os
import shutil
import signal
from functools import partial

import pytest

from tests.bundle.faults import Disk
from tests.conversion.checkpoints import files_in, write
from tests.crash.kills import forked
from tf_ckpt_migrate.bundle import commit as staging
from tf_ckpt_migrate.checkpoint import owned_file
from tf_ckpt_migrate.checkpoint.reader import load_checkpoint
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.fleet import once
from tf_ckpt_migrate.conversion.fleet.convert_all import convert_all
from tf_ckpt_migrate.conversion.fleet.once import convert_once
from tf_ckpt_migrate.conversion.fleet.recognition import record_path
from tf_ckpt_migrate.conversion.fleet.request import Request
from tf_ckpt_migrate.names.assignment_map import AssignmentMap

pytestmark = pytest.mark.usefixtures("unflushed")
TO_TF2 = Request(to="tf2")
_MOST = 100  # steps


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "source/m", {"net/w": [1.0, 2.0], "step": 7})


@pytest.fixture
def output(tmp_path):
    return str(tmp_path / "output/m")


def status(source, output, request=TO_TF2):
    return convert_once(request, source, output).status


def test_killed_at_every_step_the_next_run_ends_as_one_undisturbed(
    source, output, tmp_path
):
    assert status(source, f"{tmp_path}/undisturbed/m") == "converted"
    wanted = files_in(tmp_path / "undisturbed")

    def run(at):
        kill = partial(os.kill, os.getpid(), signal.SIGKILL)
        Disk(pytest.MonkeyPatch(), at, fail=kill)
        assert status(source, output) == "converted"

    seen = []
    for at in range(_MOST):
        shutil.rmtree(os.path.dirname(output), ignore_errors=True)
        _, ended = os.waitpid(forked(partial(run, at)), 0)
        (outcome,) = convert_all(
            os.path.dirname(source), os.path.dirname(output), to="tf2"
        ).outcomes
        seen.append(outcome.status)
        assert files_in(os.path.dirname(output)) == wanted
        assert status(source, output) == "present"
        if not os.WIFSIGNALED(ended):
            assert os.WEXITSTATUS(ended) == 0
            break
    assert len(seen) > 8
    assert seen == sorted(seen)  # converted anew, until all but the record is there
    assert "converted" in seen


def test_an_error_at_every_step_is_told_and_stops_no_later_run(
    source, output, tmp_path
):
    for at in range(_MOST):
        shutil.rmtree(os.path.dirname(output), ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, at)
            outcome = convert_once(TO_TF2, source, output)
        if outcome.status == "failed":
            assert outcome.error == "OSError"
            assert os.strerror(errno.ENOSPC) in outcome.reason
        assert status(source, output) in ("converted", "present")
        assert [*load_checkpoint(output)]
        if not disk.failed:
            break
    assert at > 8


def test_what_failed_leaves_the_output_of_before(source, output):
    assert status(source, output) == "converted"
    before = files_in(os.path.dirname(output))
    write(f"{source}-new", {"net/w": [3.0, 4.0], "step": 8})
    for name in os.listdir(os.path.dirname(source)):
        if name.startswith("m-new."):
            folder = os.path.dirname(source)
            os.replace(f"{folder}/{name}", f"{folder}/{name.replace('-new', '')}")
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, 5)
        assert status(source, output) == "failed"
    assert files_in(os.path.dirname(output)) == before
    assert status(source, output) == "converted"
    assert load_checkpoint(output)["vars/step/.ATTRIBUTES/VARIABLE_VALUE"] == 8


def test_another_request_is_carried_out(source, output):
    def renamed(**names):
        rules = AssignmentMap({"net/": "model/", **names})
        return Request(assignment_map=rules, unused="keep")

    assert status(source, output, renamed()) == "converted"
    assert status(source, output, TO_TF2) == "converted"
    assert status(source, output, renamed()) == "converted"
    # A map that makes the same of it is no other request.
    same = AssignmentMap({"net/w": "model/w"})
    other = Request(assignment_map=same, unused="keep")
    assert status(source, output, other) == "present"
    assert status(source, output, renamed(step="global_step")) == "converted"
    assert sorted(load_checkpoint(output)) == ["global_step", "model/w"]


def test_what_the_outputs_are_like_belongs_to_the_request(source, output, tmp_path):
    like = f"{tmp_path}/like/m"
    request = Request(to="tf2", like=like)
    assert status(source, like) == "converted"
    assert status(source, output, request) == "converted"
    assert status(source, output, request) == "present"
    shutil.rmtree(os.path.dirname(like))
    rules = AssignmentMap({"net/w": "net/w"})
    given = Request(to="tf2", assignment_map=rules, unused="keep")
    assert status(write(tmp_path / "o", {"net/w": [1.0, 2.0], "step": 1}), like, given)
    assert status(source, output, request) == "converted"


@pytest.mark.parametrize(
    "damage",
    [
        lambda output: os.unlink(f"{output}.index"),
        lambda output: os.unlink(f"{output}.data-00000-of-00002"),
        lambda output: os.truncate(f"{output}.data-00001-of-00002", 3),
        lambda output: (
            os.unlink(record_path(output))
            or os.unlink(f"{output}.index")
            or [os.unlink(f"{output}.data-0000{n}-of-00002") for n in range(2)]
        ),
    ],
)
def test_a_damaged_output_is_made_anew(source, output, damage):
    assert status(source, output) == "converted"
    damage(output)
    assert status(source, output) == "converted"
    assert status(source, output) == "present"
    assert load_checkpoint(output)["vars/step/.ATTRIBUTES/VARIABLE_VALUE"] == 7


def test_a_checkpoint_of_others_is_replaced_only_when_asked_for(source, output):
    write(output, {"precious": [1.0]})
    before = files_in(os.path.dirname(output))
    outcome = convert_once(TO_TF2, source, output)
    assert outcome.error == "OutputExistsError"
    assert "overwrite=True" in outcome.reason
    assert files_in(os.path.dirname(output)) == before
    assert status(source, output, Request(to="tf2", overwrite=True)) == "converted"
    assert status(source, output) == "present"


def test_an_output_that_others_have_changed_is_theirs(source, output):
    assert status(source, output) == "converted"
    add_name_keys(output)
    before = files_in(os.path.dirname(output))
    outcome = convert_once(TO_TF2, source, output)
    assert outcome.error == "OutputExistsError"
    assert "is not as it was converted" in outcome.reason
    assert files_in(os.path.dirname(output)) == before
    assert status(source, output, Request(to="tf2", overwrite=True)) == "converted"
    assert status(source, output) == "present"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', "null"])
def test_a_record_that_is_none(source, output, text):
    assert status(source, output) == "converted"
    with open(record_path(output), "w", encoding="utf-8") as file:
        file.write(text)
    assert convert_once(TO_TF2, source, output).error == "OutputExistsError"
    assert status(source, output, Request(to="tf2", overwrite=True)) == "converted"


@pytest.mark.parametrize("error", [MemoryError("no room"), TypeError("a mistake")])
def test_an_error_that_is_not_ours_is_told_with_its_type(
    source, output, error, monkeypatch
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(once, "carried_out", fail)
    outcome = convert_once(TO_TF2, source, output)
    assert (outcome.status, outcome.error) == ("failed", type(error).__name__)
    assert outcome.reason == str(error)
    monkeypatch.undo()
    assert status(source, output) == "converted"


def test_an_interruption_is_none_of_the_outcomes(source, output, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(once, "carried_out", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert_once(TO_TF2, source, output)
    assert os.listdir(os.path.dirname(output)) == []


def test_a_second_process_waits_for_the_first(source, output, monkeypatch):
    """The first is stopped while it owns the output, until the second is waiting."""
    ready, go = os.pipe(), os.pipe()

    def first():
        def stopped(*arguments, **options):
            os.write(ready[1], b"!")
            os.read(go[0], 1)
            return convert(*arguments, **options)

        convert = once.carried_out
        once.carried_out = stopped
        assert status(source, output) == "converted"

    process = forked(first)
    os.read(ready[0], 1)
    monkeypatch.setattr(owned_file, "_PATIENCE", -1)
    outcome = convert_once(TO_TF2, source, output)
    assert outcome.error == "OutputInUseError"
    monkeypatch.setattr(owned_file, "_PATIENCE", 600)
    ended = []

    def until_it_ends(seconds):
        os.write(go[1], b"!")
        ended.append(os.waitpid(process, 0)[1])

    monkeypatch.setattr(staging.time, "sleep", until_it_ends)
    assert status(source, output) == "present"
    assert ended == [0]


def test_a_request_travels_as_plain_data(source):
    plan = Request(to="tf2").plan_for(load_checkpoint(source))
    for request in (
        Request(to="tf1", names="key", data="copy", overwrite=True),
        Request(
            assignment_map=AssignmentMap({"a/": "b/"}),
            unused="drop",
            averages="both",
        ),
        Request(plan=plan),
    ):
        assert Request.from_config(request.to_config()) == request
