"""The main job of the README runs, and does what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

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
