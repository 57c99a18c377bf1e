"""What TF1 has trained goes on in Keras, and what Keras has trained in TF1."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.rnn_resumed import (
    CASES,
    apart,
    continued,
    model_for,
    prefix_of,
    rules_for,
    train_on,
)

BOUND = 1e-6


@pytest.mark.parametrize("name", CASES)
def test_training_goes_on(tf, tmp_path, name):
    """Weights, averages and slots of the kernels: the next 20 steps are those of TF1."""
    record = continued(name)
    checkpoint = model_for(tf, name)
    rules = rules_for(name)
    report = tcm.restore(prefix_of(name), checkpoint, rules)
    print(report)
    outputs = np.asarray(checkpoint.model(np.array(record["x"], np.float32)))
    np.testing.assert_allclose(outputs, record["outputs"], rtol=0, atol=1e-6)
    losses = train_on(tf, checkpoint, record)
    print(np.max(np.abs(np.array(losses) - record["losses"])))
    saved = tcm.save_like(
        prefix_of(name), checkpoint, rules, output_prefix=tmp_path / "tf1"
    )
    found = tcm.load_checkpoint(saved)
    print(name, apart(record["values"], found))
    assert apart(record["values"], found) < 1e-5
