"""What someone reads who asks whether training goes on."""

import json

import tf_ckpt_migrate as tcm
from tests.live.resumed import RULES, flavors, model_and, prefix_of
from tf_ckpt_migrate.checkpoint.text import plain_text
from tf_ckpt_migrate.live.report import verdict_blocks
from tf_ckpt_migrate.names.moves import Verdict

EXACT = Verdict("Adam", "slot m", "exact", "becomes m of 2 variables", into="opt")
ASSUMED = EXACT._replace(what="epsilon", why="if so", assumes="epsilon=1e-08")
NEAR = Verdict("Adam", "epsilon", "approximate", "other", "set it", 2e-5, into="opt")
UNKNOWN = NEAR._replace(what="beta_1", how_far=float("inf"))


def lines(*verdicts):
    return plain_text(verdict_blocks(verdicts)).splitlines()


def test_what_is_exact():
    head, columns, row = lines(EXACT)
    assert head == "optimizer 'Adam' goes on in 'opt' as in TF1"
    assert columns.split() == ["what", "verdict", "why"]
    assert row.startswith("slot m")


def test_what_nobody_said():
    assert lines(EXACT, ASSUMED)[1] == (
        "if TF1 had epsilon=1e-08: no checkpoint tells, nor does the recipe"
    )


def test_what_is_not_exact_comes_first():
    head, _, first, second = lines(EXACT, NEAR)
    assert "the next 20 steps each within 2.0e-05 of TF1's: epsilon" in head
    assert first.startswith("epsilon")
    assert first.endswith("differs by up to 2.0e-05 of itself; set it")
    assert second.startswith("slot m")
    assert lines(EXACT, NEAR, UNKNOWN)[0].endswith("not as in TF1: epsilon, beta_1")


def test_each_optimizer_has_its_own():
    found = lines(EXACT, EXACT._replace(into="other"))
    assert [line for line in found if line.startswith("optimizer")] == [
        "optimizer 'Adam' goes on in 'opt' as in TF1",
        "optimizer 'Adam' goes on in 'other' as in TF1",
    ]


def test_json_has_no_infinity(tf):
    module = next(iter(flavors(tf).values()))
    checkpoint = model_and(tf, module.Adam(0.1, beta_1=0.5, epsilon=1e-8))
    recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
    report = tcm.restore(prefix_of("adam"), checkpoint, [*RULES.items(), recipe])
    text = report.to_json()
    assert "Infinity" not in text
    found = {row["what"]: row for row in json.loads(text)["verdicts"]}
    assert set(found) - {"sparse gradients"} == {  # which is judged for Keras 3 only
        *("slot m", "slot v", "iterations"),
        *("beta_1", "beta_2", "epsilon", "learning_rate"),
    }
    assert found["beta_1"]["kind"] == "approximate"
    assert found["beta_1"]["how_far"] is None
    assert found["beta_1"]["into"] == "optimizer"
    assert found["epsilon"]["assumes"] == "epsilon=1e-08"
