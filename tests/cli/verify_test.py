"""The command ``verify --against`` proves a conversion."""

import json
import os

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.verify_test import RULES, TENSORS, rewritten
from tf_ckpt_migrate.conversion.example import example_checkpoint


@pytest.fixture
def source():
    with example_checkpoint(TENSORS) as prefix:
        yield prefix


@pytest.fixture
def plan(source):
    return tcm.plan_migration(source, None, RULES)


@pytest.fixture
def converted(plan, tmp_path):
    return os.fspath(tcm.convert(plan, tmp_path / "new" / "model.ckpt", data="copy"))


def test_exit_codes_and_json(command, plan, source, converted, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(plan.to_yaml())
    arguments = ["verify", converted, "--against", source]
    assert command(*arguments, "--plan", file).status == 0
    assert command(*arguments, "--rename", "net/=encoder/", "--unused=keep").status == 0
    rewritten(converted, lambda arrays: arrays.pop("step"))
    outcome = command(*arguments, "--plan", file, "--output_format=json")
    assert outcome.status == 1
    assert json.loads(outcome.out)["findings"] == [
        {
            "kind": "missing",
            "target": "step",
            "text": "'step' int64[] is missing; it is made of 'step'",
        }
    ]
    outcome = command("verify", converted, "--plan", file)
    assert outcome.status == 2
    assert "give --against SOURCE" in outcome.err
    outcome = command(*arguments, "--plan", file, "--rename", "a=b")
    assert outcome.status == 2
