"""The examples run, and tell what they are there to show."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from examples import story
from examples.main_job import COMMANDS
from tools.environments import ROOT, activated

# What the story must tell, in this order.
KEY_LINES = (
    "TF1 trains: accuracy 3",
    "A map that forgets the step is refused:",
    "'global_step' int64[]",
    "1 shard linked",
    "checked: all 7 tensors have the same bytes",
    "checked: tf.train.Checkpoint restores it all, predictions are identical",
    "TF2 trains on, to step 340: accuracy 9",
    "checked: tf.train.Checkpoint restores it, predictions are identical",
    "checked: tf.compat.v1.train.Saver restores it, predictions are identical",
    "And converted back, for TF1 alone:",
    "checked: predictions are identical",
    "name-based, 21 tensors",
    "migrated/as_tf2: 23 keys",
    "migrated/as_tf1: 21 keys",
    "equal",
)


@pytest.mark.tf
def test_main_job(tmp_path):
    env = activated(Path(sys.executable)) | {"PYTHONPATH": str(ROOT)}
    told = "".join(
        subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for command in COMMANDS
    )
    at = [told.index(line) for line in KEY_LINES]
    assert at == sorted(at), told


# A TF1 program that saves for both worlds.
SESSION_LINES = (
    "begins: step 0, loss 6",
    "to step 50, loss 0",
    "is resumed: step 50, loss 0",
    "model.ckpt-100 is dual-keyed",
    "by object as by name: True",
    "is started from it: step 100, loss 0.0",
    "to step 150",
)


@pytest.mark.tf
def test_monitored_session(tmp_path):
    env = activated(Path(sys.executable)) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "examples.monitored_session", str(tmp_path)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    at = [done.stdout.find(line) for line in SESSION_LINES]
    assert -1 not in at, done.stdout
    assert at == sorted(at), done.stdout


@pytest.mark.tf
def test_keras_training(tmp_path):
    env = activated(Path(sys.executable)) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "examples.keras_training", str(tmp_path)]
    told = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert "kept: ckpt-07, ckpt-08; the latest is ckpt-08" in told
    assert "TF1's Saver restores step " in told
    assert told.endswith("checked: tf.train.Checkpoint restores the same\n")


@pytest.mark.tf
def test_contract():
    env = activated(Path(sys.executable)) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "examples.contract"]
    told = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    steps = [line for line in told.splitlines() if line.startswith("--- ")]
    assert steps == [
        "--- as it was trained: fits",
        "--- with other names: BROKEN",
        "--- with other names and a map: fits",
        "--- as a module, with the same map: fits",
        "--- with a wider layer: BROKEN",
    ]
    assert 'tcm.RenameScope("tower/dense/", "classifier/hidden/"),' in told
    assert "float32[4, 2] -> float32[5, 2]" in told


# What the others tell, in this order; each ends with an error where a claim is untrue.
STORIES = {
    "bert_encoder": (
        "TF1 trains 8 steps: loss 0",
        "dense/kernel (16, 16) -> attention_0/attention_output/kernel (4, 4, 16)",
        "iterations: exact, 8",
        "checked: logits differ by up to ",
        "loss in TF1 0.0",
        "checked: losses differ by up to ",
    ),
    "fan_in_fan_out": (
        "Rename('words', 'answered') after Rename('words', 'asked')",
        "words  -> answered  float32[12, 8]",
        "checked: the new code predicts the same, to ",
        "1 shard linked",
        "equal: 4 tensors",
    ),
    "gan": (
        "beta1_power, beta1_power_1",
        "Adam_D iterations exact: 60, by beta1_power and beta2_power",
        "Adam_G iterations exact: 30, by beta1_power_1 and beta2_power_1",
        "checked: what G makes differs by up to ",
        "checked: 10 rounds on: losses of both are TF1's, to ",
    ),
    "gradual_refactoring": (
        "Step 1, an object with the old names: the contract holds",
        "checked: the old checkpoint loads",
        "Step 2, other names for a layer: BROKEN",
        'tcm.Rename("net/out/w", "net/out/kernel"),',
        "Step 2 with that map: the contract holds",
        "checked: the old checkpoint loads",
        "Step 3",
        "checked: the old checkpoint loads",
    ),
    "prune_for_inference": (
        "trained.ckpt: 27 tensors, 7",
        "21 dropped: beta1_power (optimizer)",
        "checked: it serves what the weights predict, bit for bit",
        "weights.ckpt: 6 tensors, 1",
        "averaged.ckpt: 6 tensors, 1",
        "checked: it serves what the averages predict",
    ),
    "rnn": (
        "_cell/kernel' -> 'lstm/lstm_cell/recurrent_kernel' float32[8, 32]",
        "iterations: exact, 40",
        "checked: 10 steps on in Keras: losses are TF1's, to ",
        "TF1's own Saver restores it, at step 50",
        "checked: 10 steps on in TF1: as if it had never left, to ",
    ),
    "vocabulary": (
        "TF1 trains with 7 words: ",
        "0 kept, 7 moved, 3 new (mean), 0 dropped",
        "0 kept, 7 moved, 3 new (0.1), 0 dropped",
        "checked: known texts: predictions differ by up to ",
        "checked: it has learned them",
    ),
}


@pytest.mark.filterwarnings("default")  # of TensorFlow, on what TF1 code does
@pytest.mark.parametrize("name", STORIES)
def test_story(name, tf, tmp_path, capsys):
    from examples import (
        bert_encoder,
        fan_in_fan_out,
        gan,
        gradual_refactoring,
        prune_for_inference,
        rnn,
        vocabulary,
    )

    programs = (
        *(bert_encoder, fan_in_fan_out, gan, gradual_refactoring),
        *(prune_for_inference, rnn, vocabulary),
    )
    {p.__name__: p for p in programs}[f"examples.{name}"].main(str(tmp_path))
    tells_in_order(capsys.readouterr().out, STORIES[name])


def tells_in_order(told, lines):
    end = 0
    for line in lines:
        at = told.find(line, end)
        assert at >= 0, f"{line!r} is not told there:\n{told}"
        end = at + len(line)


@pytest.mark.filterwarnings("default")
def test_estimator(tf, tmp_path, capsys):
    from examples import estimator

    if not hasattr(tf, "estimator"):
        with pytest.raises(SystemExit, match=r"has no Estimators.*monitored_session"):
            estimator.main(str(tmp_path))
        return
    estimator.main(str(tmp_path))
    lines = (
        "An Estimator trains 100 steps, to a loss of 0.0",
        ": dual-keyed",
        "checked: TF2 predicts the same from it",
        "TF2 trains on to step 200, to a loss of 0.0",
        ": object-based",
        "checked: it goes on from the step of TF2",
        "checked: no weight is farther off than one step of Adam",
    )
    tells_in_order(capsys.readouterr().out, lines)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is there"
)
def test_read_without_tensorflow():
    command = [sys.executable, "-m", "examples.read_without_tensorflow"]
    told = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    lines = (
        "name-based, 9 tensors, 9 parameters, 454 bytes in 2 files",
        "ok; 9 tensors, 124 bytes fit their checksums",
        "The largest value is in 'net/b/Adam'",
        "not finite: nothing",
        "checked: all of it without TensorFlow",
    )
    tells_in_order(told, lines)


class TestStory:
    def test_a_claim_that_does_not_hold_ends_the_program(self, capsys):
        story.check(True, "one is one")
        with pytest.raises(SystemExit, match="should hold, and does not: one is two"):
            story.check(False, "one is two")
        assert capsys.readouterr().out == "  checked: one is one\n"

    def test_a_difference_is_the_largest_and_one_of_nan_is_nan(self):
        assert story.apart([1, 5], [1.5, 3]) == 2
        assert not story.apart([1, float("nan")], [1, 1]) < 1

    @pytest.mark.parametrize("given", [True, False])
    def test_the_folder(self, given, tmp_path, monkeypatch):
        found = []
        folder = tmp_path / "new"
        monkeypatch.setattr(sys, "argv", ["x", str(folder)] if given else ["x"])
        story.run(lambda path: found.append((path, Path(path).is_dir())))
        ((path, was_there),) = found
        assert was_there
        assert (path == str(folder)) == given == Path(path).exists()


def test_every_example_is_on_the_page():
    page = (ROOT / "docs" / "examples.md").read_text()
    beside = {"__init__", "story", "spirals", "migrate_tf1_model"}
    names = {path.stem for path in (ROOT / "examples").glob("*.py")} - beside
    assert {name for name in names if f"examples/{name}.py" not in page} == set()


# A fleet is migrated in three runs.
FLEET_LINES = (
    "--- stopped after 12 checkpoints\ninterrupted\n",
    "40 checkpoints: 27 converted, 12 there already, 1 failed\n",
    "model.ckpt-200  MissingShardError  data shard ",
    "40 checkpoints: 1 converted, 39 there already, 0 failed\n",
    "the latest of run-07: step 500, encoder/w, step\n",
)


@pytest.mark.parametrize(
    "options",
    [[], pytest.param(["--runner=FnApiRunner"], marks=pytest.mark.beam)],
    ids=["here", "beam"],
)
def test_fleet(tmp_path, options):
    env = activated(Path(sys.executable)) | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-m", "examples.fleet", str(tmp_path), *options],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    at = [told.find(line) for line in FLEET_LINES]
    assert -1 not in at, told
    assert at == sorted(at), told
