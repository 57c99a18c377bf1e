"""The table of ``docs/optimizers.md`` says what a restore says."""

import re
from pathlib import Path

import pytest

from tests.live.optimizers_test import APPROXIMATE, EXACT, restore
from tests.live.resumed import flavors, model_and, prefix_of
from tf_ckpt_migrate.errors import PlanError

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"
COLUMNS = {"legacy": "legacy", "tf_keras": "tf-keras", "keras_3": "Keras 3"}

SCHEDULED = ("momentum", "Momentum", "SGD", {"momentum": 0.9}, {})
AMSGRAD = ("adam", "Adam", "Adam", {"amsgrad": True}, {})
# In the order of the rows.
CASES = [
    EXACT["GradientDescent"],
    EXACT["Momentum"],
    EXACT["Nesterov"],
    SCHEDULED,
    EXACT["Adam"],
    APPROXIMATE["Adam"],
    AMSGRAD,
    EXACT["Adagrad"],
    APPROXIMATE["Adagrad"],
    EXACT["Adadelta"],
    EXACT["RMSProp"],
    EXACT["RMSProp, momentum=1e-30"],
    EXACT["RMSProp(momentum)"],
    EXACT["RMSProp(centered)"],
    EXACT["Ftrl"],
    EXACT["AdamWeightDecay"],
]


def rows():
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(r"\| TF1 \| Keras .*?\n\n", text, re.DOTALL)
    assert table
    head, _, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table[0].strip().splitlines()
    )
    return [dict(zip(head, line, strict=True)) for line in lines]


def verdict_of(tf, module, case):
    golden, name, keras_class, settings, told = case
    if not hasattr(module, keras_class):
        return "-"
    if case is SCHEDULED:
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
        settings = {**settings, "learning_rate": schedule}
    checkpoint = model_and(tf, getattr(module, keras_class)(**settings))
    try:
        report = restore(prefix_of(golden), checkpoint, name, **told)
    except PlanError:
        return "impossible"
    kinds = {verdict.kind for verdict in report.verdicts}
    return "approximate" if "approximate" in kinds else "exact"


def test_every_row_has_its_case():
    classes = [re.match(r"`(\w+)\(", row["Keras"]) for row in rows()]
    assert [found and found[1] for found in classes] == [case[2] for case in CASES]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_row(tf, number):
    row = rows()[number]
    found = {
        COLUMNS[flavor]: verdict_of(tf, module, CASES[number])
        for flavor, module in flavors(tf).items()
    }
    assert found == {column: row[column] for column in found}
