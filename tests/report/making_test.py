"""A report says of every tensor what became of it, and what of that needs a look."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.report.checkpoints import RULES, SOURCE, write
from tf_ckpt_migrate.names.moves import Move, Verdict
from tf_ckpt_migrate.report.commands import Typed
from tf_ckpt_migrate.report.making import Restored
from tf_ckpt_migrate.report.rows import Moves, paired_rows


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "old", SOURCE)


@pytest.fixture
def plan(source):
    return tcm.plan_migration(source, None, RULES)


@pytest.fixture
def converted(plan, tmp_path):
    return tcm.convert(plan, tmp_path / "new", data="copy").prefix


def statuses(report):
    return {row.main.key: row.status for row in report.rows}


def titles(report):
    return [f"{each.level}: {each.title}" for each in report.findings]


def test_a_plan(plan):
    report = tcm.make_report(plan)
    assert statuses(report) == {
        "model/w": "computed",
        "model/b": "renamed",
        "net/w/Momentum": "dropped",
        "net/b/Momentum": "dropped",
        "global_step": "kept",
    }
    assert titles(report) == [
        "check: 2 optimizer slots left behind",
        "check: 1 weight rounded",
    ]
    (dropped, rounded) = report.findings
    assert dropped.why == "Drop(role='slot')"
    assert [report.rows[n].main.key for n in rounded.rows] == ["model/w"]
    assert [row.role for row in report.rows] == [
        *("weight", "weight", "slot", "slot", "step")
    ]


def test_a_plan_whose_source_is_elsewhere(plan, tmp_path):
    (tmp_path / "old.index").unlink()
    report = tcm.make_report(plan, values="all")
    assert statuses(report)["model/b"] == "renamed"
    assert "is not here: no value of it is shown" in report.notes[-1]
    assert report.values == "none"


def test_a_reversed_plan_shows_no_values_of_another_checkpoint(source, monkeypatch):
    monkeypatch.chdir(os.path.dirname(source))  # where there is one that it could take
    report = tcm.make_report(tcm.plan_migration(source).reversed(), values="all")
    assert report.notes[-1] == (
        "the plan names no source checkpoint: no value of it is shown"
    )
    assert report.values == "none"
    assert report.commands[0].text.startswith("tf-ckpt-migrate convert SOURCE OUTPUT ")


def test_a_plan_of_another_checkpoint_is_refused(plan, tmp_path):
    write(tmp_path / "old", {**SOURCE, "net/v": np.float32(1)})
    with pytest.raises(tcm.errors.PlanError, match="net/v"):
        tcm.make_report(plan)


def test_a_checkpoint(source):
    report = tcm.make_report(source)
    assert set(statuses(report).values()) == {"present"}
    assert (report.target, report.findings) == (None, ())
    assert report.source.tensors == 5


def test_a_conversion_as_planned_has_no_problem(plan, converted):
    report = tcm.make_report(plan, converted)
    assert not [each for each in report.findings if each.level == "problem"]
    found = {row.main.key: row.difference for row in report.rows if row.difference}
    assert set(found) == {"model/w", "model/b", "global_step"}
    assert all(each.elements == 0 for each in found.values())


def test_by_rules_as_by_the_plan(plan, source, converted):
    by_plan = tcm.make_report(source, converted, plan)
    by_rules = tcm.make_report(source, converted, RULES)
    assert by_rules.rows == by_plan.rows


def test_every_way_to_be_wrong_is_a_problem(plan, tmp_path):
    wrong = {
        "model/w": np.zeros([2, 3], np.float32),
        "model/b": np.array([1.0, 2.5, 3.0], np.float32),
        "of/nobody": np.float32(1),
    }
    report = tcm.make_report(plan, write(tmp_path / "wrong", wrong))
    assert statuses(report) == {
        "model/w": "computed",
        "model/b": "renamed",
        "of/nobody": "extra",
        "net/w/Momentum": "dropped",
        "net/b/Momentum": "dropped",
        "global_step": "missing",
    }
    assert titles(report)[:4] == [
        "problem: 1 step counter unused: not in the second checkpoint",
        "problem: 1 weight unused: only in the second checkpoint",
        "problem: 1 weight of another dtype or shape",
        "problem: 1 weight of other values",
    ]
    rows = {row.main.key: row for row in report.rows}
    assert rows["model/w"].found == "float32[2, 3]"
    assert rows["model/b"].difference.max_abs == 0.5


def test_without_a_map_names_are_the_same(source, converted):
    found = statuses(tcm.make_report(source, converted))
    assert found["net/w"] == "missing"
    assert found["model/w"] == "extra"
    assert found["global_step"] == "kept"


def test_the_second_key_of_the_same_bytes_is_no_tensor_of_no_source(goldens, tmp_path):
    old = goldens / "tf1_15/optimizer_adam/model.ckpt"
    plan = tcm.plan_migration(old)
    new = tcm.convert(plan, tmp_path / "both", data="copy")
    tcm.add_object_keys(new.prefix)
    report = tcm.make_report(plan, new.prefix)
    assert not [each for each in report.findings if each.level == "problem"]
    twins = [row for row in report.rows if row.reason.startswith("the same bytes as")]
    assert len(twins) == 9
    assert {row.status for row in twins} == {"added"}


def test_what_convert_returned(plan, tmp_path):
    result = tcm.convert(plan, tmp_path / "new")
    report = tcm.make_report(result)
    assert statuses(report)["model/w"] == "computed"
    assert statuses(report)["net/w/Momentum"] == "dropped"
    assert any("was linked from" in note for note in report.notes)


class Report:
    """What a restore returns, as far as a report looks at it."""

    def __init__(self, plan):
        self.plan = plan


VERDICTS = (
    Verdict("Adam", "state", "exact"),
    Verdict("Adam", "epsilon", "approximate", "it has 1e-7", "set 1e-8", 0.01),
)


@pytest.mark.parametrize("of", ["plan", "conversion", "pair", "restore"])
def test_verdicts_on_optimizers_are_in_every_report(plan, tmp_path, of):
    plan = dataclasses.replace(plan, verdicts=VERDICTS)
    subject = [plan]
    if of == "conversion":
        subject = [tcm.convert(plan, tmp_path / "new")]
    elif of == "pair":
        subject = [plan.source, tcm.convert(plan, tmp_path / "new"), plan]
    elif of == "restore":
        subject = [Report(plan)]
        assert isinstance(subject[0], Restored)
    report = tcm.make_report(*subject)
    assert (report.kind, report.verdicts) == (of, VERDICTS)
    (finding,) = (f for f in report.findings if f.title.startswith("Adam"))
    assert (finding.level, finding.title) == ("check", "Adam epsilon: approximate")
    assert "of itself; set 1e-8" in finding.why


def test_what_is_impossible_comes_first(plan):
    impossible = Verdict("LARS", "state", "impossible", "Keras has none", "stay")
    report = dataclasses.replace(tcm.make_report(plan), verdicts=(impossible,))
    assert titles(report)[0] == "problem: LARS state: impossible"
    assert report.findings[0].why == "Keras has none; stay"
    assert "impossible" in report.to_html()


def test_a_setting_beside_the_state_of_an_optimizer_is_no_weight(source):
    spec = tcm.load_checkpoint(source).specs["net/b"]
    found = dict.fromkeys(("net/b", "opt/m", "opt/rate", "net/beta"), spec)
    moves = Moves(
        {"net/b": spec, "net/b/Momentum": spec},
        (
            Move(("net/b",), "net/b", None, spec),
            Move(("net/b/Momentum",), "opt/m", None, spec),
        ),
    )
    roles = {row.main.key: row.role for row in paired_rows(moves, found)}
    assert roles["opt/rate"] == "optimizer"
    assert roles["net/beta"] == "weight"


def test_what_does_not_go_together(source, plan, converted):
    with pytest.raises(ValueError, match="'some'; expected \"none\""):
        tcm.make_report(source, values="some")
    with pytest.raises(ValueError, match=r"make_report\(plan_migration\("):
        tcm.make_report(source, None, RULES)
    with pytest.raises(ValueError, match="without an assignment map"):
        tcm.make_report(plan, converted, RULES)
    with pytest.raises(ValueError, match="expected a checkpoint or a plan"):
        tcm.make_report(Report(plan), converted)


def test_the_same_content_as_json_and_as_text(plan, converted):
    report = tcm.make_report(plan, converted)
    content = json.loads(report.to_json())
    assert content == json.loads(json.dumps(report.to_config()))
    assert [
        (row.get("target") or row["sources"][0])["key"] for row in content["rows"]
    ] == [row.main.key for row in report.rows]
    assert content["findings"][0]["rows"] == [2, 3]
    (w,) = (row for row in content["rows"] if row["status"] == "computed")
    assert (w["exact"], w["difference"]["elements"]) == (False, 0)
    text = str(report)
    assert all(row.main.key in text for row in report.rows)
    assert text.index("check: ") < text.index("Weights: ") < text.index("Optimizer ")


def test_commands_can_be_typed(source, converted):
    typed = Typed(("report", "a b", "--values=all"), ("--rename=net/=model/",))
    report = tcm.make_report(source, converted, {"net/": "model/"}, typed=typed)
    assert [each.text for each in report.commands] == [
        f"tf-ckpt-migrate diff {source} {converted} --rename=net/=model/",
        f"tf-ckpt-migrate verify {converted}",
        "tf-ckpt-migrate report 'a b' --values=all",
    ]
    # Rules that were not typed cannot be typed again.
    report = tcm.make_report(source, converted, {"net/": "model/"})
    assert "diff" not in " ".join(each.text for each in report.commands)
