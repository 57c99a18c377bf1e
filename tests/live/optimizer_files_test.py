"""Optimizers from file to file: into a checkpoint that Keras saved, and back to TF1.

What a live restore does is measured by ``optimizer_table_test``; here files are to hold
the same, and TF1 and Keras to go on from them.
"""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.optimizer_cases import OF_KERAS, OF_TF1, SPARSE
from tests.live.optimizer_table_test import tolerance
from tests.live.resumed import (
    apart,
    continued,
    embedding_and,
    flavors,
    model_and,
    prefix_of,
    restored,
    rules_of,
    train_on,
)
from tf_ckpt_migrate.conversion.optimizers.settings import as_written
from tf_ckpt_migrate.errors import PlanError
from tf_ckpt_migrate.naming.keys import OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY
from tf_ckpt_migrate.recipes.keras_kinds import KINDS_OF_KERAS
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS

PROGRAM = Path(__file__).with_name("tf1_goes_on.py")
OWN_NAMES = ("opt", "ams")  # of Adam and AdamW, which have the same slots
CASES = pytest.mark.parametrize(
    "case", [*OF_TF1, *OF_KERAS, *SPARSE], ids=lambda case: case.id
)


def made(tf, flavor, module, case):
    """A model and an optimizer that have learned nothing; None if there is no such."""
    optimizer = case.made(tf, flavor, module)
    if optimizer is None:
        return None
    is_sparse = case.golden.startswith("sparse_")
    return (embedding_and if is_sparse else model_and)(tf, optimizer)


def rules_on_file(case, optimizer):
    """The rules, with what no checkpoint of Keras tells of its optimizer."""
    *names, _ = rules_of(case)
    options = dict(case.told)
    if case.name in OWN_NAMES:
        options["like"] = "Adam"
    kinds = KINDS_OF_KERAS if case in OF_KERAS else KINDS
    name = options.get("like", case.name.rpartition("/")[2])
    config = optimizer.get_config()
    for setting in kinds[name].settings.values():
        value = config.get(setting.keras)
        if value is not None:
            options[f"keras_{setting.keras}"] = as_written(value)
    return [*names, tcm.Recipe("optimizer", case.name, "optimizer", **options)]


def rules_back(case, optimizer):
    *names, there = rules_on_file(case, optimizer)
    options = dict(there.options)
    back = tcm.Recipe("optimizer", "optimizer", case.name, **options)
    return [*((new, old) for old, new in names), back]


class Both:
    """A case that goes on, live and on file."""

    def __init__(self, tf, flavor, case, folder):
        module = flavors(tf)[flavor]
        self.live, report = restored(tf, case.made(tf, flavor, module), case)
        self.kinds = {verdict.kind for verdict in report.verdicts}
        self.fresh = made(tf, flavor, module, case)
        self.optimizer = self.fresh.optimizer
        like = self.fresh.save(str(folder / flavor / "like"))
        rules = rules_on_file(case, self.optimizer)
        folder = folder / flavor
        self.folder = folder
        self.plan = tcm.plan_migration(prefix_of(case.golden), like, rules)
        self.result = tcm.convert(self.plan, folder / "new")


def both(tf, case, folder):
    """The case in each Keras in which it goes on."""
    for flavor, module in flavors(tf).items():
        try:
            if case.made(tf, flavor, module) is not None:
                yield Both(tf, flavor, case, folder)
        except PlanError:
            continue  # the table tells which are refused


@CASES
def test_there_and_back(tf, tmp_path, case):
    for each in both(tf, case, tmp_path):
        check_back(each, case)
        check_there(tf, each, case)


def check_there(tf, each, case):
    """A file holds what a live restore gives, and Keras goes on from it as TF1 did."""
    wanted = set(each.kinds)
    if callable(case.settings.get("learning_rate")):
        wanted.add("approximate")  # no file has the schedule, which may be TF1's
    assert {verdict.kind for verdict in each.result.verdicts} == wanted
    each.fresh.restore(each.result.prefix).assert_consumed()
    known = tcm.load_checkpoint(each.live.save(str(each.folder / "live")))
    found = tcm.load_checkpoint(each.result)
    for key in set(found) - {OBJECT_GRAPH_KEY, SAVE_COUNTER_KEY}:
        np.testing.assert_array_equal(found[key], known[key], err_msg=key)
    if each.kinds == {"exact"} and case in OF_TF1:
        record = continued(case.golden)
        _, weights = train_on(tf, each.fresh, record)
        assert apart(record, weights) <= tolerance(case)


def check_back(each, case):
    """What came from TF1 goes back as it was: by the plan, and by a recipe."""
    old, new = tcm.load_checkpoint(prefix_of(case.golden)), each.result
    names = rules_back(case, each.optimizer)
    made = {
        "plan": tcm.convert(each.plan.reversed(), each.folder / "a", source=new),
        "like": tcm.convert_tf2_to_tf1(new, each.folder / "b", names=names, like=old),
    }
    if case not in OF_KERAS:  # whose names are not made
        made["alone"] = tcm.convert_tf2_to_tf1(new, each.folder / "c", names=names)
    for way, result in made.items():
        found = tcm.load_checkpoint(result)
        assert found.specs == old.specs, way
        for key in old:
            if way == "alone" and key.endswith("RMSProp_1"):
                continue  # without momentum it is made anew, as zeros
            np.testing.assert_allclose(found[key], old[key], rtol=2e-7, err_msg=key)


def test_tf1_goes_on_from_keras(tf, tf1_python, tmp_path):
    """20 steps in Keras from the state of TF1, then 20 in both."""
    flavor = next(iter(flavors(tf)))
    wanted, pairs = [], []
    for number, case in enumerate(OF_TF1):
        optimizer = case.made(tf, flavor, flavors(tf)[flavor])
        checkpoint = goes_on_exactly(tf, optimizer, case)
        if checkpoint is None:
            continue
        record = continued(case.golden)
        train_on(tf, checkpoint, record)
        folder = tmp_path / str(number)
        saved = checkpoint.save(str(folder / "ckpt"))
        _, weights = train_on(tf, checkpoint, record, done=27)
        for like in (prefix_of(case.golden), None):
            prefix = folder / f"{bool(like)}"
            names = rules_back(case, optimizer)
            made = tcm.convert_tf2_to_tf1(saved, prefix, names=names, like=like)
            pairs += [case.golden, made.prefix]
            wanted.append((f"{case.id}, like={bool(like)}", case, weights))
    done = subprocess.run(
        [tf1_python, str(PROGRAM), *pairs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    records = map(json.loads, done.stdout.splitlines())
    found = {
        name: apart(record, weights) / tolerance(case)
        for (name, case, weights), record in zip(wanted, records, strict=True)
    }
    assert {name: far for name, far in found.items() if far > 1} == {}
    assert len(found) > 20


def goes_on_exactly(tf, optimizer, case):
    """What goes on, if it does and as TF1 would."""
    try:
        if optimizer is not None:
            checkpoint, report = restored(tf, optimizer, case)
            if {verdict.kind for verdict in report.verdicts} == {"exact"}:
                return checkpoint
    except PlanError:
        pass
    return None
