"""Many checkpoints are converted, whatever is wrong with some, and only once."""

import os
import re
import signal
from functools import partial

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.bundle.faults import Disk
from tests.conversion.checkpoints import files_in, write
from tests.conversion.fleet.many import BAD, RULES, SIZE, state_text
from tests.crash.kills import forked
from tf_ckpt_migrate.checkpoint.state import read_state
from tf_ckpt_migrate.conversion.fleet.once import Outcome
from tf_ckpt_migrate.errors import CheckpointNotFoundError, RuleError

pytestmark = pytest.mark.usefixtures("unflushed")


def stats_of(folder):
    """What tells a file that was written anew from one that was left alone."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


@pytest.fixture(scope="module")
def undisturbed(fleet, tmp_path_factory):
    """The output of one run, and what it returned."""
    output = tmp_path_factory.mktemp("undisturbed") / "output"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        return output, tcm.convert_all(fleet.root, output, assignment_map=RULES)


def test_all_but_the_bad_ones_are_converted(fleet, undisturbed):
    output, result = undisturbed
    assert {each.source: each.error for each in result.failed} == fleet.bad
    assert len(result.outcomes) == SIZE
    good = [each for each in result.outcomes if each.status == "converted"]
    assert len(good) == result.count("converted") == SIZE - len(BAD)
    assert {each.keys for each in good} == {2}
    assert {each.bytes_linked for each in good} == {2 * 3 * 4 + 8}
    assert {each.bytes_written for each in good} == {0}
    for each in good:
        reader = tcm.load_checkpoint(each.output)
        source = tcm.load_checkpoint(each.source)
        assert sorted(reader) == ["model/w", "step"]
        np.testing.assert_array_equal(reader["model/w"], source["net/w"])
        assert reader["step"] == source["global_step"]
    assert not any(os.path.exists(f"{output}/{name}.index") for name in BAD)


def test_the_sources_stay_as_they_are(fleet, tmp_path):
    before = files_in(fleet.root)
    tcm.convert_all(fleet.root / "run-03", tmp_path, assignment_map=RULES)
    assert files_in(fleet.root) == before


def test_a_second_run_writes_nothing(fleet, undisturbed):
    output, first = undisturbed
    before = stats_of(output)
    result = tcm.convert_all(fleet.root, output, assignment_map=RULES)
    assert stats_of(output) == before
    assert result.count("present") == first.count("converted")
    assert result.failed == first.failed


def test_a_killed_run_is_resumed(fleet, undisturbed, tmp_path):
    output = tmp_path / "output"

    def run():
        kill = partial(os.kill, os.getpid(), signal.SIGKILL)
        Disk(pytest.MonkeyPatch(), 1000, fail=kill)
        tcm.convert_all(fleet.root, output, assignment_map=RULES)

    assert os.WIFSIGNALED(os.waitpid(forked(run), 0)[1])
    before = stats_of(output)
    done = sum(path.suffix == ".json" for path in before)
    assert 20 < done < SIZE - len(BAD) - 20
    result = tcm.convert_all(fleet.root, output, assignment_map=RULES)
    assert files_in(output) == files_in(undisturbed[0])
    assert {each.source: each.error for each in result.failed} == fleet.bad
    assert done - 1 <= result.count("present") <= done + 1
    assert result.count("converted") == SIZE - len(BAD) - result.count("present")
    # All but the one at which it was killed, of which the record alone may be new.
    after = stats_of(output)
    present = [each.output for each in result.outcomes if each.status == "present"]
    assert sum(_is_rewritten(each, before, after) for each in present) <= 1


def _is_rewritten(prefix, before, after):
    return any(
        before.get(path) != after[path]
        for path in after
        if str(path).startswith(f"{prefix}.")
    )


def some_of(fleet, undisturbed):
    """A pattern of eighty of them, all good, and the files of their outputs."""
    files = files_in(undisturbed[0]).items()
    wanted = {name: data for name, data in files if re.match("run-[01][0268]/", name)}
    return f"{fleet.root}/run-[01][0268]/*", wanted


def test_an_interrupted_run_is_resumed(fleet, undisturbed, tmp_path):
    def interrupt(done, total):
        assert total == 80
        if done == 40:
            raise KeyboardInterrupt

    source, wanted = some_of(fleet, undisturbed)
    output = tmp_path / "output"
    with pytest.raises(KeyboardInterrupt):
        tcm.convert_all(source, output, assignment_map=RULES, progress=interrupt)
    result = tcm.convert_all(source, output, assignment_map=RULES)
    assert files_in(output) == wanted
    assert (result.count("converted"), result.count("present")) == (40, 40)


def test_two_processes_share_the_work(fleet, undisturbed, tmp_path):
    source, wanted = some_of(fleet, undisturbed)
    output = tmp_path / "output"
    reading, writing = os.pipe()

    def run():
        result = tcm.convert_all(source, output, assignment_map=RULES)
        os.write(writing, b"%d\n" % result.count("converted"))
        assert result.ok

    processes = [forked(run) for _ in range(2)]
    assert [os.waitpid(each, 0)[1] for each in processes] == [0, 0]
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert sum(map(int, pipe)) == 80  # each by one of them
    assert files_in(output) == wanted


def test_state_files_name_the_latest(fleet, undisturbed):
    output, _ = undisturbed
    assert read_state(f"{output}/run-00/checkpoint") == read_state(
        f"{fleet.root}/run-00/checkpoint"
    )
    kept = read_state(f"{output}/run-03/checkpoint")  # m-4 is bad
    assert kept.latest == "m-9"
    assert kept.kept == tuple(f"m-{n}" for n in range(10) if n != 4)
    # m-9 is bad: nothing older may pass for the latest.
    assert not (output / "run-07/checkpoint").exists()


def test_a_state_file_follows_the_training(tmp_path):
    source, output = tmp_path / "source", tmp_path / "output"
    for step in (1, 2):
        write(source / f"m-{step}", {"w": [step]})
        (source / "checkpoint").write_text(state_text([f"m-{step}"]))
        write(output / "other", {"w": [0]}) if step == 1 else None
        tcm.convert_all(source, output, to="tf2")
        assert read_state(f"{output}/checkpoint").latest == f"m-{step}"
    (output / "checkpoint").write_text(state_text(["other", "m-1", "m-2"]))
    tcm.convert_all(source, output, to="tf2")
    assert read_state(f"{output}/checkpoint").kept == ("other", "m-1", "m-2")


def test_a_damaged_state_file_is_told_of(tmp_path):
    write(tmp_path / "source/m", {"w": [1]})
    (tmp_path / "source/checkpoint").write_text("?")
    result = tcm.convert_all(tmp_path / "source", tmp_path / "output", to="tf2")
    assert result.count("converted") == 1
    (other,) = result.others
    assert other.error == "CorruptCheckpointError"
    assert not result.ok
    assert other.source == str(tmp_path / "source/checkpoint")
    assert other.source in str(result)


def test_one_plan_for_all_of_the_same_tensors(tmp_path):
    for step in range(3):
        write(tmp_path / f"source/m-{step}", {"w": np.full(3, step, "f4")})
    write(tmp_path / "source/n", {"w": np.zeros(4, "f4")})
    plan = tcm.plan_migration(
        f"{tmp_path}/source/m-0", assignment_map=[tcm.Rename("w", "v")]
    )
    result = tcm.convert_all(tmp_path / "source", tmp_path / "output", plan=plan)
    assert [each.error for each in result.failed] == ["PlanError"]
    assert tcm.load_checkpoint(tmp_path / "output/m-2")["v"].tolist() == [2, 2, 2]


def test_there_and_back(tmp_path):
    for step in range(3):
        write(tmp_path / f"tf1/m-{step}", {"net/w": [1.0], "net/b": [step]})
    assert tcm.convert_all(tmp_path / "tf1", tmp_path / "tf2", to="tf2").ok
    like = tmp_path / "tf2/m-0"
    assert tcm.convert_all(tmp_path / "tf1", tmp_path / "like", to="tf2", like=like).ok
    assert tcm.convert_all(tmp_path / "tf2", tmp_path / "back", to="tf1").ok
    for step in range(3):
        assert (
            tcm.diff_checkpoints(
                tmp_path / f"tf1/m-{step}", tmp_path / f"back/m-{step}"
            ).equal_count
            == 2
        )


def test_the_table_is_bounded_and_the_json_is_not(tmp_path):
    outcomes = [
        Outcome.of_error(f"a/m-{n}", f"b/m-{n}", OSError(f"line {n}\nline 2"))
        for n in range(3000)
    ]
    result = tcm.ConvertAllResult(tuple(outcomes))
    text = str(result)
    assert len(text.splitlines()) < 60
    assert "a/m-0   OSError  line 0 line 2" in text
    assert "… and 2,950 more; in all 3,000 OSError" in text
    assert '"b/m-2999"' in result.to_json()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({}, "say what to do"),
        ({"to": "tf3"}, "'tf3' is none of"),
        ({"to": "tf1", "averages": "raw"}, "averages"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path, how, told):
    write(tmp_path / "source/m", {"w": [1]})
    with pytest.raises(RuleError, match=told):
        tcm.convert_all(tmp_path / "source", tmp_path / "output", **how)
    with pytest.raises(TypeError, match="expected a MigrationPlan"):
        tcm.convert_all(tmp_path / "source", tmp_path / "output", plan="plan.yaml")
    assert not (tmp_path / "output").exists()


def test_what_all_would_fail_for_is_told_once(tmp_path):
    write(tmp_path / "source/m", {"w": [1]})
    with pytest.raises(CheckpointNotFoundError, match="nowhere"):
        tcm.convert_all(tmp_path / "source", tmp_path / "o", to="tf2", like="nowhere")
    assert not (tmp_path / "o").exists()


def mixed(folder):
    """Make a tree of checkpoints by name, by object, and with both keys."""
    weights = {"net/w": np.ones((2, 3), np.float32)}
    for name in ("by-name/m-1", "by-object/m-1", "both/m-1"):
        (folder / name).parent.mkdir(parents=True)
    write(folder / "by-name/m-1", weights)
    source = folder / "by-name/m-1"
    tcm.convert_tf1_to_tf2(source, folder / "by-object/m-1", data="copy")
    write(folder / "both/m-1", weights)
    tcm.add_object_keys(folder / "both/m-1")
    for each in ("by-name", "by-object", "both"):
        (folder / each / "checkpoint").write_text('model_checkpoint_path: "m-1"')
    return folder


@pytest.mark.parametrize(
    ("to", "wanted", "why"),
    [
        ("tf2", "by-object", "it is object-based (TF2) already"),
        ("tf1", "by-name", "it is name-based (TF1) already"),
    ],
)
def test_what_has_the_wanted_keys_is_skipped(tmp_path, to, wanted, why):
    tree, out = mixed(tmp_path / "tree"), tmp_path / "out"
    before = files_in(tree)
    for status in ("converted", "present"):
        result = tcm.convert_all(tree, out, to=to)
        assert result.ok
        assert {os.path.relpath(e.source, tree): e.status for e in result.outcomes} == {
            **dict.fromkeys(["by-name/m-1", "by-object/m-1", "both/m-1"], status),
            f"{wanted}/m-1": "skipped",
        }
        (skipped,) = (e for e in result.outcomes if e.status == "skipped")
        assert (skipped.reason, skipped.error) == (why, "")
        assert Outcome(**skipped.to_config()) == skipped
        counts = {"converted": 0, "present": 0} | {status: 2}
        assert str(result).splitlines()[0] == (
            f"3 checkpoints: {counts['converted']} converted, {counts['present']} "
            "there already, 1 skipped, 0 failed"
        )
        assert f"skipped, as {why}: {tree}/{wanted}/m-1" in str(result)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        {"by-name", "by-object", "both"} - {wanted}
    )
    assert files_in(tree) == before


@pytest.mark.parametrize(("to", "wanted"), [("tf2", "by-object"), ("tf1", "by-name")])
def test_what_would_be_skipped_fails_if_it_is_damaged(tmp_path, to, wanted):
    for number, damage in enumerate((os.unlink, lambda path: os.truncate(path, 1))):
        tree = mixed(tmp_path / f"tree-{number}")
        damage(tree / f"{wanted}/m-1.data-00000-of-{1 + (to == 'tf2'):05d}")
        result = tcm.convert_all(tree, tmp_path / f"out-{number}", to=to)
        (failed,) = result.failed
        assert failed.source == f"{tree}/{wanted}/m-1"
        assert failed.error in ("MissingShardError", "TruncatedFileError")


def test_an_older_checkpoint_does_not_pass_for_a_latest_that_is_skipped(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    write(tree / "m-1", {"w": [1.0]})
    tcm.convert_tf1_to_tf2(tree / "m-1", tree / "m-2")
    (tree / "checkpoint").write_text(state_text(["m-1", "m-2"]))
    assert tcm.convert_all(tree, out, to="tf2").count("skipped") == 1
    assert not (out / "checkpoint").exists()
