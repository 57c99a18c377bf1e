"""Two hundred checkpoints are migrated by a pipeline, and by one whose worker dies.

The runner is Beam's local one, FnApiRunner: within this process, and where a worker is
killed with two processes. It repeats no bundle of a dead worker; a run after it does
what is left.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import files_in, write
from tests.conversion.fleet.many import BAD, RULES, SIZE, make_fleet
from tests.storage.copies import files_of
from tf_ckpt_migrate.cli.main import main
from tf_ckpt_migrate.conversion.fleet.found import find
from tf_ckpt_migrate.errors import BeamNotFoundError, BeamPipelineError, RuleError
from tf_ckpt_migrate.storage.access import names_in
from tools.environments import ROOT

# Beam's own code warns of many a thing that is to come.
pytestmark = pytest.mark.filterwarnings("ignore")
needs_beam = pytest.mark.beam
LOCAL = ["--runner=FnApiRunner"]


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """Does not wait for the disk: no test here takes the current away."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Checkpoints, what is told of the bad ones, the outputs of one process."""
    root = tmp_path_factory.mktemp("fleet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        bad = make_fleet(root / "source")
        result = tcm.convert_all(root / "source", root / "output", assignment_map=RULES)
    return root / "source", bad, files_in(root / "output"), result


def written(folder):
    """What tells a file that was written anew from one that was left alone."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


@needs_beam
def test_a_pipeline_does_what_one_process_does_and_once(fleet, tmp_path):
    source, bad, wanted, sequential = fleet
    result = tcm.beam.convert_all(source, tmp_path / "o", LOCAL, assignment_map=RULES)
    assert files_in(tmp_path / "o") == wanted
    assert {each.source: each.error for each in result.failed} == bad
    assert [each.status for each in result.outcomes] == [
        each.status for each in sequential.outcomes
    ]
    before = written(tmp_path / "o")
    again = tcm.beam.convert_all(source, tmp_path / "o", LOCAL, assignment_map=RULES)
    assert written(tmp_path / "o") == before
    assert again.count("present") == SIZE - len(BAD)
    assert again.failed == result.failed


@needs_beam
def test_the_transform_counts(fleet, tmp_path):
    import apache_beam as beam

    def counted():
        pairs = [tuple(pair) for pair in find([str(fleet[0])], str(tmp_path)).pairs]
        pipeline = beam.Pipeline(runner="FnApiRunner")
        outcomes = (
            pipeline
            | beam.Create([*pairs, pairs[0]])  # one of them twice
            | tcm.beam.ConvertCheckpoints(assignment_map=RULES)
        )
        _ = outcomes | beam.Map(lambda outcome: outcome.status)
        ended = pipeline.run()
        ended.wait_until_finish()
        by = beam.metrics.MetricsFilter().with_namespace("tf_ckpt_migrate")
        found = ended.metrics().query(by)["counters"]
        return {each.key.metric.name: each.result for each in found}

    good, size = SIZE - len(BAD), 2 * 3 * 4 + 8
    assert counted() == {
        "converted": good,
        "present": 1,
        "failed": len(BAD),
        "keys": 2 * good,
        "bytes_linked": size * good,
        "bytes_written": 0,
    }
    assert counted()["present"] == good + 1


@needs_beam
def test_a_far_folder(fleet):
    """The local runner's workers are threads of this process, which has memory://."""
    source, bad, wanted, _ = fleet
    output = "memory://tests/beam"
    runs = ("run-02/", "run-03/")
    for status in ("converted", "present"):
        result = tcm.beam.convert_all(
            f"{source}/run-0[23]/*", output, LOCAL, assignment_map=RULES
        )
        assert result.count(status) == 19
        assert [each.error for each in result.failed] == [bad[f"{source}/run-03/m-4"]]
        of_runs = {n: data for n, data in wanted.items() if n.startswith(runs)}
        assert files_of(output) == of_runs
        assert sorted(names_in(output)) == ["run-02", "run-03"]


@needs_beam
@pytest.mark.parametrize("output", ["o", "memory://tests/lost"])
def test_outcomes_that_do_not_come_back(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tcm.beam, "_write", print)
    write(tmp_path / "runs/m", {"w": [1]})
    with pytest.raises(BeamPipelineError, match="did not come back"):
        tcm.beam.convert_all("runs", output, LOCAL, to="tf2")
    assert tcm.load_checkpoint(f"{output}/m").format.value == "object-based"


def kill_a_worker(*arguments):
    """Run a pipeline until one of its workers is dead; then end it as a whole.

    Beam's local runner does not notice at once, at some points never.
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.beam_killed", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        told = []
        for line in process.stderr:
            told.append(line)
            if "exited with return code 137" in line:  # 128 + SIGKILL
                break
        else:
            raise AssertionError("".join(told))
        os.killpg(process.pid, signal.SIGKILL)


@needs_beam
def test_after_a_worker_was_killed_the_next_run_does_the_rest(fleet, tmp_path):
    source, bad, wanted, _ = fleet
    output = tmp_path / "output"
    kill_a_worker(source, output, tmp_path / "flag")
    before = written(output)
    records = sum(path.suffix == ".json" for path in before)
    assert 0 < records < SIZE - len(BAD)
    result = tcm.beam.convert_all(source, output, LOCAL, assignment_map=RULES)
    assert files_in(output) == wanted
    assert {each.source: each.error for each in result.failed} == bad
    assert result.count("present") >= records - 2
    # What is done stays as it was; each of the two processes was at one that was not.
    after = written(output)
    records = [path for path in before if path.suffix == ".json"]
    assert sum(before[path] != after[path] for path in records) <= 2


@needs_beam
def test_the_command(tmp_path, capsys):
    for step in range(3):
        write(tmp_path / f"runs/m-{step}", {"w": [step]})
    (tmp_path / "runs/m-1.index").write_bytes(b"")
    command = ["convert-all", f"{tmp_path}/runs", f"{tmp_path}/tf2", "--to=tf2"]
    command += ["--output_format=json", "--runner=FnApiRunner"]
    status = main([*command, "--", "--direct_num_workers=1"])
    told = json.loads(capsys.readouterr().out)
    assert status == 1
    assert (told["converted"], told["present"], told["failed"]) == (2, 0, 1)
    assert main(["convert-all", f"{tmp_path}/runs", f"{tmp_path}/tf2", "--to=tf2"]) == 1
    assert "0 converted, 2 there already, 1 failed" in capsys.readouterr().out


@needs_beam
def test_a_runner_that_breaks_off_is_told_of(tmp_path, monkeypatch):
    import apache_beam as beam

    def run(_):
        raise RuntimeError("the master is gone\nat line 1")

    monkeypatch.setattr(beam.Pipeline, "run", run)
    write(tmp_path / "runs/m", {"w": [1]})
    with pytest.raises(BeamPipelineError, match=r"the master is gone; .*run it again"):
        tcm.beam.convert_all(tmp_path / "runs", tmp_path / "tf2", to="tf2")
    assert not [*(tmp_path / "tf2").iterdir()]


def test_what_cannot_be_asked_for():
    with pytest.raises(RuleError, match="say what to do"):
        tcm.beam.ConvertCheckpoints()
    with pytest.raises(TypeError, match="no_such"):
        tcm.beam.ConvertCheckpoints(to="tf2", no_such=1)


def test_without_beam_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(BeamNotFoundError, match=r"tf-ckpt-migrate\[beam\]"):
        tcm.beam.ConvertCheckpoints(to="tf2")
    write(tmp_path / "runs/m", {"w": [1]})
    command = ["convert-all", f"{tmp_path}/runs", f"{tmp_path}/tf2", "--to=tf2"]
    assert main([*command, "--runner=DirectRunner"]) == 1
    assert "pip install 'tf-ckpt-migrate[beam]'" in capsys.readouterr().err
    assert not (tmp_path / "tf2").exists()
