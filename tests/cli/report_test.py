"""``tf-ckpt-migrate report``: a page, text or JSON, of a plan or of checkpoints."""

from __future__ import annotations

import argparse
import json

import pytest

from tf_ckpt_migrate.cli.rules import add_rules, rule_flags


@pytest.fixture
def adam(goldens):
    """A name-based checkpoint of two weights with Adam."""
    return goldens / "tf1_15/optimizer_adam/model.ckpt"


RULES = ("--rename=net/=model/", "--drop_role=step", "--drop", "beta._power")


@pytest.fixture
def converted(command, adam, tmp_path):
    assert command("convert", adam, tmp_path / "m", *RULES).status == 0
    return tmp_path / "m"


@pytest.fixture
def plan(command, adam, tmp_path):
    file = tmp_path / "plan.yaml"
    assert command("plan", adam, *RULES, "--output", file).status == 0
    return file


def test_a_plan_as_a_page(command, plan, tmp_path):
    page = tmp_path / "report.html"
    outcome = command("report", plan, "--output", page)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"{page}: 9 tensors, 6 renamed, 3 left behind\n"
    text = page.read_text(encoding="utf-8")
    assert f"tf-ckpt-migrate report {plan} --output {page}" in text
    assert f"OUTPUT --plan {plan}" in text


def test_two_checkpoints_through_rules(command, adam, converted):
    outcome = command("report", adam, converted, *RULES)
    assert outcome.status == 0
    rules = "--rename=net/=model/ --drop_role=step --drop=beta._power"
    assert f"  tf-ckpt-migrate diff {adam} {converted} {rules}  #" in outcome.out
    content = json.loads(
        command("report", adam, converted, *RULES, "--output_format=json").out
    )
    assert content["counts"] == {"renamed": 6, "dropped": 3}


@pytest.mark.parametrize(
    "words",
    [
        "report PLAN NEW",
        "report OLD NEW --plan PLAN",
        "report OLD --plan PLAN NEW",
        "report --plan PLAN OLD NEW",
    ],
)
def test_two_checkpoints_through_a_plan(command, adam, converted, plan, words):
    paths = {"OLD": adam, "NEW": converted, "PLAN": plan}
    given = [paths.get(word, word) for word in words.split()]
    outcome = command(*given, "--values=all")
    assert outcome.status == 0
    assert outcome.out.count("same bytes") == 6


def test_what_is_wrong_gives_exit_code_1(command, adam, converted):
    outcome = command("report", adam, converted)
    assert outcome.status == 1
    assert outcome.out.startswith("15 tensors") or "problem" in outcome.out[:20]
    assert "problem: 2 weights unused: not in the second checkpoint" in outcome.out


def test_a_checkpoint(command, adam):
    outcome = command("report", adam, "--values=all")
    assert outcome.status == 0
    assert "before (mean ± deviation)" in outcome.out


def test_wrong_use(command, adam, converted, plan):
    outcome = command("report", adam, "--rename=a=b")
    assert outcome.status == 2
    assert "plan.yaml` makes a plan" in outcome.err
    outcome = command("report", adam, converted, f"--plan={plan}", "--rename=a=b")
    assert outcome.status == 2
    outcome = command("report", plan, converted, "--plan", plan)
    assert outcome.status == 1
    assert "a plan says itself what becomes of every tensor" in outcome.err
    outcome = command("report", adam, converted, "--plan", plan, "one too many")
    assert outcome.status == 2
    assert "unrecognized arguments: one too many" in outcome.err
    outcome = command("report", adam.parent / "nothing")
    assert outcome.status == 1
    assert outcome.err.startswith("tf-ckpt-migrate: ")


def test_a_recipe_can_be_typed_again():
    parser = argparse.ArgumentParser()
    add_rules(parser, "")
    words = ["--recipe=lstm 'rnn/a b/'=lstm/ forget_bias=0.5", "--drop_role=step"]
    first = parser.parse_args([*words, "--rename=a=b", "--drop=c.*"])
    again = parser.parse_args([*rule_flags(first)])
    assert again.rules == first.rules
    assert again.rules[0].options == (("forget_bias", 0.5),)
