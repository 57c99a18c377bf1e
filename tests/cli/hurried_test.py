"""What a hurried person types gets one line of advice, and harms nothing."""

from __future__ import annotations

import pytest

from tf_ckpt_migrate.conversion.verify import verify_conversion


@pytest.fixture
def adam(goldens):
    return goldens / "tf1_15/optimizer_adam/model.ckpt"


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("new/", "is a folder; a prefix of file names is wanted"),
        (".", "is a folder"),
        ("m.index", "give the prefix of all of them, "),
        ("m.data-00000-of-00001", "give the prefix of all of them, "),
    ],
)
def test_an_output_that_is_no_prefix(command, adam, tmp_path, output, told):
    outcome = command("convert", adam, f"{tmp_path}/{output}", "--to=tf2")
    assert (outcome.status, outcome.out) == (1, "")
    assert told in outcome.err
    assert [*tmp_path.iterdir()] == []


def test_a_forget_bias_that_is_no_number(command, goldens, tmp_path):
    outcome = command(
        "convert",
        goldens / "tf1_15/rnn_basic_lstm/model.ckpt",
        tmp_path / "m",
        "--recipe=lstm rnn/=lstm/ forget_bias=abc",
    )
    assert outcome.status == 1
    assert "forget_bias='abc' is no number" in outcome.err


@pytest.mark.parametrize("flag", ["--plan", "--map"])
def test_a_checkpoint_for_a_text(command, adam, tmp_path, flag):
    outcome = command("convert", adam, tmp_path / "m", f"{flag}={adam}.index")
    assert outcome.status == 1
    assert "is no text file: it is a file of a checkpoint" in outcome.err


def test_rules_for_a_plan(adam):
    with pytest.raises(TypeError, match="assignment_map=rules"):
        verify_conversion(adam, adam, {"net/": "model/"})
