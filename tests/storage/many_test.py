"""Many checkpoints are converted from and to far systems, whatever gets in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import write
from tests.conversion.fleet.many import RULES, spoil, state_text
from tests.storage.copies import files_of, placed
from tests.storage.counting import Counting, counted_system
from tf_ckpt_migrate.bundle.commit import STAGING_MARK
from tf_ckpt_migrate.conversion.fleet.found import find
from tf_ckpt_migrate.conversion.fleet.once import convert_once
from tf_ckpt_migrate.conversion.fleet.request import Request
from tf_ckpt_migrate.errors import CheckpointNotFoundError, OutputPathError
from tf_ckpt_migrate.names.assignment_map import AssignmentMap
from tf_ckpt_migrate.storage.access import names_in
from tf_ckpt_migrate.storage.paths import join

RENAMED = Request(assignment_map=AssignmentMap(RULES))
TO_TF2 = Request(to="tf2")
BAD = {
    "run-0/m-1": "CorruptCheckpointError",
    "run-1/m-2": "MissingShardError",
    "run-2/m-3": "TruncatedFileError",
}


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve checkpoints of three runs, three of them bad."""
    root = tmp_path_factory.mktemp("many") / "source"
    for run in range(3):
        for step in range(1, 5):
            write(root / f"run-{run}/m-{step}", {"net/w": [run], "global_step": step})
        state = state_text(f"m-{step}" for step in range(1, 5))
        (root / f"run-{run}/checkpoint").write_text(state)
    for name, error in BAD.items():
        spoil(str(root / name), error)
    return root


