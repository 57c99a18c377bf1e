"""Training of TF1 that continues in Keras 3 without TensorFlow.

The tables of ``docs/optimizers.md`` hold here as they hold with TensorFlow, but that no
gradient of an embedding is sparse.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live import rnn_resumed
from tests.live.optimizer_cases import (
    OF_KERAS,
    OF_TF1,
    SPARSE,
    check_approximate,
    tolerance,
)
from tests.live.optimizer_table import PAGE
from tests.live.resumed import RULES, apart, continued, prefix_of
from tests.pages import read_table
from tf_ckpt_migrate.errors import PlanError

# Keras asks its own variables for arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
CASES = [
    pytest.param(table, case, id=f"{table}: {case.id}")
    for table, cases in {"optimizers": OF_TF1, "of tf.keras": OF_KERAS}.items()
    for case in cases
    if "keras_3" in case.flavors
]
# Where TF1 changes every row at every step, as a gradient with all rows does.
EXACT_WHEN_DENSE = ("sparse_adam", "sparse_adagrad", "sparse_ftrl")


def documented(table, case):
    """The verdict that the page has for Keras 3."""
    rows = read_table(PAGE, table)
    (row,) = [
        r for r in rows if (r["TF1"], r["Keras"]) == (case.tf1, f"`{case.keras}`")
    ]
    return row["Keras 3"].split(", ")[0]


def made(keras, case):
    return case.made(SimpleNamespace(keras=keras), "keras_3", keras.optimizers)


def restore(case, model, rules):
    recipe = tcm.Recipe("optimizer", case.name, "optimizer", **case.told)
    return tcm.restore(prefix_of(case.golden), model, [*rules.items(), recipe])


def worst(report):
    kinds = {verdict.kind for verdict in report.verdicts}
    return "approximate" if "approximate" in kinds else "exact"


def check(case, report, record, weights):
    """Check the weights after the steps that TF1 took too."""
    far = apart(record, weights)
    if worst(report) == "exact":
        assert far <= tolerance(case)
    else:
        check_approximate(case, report.verdicts, far, record)


@pytest.mark.parametrize(("table", "case"), CASES)
def test_20_more_steps(keras_3, table, case):
    optimizer, record = made(keras_3, case), continued(case.golden)
    layer = keras_3.layers.Dense(2, name="dense")
    model = keras_3.Sequential([keras_3.Input((3,)), layer])
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    if documented(table, case) == "impossible":
        with pytest.raises(PlanError):
            restore(case, model, RULES)
        return
    report = restore(case, model, RULES)
    assert worst(report) == documented(table, case)
    x, y = (np.array(record[name], np.float32) for name in "xy")
    weights = {"net/w": [], "net/b": []}
    losses = []
    for _ in record["losses"]:
        losses.append(model.train_on_batch(x, y))
        for name, value in zip(weights, layer.get_weights(), strict=True):
            weights[name].append(value)
    assert losses[0] == pytest.approx(record["losses"][0], rel=1e-6)  # the outputs
    check(case, report, record, weights)


@pytest.mark.parametrize("case", SPARSE, ids=lambda case: case.id)
def test_an_embedding(keras_3, case):
    class Net(keras_3.Model):
        def __init__(self):
            super().__init__(name="net")
            self.table = keras_3.layers.Embedding(3, 2, name="table")

        def build(self, input_shape):
            self.table.build(input_shape)
            self.b = self.add_weight(name="b", shape=(2,))

        def call(self, rows):
            return self.table(rows) + self.b

    def loss(wanted, found):
        return keras_3.ops.sum(keras_3.ops.square(found - wanted))

    net, optimizer, record = Net(), made(keras_3, case), continued(case.golden)
    net.build(None)
    net.compile(optimizer, loss)
    optimizer.build(net.trainable_variables)
    report = restore(case, net, {"net/w": "table/embeddings", "net/b": "b"})
    is_exact = case.golden in EXACT_WHEN_DENSE
    assert worst(report) == ("exact" if is_exact else "approximate")
    weights = {"net/w": [], "net/b": []}
    for step in range(7, 7 + len(record["losses"])):
        rows = np.array([0, 0, 1] if step < 17 else [0, 0, 1, 2], np.int32)
        net.train_on_batch(rows, rows[:, np.newaxis].astype(np.float32))
        weights["net/w"] += net.table.get_weights()
        weights["net/b"].append(keras_3.ops.convert_to_numpy(net.b.value))
    check(case, report, record, weights)


@pytest.mark.parametrize("name", rnn_resumed.CASES)
def test_cells_of_a_recurrent_network(keras_3, tmp_path, name):
    """Weights, averages and slots: after 20 steps, all is as TF1 has it."""
    parts = rnn_resumed.parts_for(keras_3, name)
    model, record = parts["model"], rnn_resumed.continued(name)
    prefix, rules = rnn_resumed.prefix_of(name), rnn_resumed.rules_for(name)
    report = tcm.restore(prefix, parts, rules)
    # What is rounded is a weight or a slot, never the count of steps.
    assert not [move for move in report.inexact if move.target.endswith("/iteration")]
    x = np.array(record["x"], np.float32)
    found = keras_3.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(found, record["outputs"], rtol=0, atol=1e-6)
    model.compile(parts["optimizer"], "mse")
    wanted = rnn_resumed.wanted_of(record)
    losses = [model.train_on_batch(x, wanted) for _ in record["losses"]]
    np.testing.assert_allclose(losses, record["losses"], rtol=1e-6, atol=3e-7)
    saved = tcm.save_like(prefix, parts, rules, output_prefix=tmp_path / "back")
    far = rnn_resumed.apart(record["values"], tcm.load_checkpoint(saved))
    assert far < rnn_resumed.bound(name)
