"""What TF1 has trained goes on in Keras, and what Keras has trained in TF1."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.rnn_resumed import (
    CASES,
    apart,
    bound,
    continued,
    model_for,
    prefix_of,
    rules_for,
    train_on,
)
from tf_ckpt_migrate.errors import PlanError

PROGRAM = Path(__file__).with_name("tf1_rnn_goes_on.py")
PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


class Gone(NamedTuple):
    """A training that has gone on in Keras.

    Attributes:
      report: Of the restore.
      outputs: Of the layers then.
      losses: Of the next 20 steps.
      prefix: What was saved after these, in the layout of TF1.
      later: What was saved after 20 more.
    """

    report: Any
    outputs: Any
    losses: list[float]
    prefix: str
    later: str


@pytest.fixture(scope="module")
def gone_on(tf, tmp_path_factory):
    """Return, by name, what has gone on; each once."""
    folder, found = tmp_path_factory.mktemp("gone"), {}

    def go(name):
        if name not in found:
            found[name] = trained(tf, name, folder / name)
        return found[name]

    return go


def trained(tf, name, folder):
    record, checkpoint, rules = continued(name), model_for(tf, name), rules_for(name)
    report = tcm.restore(prefix_of(name), checkpoint, rules)
    outputs = np.asarray(checkpoint.model(np.array(record["x"], np.float32)))
    losses, made = [], []
    for number in range(2):
        losses.append(train_on(tf, checkpoint, record))
        saved = tcm.save_like(
            prefix_of(name), checkpoint, rules, output_prefix=folder / str(number)
        )
        made.append(saved.prefix)
    return Gone(report, outputs, losses[0], *made)


@pytest.mark.parametrize("name", CASES)
def test_training_goes_on(gone_on, name):
    """Weights, averages and slots: after 20 steps, all is as TF1 has it."""
    record, found = continued(name), gone_on(name)
    np.testing.assert_allclose(found.outputs, record["outputs"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.losses, record["losses"], rtol=1e-6, atol=3e-7)
    assert apart(record["values"], tcm.load_checkpoint(found.prefix)) < bound(name)


@pytest.mark.parametrize("name", CASES)
def test_what_was_assumed_is_told(gone_on, name):
    notes = [n for n in gone_on(name).report.plan.notes if "forget_bias" in n]
    untold = name in ("basic_lstm", "lstm_block", "lstm_fused", "stack")
    assert len(notes) == untold
    assert all("forget_bias=1.0 is taken" in note for note in notes)


def test_tf1_goes_on_from_keras(gone_on, tf1_python):
    """From what Keras had after 20 steps, to what it had after 40."""
    pairs = [word for name in CASES for word in (name, gone_on(name).prefix)]
    done = subprocess.run(
        [tf1_python, "-W", "ignore", str(PROGRAM), *pairs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    records = map(json.loads, done.stdout.splitlines())
    found = {
        name: apart(record["values"], tcm.load_checkpoint(gone_on(name).later))
        for name, record in zip(CASES, records, strict=True)
    }
    assert {name: far for name, far in found.items() if far > bound(name)} == {}


class TestTwoBiases:
    """A gate with two biases computes the same, and is trained otherwise."""

    def test_the_state_of_an_optimizer_is_refused(self, tf):
        checkpoint = model_for(tf, "cudnn_gru")
        rules = [
            tcm.Recipe("averages", "/", "/", use="both"),
            tcm.Recipe("gru", "rnn/", "/"),
            tcm.Recipe("optimizer", "Momentum", "optimizer"),
        ]
        with pytest.raises(PlanError, match="two biases of each gate where TF1 has"):
            tcm.restore(prefix_of("cudnn_gru"), checkpoint, rules)

    def test_values_go_there_and_back(self, tf, tmp_path):
        record, prefix = continued("cudnn_gru"), prefix_of("cudnn_gru")
        model = model_for(tf, "cudnn_gru").model
        rules = [
            tcm.Recipe("gru", "rnn/", "/"),
            tcm.Drop(role="slot"),
            tcm.Drop(role="average"),
            tcm.Drop("global_step"),
        ]
        tcm.restore(prefix, model, rules)
        outputs = np.asarray(model(np.array(record["x"], np.float32)))
        np.testing.assert_allclose(outputs, record["outputs"], rtol=0, atol=1e-6)
        # As training would: no row of the bias is 0 any more.
        bias = next(each for each in model.weights if len(each.shape) == 2
                    and each.shape[0] == 2 and "bias" in each.name)  # fmt: skip
        bias.assign(bias + np.full(bias.shape, 0.25, np.float32))
        made = tcm.save_like(prefix, model, rules, output_prefix=tmp_path / "m")
        old, new = tcm.load_checkpoint(prefix), tcm.load_checkpoint(made)
        for key in old:
            cell = key.rpartition("cudnn_compatible_gru_cell/")[2]
            added = {"gates/bias": 0.5}.get(
                cell, 0.25 if cell.endswith("n/bias") else 0
            )
            np.testing.assert_allclose(new[key], old[key] + added, rtol=0, atol=1e-6)

    @pytest.mark.parametrize(("cell", "after"), [("gru", True), ("cudnn_gru", False)])
    def test_a_layer_made_otherwise(self, tf, cell, after):
        layer = tf.keras.layers.GRU(2, reset_after=after, name="layer")
        layer.build((None, None, 3))
        with pytest.raises(
            PlanError, match=f"make it GRU.units, reset_after={not after}"
        ):
            tcm.restore(prefix_of(cell), layer, [tcm.Recipe("gru", "rnn/", "/")])


def rows():
    """The table of cells, by what the cell is called."""
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(r"\| TF1 \| Keras .*?\n\n", text, re.DOTALL)
    assert table
    head, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table[0].strip().splitlines()
    )
    return {line[0]: dict(zip(head, line, strict=True)) for line in lines}


class TestTheTable:
    """``docs/recipes.md`` says what is tested here, and no more."""

    def test_it_has_every_cell(self):
        assert list(rows()) == [
            *(case.cells for case in CASES.values()),
            "`CudnnCompatibleGRUCell`",
        ]

    @pytest.mark.parametrize("name", CASES)
    def test_a_row(self, name):
        row, case = rows()[CASES[name].cells], CASES[name]
        told = "".join(f", {key}={value}" for key, value in case.options.items())
        assert row["Keras"] == f"`{case.layers}`"
        assert row["recipe"] == f"`{case.kind}{told}`"
        assert (row["there"], row["back"]) == ("exact", "exact")
        bounds = {each: float(row[each]) for each in ("apart after 20 steps",)}
        assert bounds["apart after 20 steps"] == bound(name)

    def test_two_biases(self):
        row = rows()["`CudnnCompatibleGRUCell`"]
        assert row["Keras"] == "`GRU(reset_after=True)`"
        assert row["there"] == row["back"] == "values only"