@pytest.fixture(scope="session")
def expected(
    sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files that a run on this machine makes of them."""
    output = tmp_path_factory.mktemp("expected") / "output"
    tcm.convert_all(sources, output, assignment_map=RULES, data="copy")
    return files_of(str(output))


def test_a_folder_becomes_what_it_becomes_here(sources, expected, quick_far):
    source, output = placed(sources, f"{quick_far}/source"), f"{quick_far}/output"
    result = tcm.convert_all(source, output, assignment_map=RULES)
    assert {each.source: each.error for each in result.failed} == {
        f"{source}/{name}": error for name, error in BAD.items()
    }
    assert files_of(output) == expected
    assert not [name for name in names_in(output) if STAGING_MARK in name]
    assert tcm.load_checkpoint(f"{output}/run-0").prefix == f"{output}/run-0/m-4"


def test_once_more_nothing_is_written(sources, quick_far, monkeypatch):
    output = f"{quick_far}/output"
    first = tcm.convert_all(sources, output, assignment_map=RULES)
    counting = counted_system(output, monkeypatch)
    again = tcm.convert_all(sources, output, assignment_map=RULES)
    assert (first.count("converted"), again.count("present")) == (9, 9)
    assert again.failed == first.failed
    made = [path for name, path in counting.calls if name in ("put", "create", "copy")]
    of_bad = tuple(join(output, name) for name in BAD)
    # Of a bad one: that it is begun, until its data turn out not to be there.
    assert all(path.startswith(of_bad) for path in made), made


@pytest.mark.far
def test_a_run_on_a_server(sources, expected, s3_bucket):
    source = placed(sources / "run-1", f"{s3_bucket}/many/source")
    output = f"{s3_bucket}/many/output"
    for status in ("converted", "present"):
        result = tcm.convert_all(source, output, assignment_map=RULES)
        assert result.count(status) == 3
        assert [each.error for each in result.failed] == ["MissingShardError"]
        of_run = {n: data for n, data in expected.items() if n.startswith("run-1/")}
        assert files_of(output, "run-1/") == of_run


def test_from_there_to_here(sources, expected, quick_far, tmp_path):
    source = placed(sources, f"{quick_far}/source")
    found = tcm.convert_all(f"{source}/*/m-?", tmp_path / "o", assignment_map=RULES)
    assert found.count("converted") == 9
    names = {name for name in expected if not name.endswith("/checkpoint")}
    here = files_of(str(tmp_path / "o"))
    assert {name: here[name] for name in names} == {n: expected[n] for n in names}


def test_what_is_found_is_what_is_found_here(sources, quick_far):
    source = placed(sources, f"{quick_far}/source")
    for end in ("", "/", "/*/m-1", "/run-[01]/*", "/**/m-2", "/run-0/m-4"):
        here = find([f"{sources}{end}"], "out").pairs
        there = find([f"{source}{end}"], "out").pairs
        assert [to for _, to in there] == [to for _, to in here]
    with pytest.raises(OutputPathError, match="is the folder of the sources"):
        find([source], f"{source}/")
    for none in (f"{quick_far}/nowhere", f"{quick_far}/nowhere/*", f"{source}/x*"):
        with pytest.raises(CheckpointNotFoundError):
            find([none], "out")


def test_outputs_below_the_sources_are_none_of_them(sources, quick_far):
    source = placed(sources, f"{quick_far}/source")
    before = find([source], f"{source}/out").pairs
    tcm.convert_all(source, f"{source}/out", assignment_map=RULES)
    assert find([source], f"{source}/out").pairs == before


class Worker:
    """Converts one checkpoint to a far system, where one may be that is replaced.

    Args:
      folder: A folder here, for sources.
      far: A folder there, for the output.
      older: Whether there is an output of what the source was before.
    """

    def __init__(self, folder: Path, far: str, *, older: bool) -> None:
        self.output = f"{far}/m"
        self.folder = far
        if older:
            old = str(folder / "old/m")
            if not (folder / "old").exists():
                write(folder / "old/m", {"net/w": [1.0, 2.0], "step": 7})
            assert convert_once(TO_TF2, old, self.output).status == "converted"
        self.source = str(folder / "new/m")
        if not (folder / "new").exists():
            write(folder / "new/m", {"net/w": [3.0, 4.0], "step": 8})

    def work(self) -> str:
        return convert_once(TO_TF2, self.source, self.output).status

    def files(self) -> dict[str, bytes]:
        return files_of(self.folder)

    def counted(self, monkeypatch: pytest.MonkeyPatch) -> Counting:
        return counted_system(self.output, monkeypatch)


@pytest.fixture(params=[False, True], ids=["nothing there", "an older one there"])
def worker(request, tmp_path, quick_far) -> Callable[[object], Worker]:
    """Makes a worker with a far folder of its own."""
    return lambda name: Worker(tmp_path, f"{quick_far}/{name}", older=request.param)


def undisturbed(worker: Callable[[object], Worker]) -> tuple[dict[str, bytes], int]:
    """Return what comes of it, and in how many steps."""
    one = worker("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        counting = one.counted(patch)
        assert one.work() == "converted"
        steps = len(counting.calls)
    assert steps > 15
    return one.files(), steps


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
def test_broken_off_at_any_step_the_next_run_ends_as_one_undisturbed(worker, once):
    wanted, steps = undisturbed(worker)
    seen = set()
    for step in range(1, steps + 1):
        one = worker(step)
        with pytest.MonkeyPatch.context() as patch:
            one.counted(patch).fails = lambda number, *_, step=step: (
                number == step if once else number >= step
            )
            one.work()
        seen.add(one.work())
        assert one.files() == wanted, step
        assert one.work() == "present"
    assert "converted" in seen


def test_a_killed_worker_cannot_clean_up(worker):
    """Every step from one on fails by what nobody catches, as if there were no more."""
    wanted, steps = undisturbed(worker)
    for step in range(1, steps + 1):
        one = worker(step)
        with pytest.MonkeyPatch.context() as patch:
            counting = one.counted(patch)
            counting.error = KeyboardInterrupt()
            counting.fails = lambda number, *_, step=step: number >= step
            with pytest.raises(KeyboardInterrupt):
                one.work()
        assert one.work() in ("converted", "present")
        assert one.files() == wanted, step


class Meeting:
    """Lets a second worker work in the middle of a first one.

    Args:
      one: The worker.
      step: The step of the first before which the second works.
      broken: The step of the second from which on all fail.
      fails: Whether the first fails then.
    """

    def __init__(self, one: Worker, step: int, broken: int, *, fails: bool) -> None:
        self.second = ""
        with pytest.MonkeyPatch.context() as patch:
            counting = one.counted(patch)

            def meet(number: int, *_: str) -> bool:
                if number != step or self.second:
                    return False
                counting.calls.clear()
                counting.fails = lambda number, *_: number >= broken
                self.second = one.work()
                counting.fails = meet
                return fails

            counting.fails = meet
            self.first = one.work()


DONE = ("converted", "present")


@pytest.mark.parametrize("fails", [False, True], ids=["goes on", "fails next"])
def test_two_workers_at_one_output_make_it_once(worker, fails):
    """The second works in the middle of the first, before each of its steps."""
    wanted, steps = undisturbed(worker)
    for step in range(1, steps + 1):
        one = worker(step)
        met = Meeting(one, step, 999, fails=fails)
        assert met.second in DONE, step
        assert fails or met.first in DONE, step
        assert one.files() == wanted, step
        assert one.work() == "present", step


@pytest.mark.parametrize("fails", [False, True], ids=["goes on", "fails next"])
def test_a_second_worker_that_is_broken_off_leaves_none_torn(worker, fails):
    wanted, steps = undisturbed(worker)
    for step in range(1, steps + 1, 5):
        for broken in range(2 + step % 9, steps, 11):
            one = worker(f"{step}-{broken}")
            met = Meeting(one, step, broken, fails=fails)
            if met.first in DONE or met.second in DONE:
                assert one.files() == wanted, (step, broken)
            elif f"{one.output}.index" in one.files():
                assert tcm.verify_checkpoint(one.output).ok, (step, broken)
            assert one.work() in DONE, (step, broken)
            assert one.files() == wanted, (step, broken)


def test_another_plan_at_the_same_time_is_told_of(tmp_path, quick_far, monkeypatch):
    one = Worker(tmp_path, f"{quick_far}/o", older=True)
    counting = one.counted(monkeypatch)
    seen: list[str] = []

    def fails(_: int, name: str, path: str) -> bool:
        if name == "put" and path == f"{one.output}.index" and not seen:
            seen.append(path)
            rules = AssignmentMap({"net/": "model/"})
            other = Request(assignment_map=rules, unused="keep", overwrite=True)
            seen.append(convert_once(other, one.source, one.output).status)
        return False

    counting.fails = fails
    outcome = convert_once(TO_TF2, one.source, one.output)
    assert seen[1:] == ["converted"]
    assert outcome.error == "FarFileError"
    assert "another program" in outcome.reason
