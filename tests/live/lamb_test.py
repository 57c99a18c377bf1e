"""Why Keras 3's Lamb does not go on with ALBERT's: it is measured, not assumed."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import RULES, apart, continued, model_and, prefix_of, train_on


def gone_on(tf, golden, **settings):
    """Put the state of TF1 by hand into a Lamb that corrects no bias any more."""
    if not hasattr(tf.keras.optimizers, "Lamb"):
        pytest.skip("this Keras has no Lamb")
    optimizer = tf.keras.optimizers.Lamb(0.05, epsilon=1e-6, **settings)
    checkpoint = model_and(tf, optimizer)
    source = tcm.load_checkpoint(prefix_of(golden))
    layer = checkpoint.dense
    slots = [variable for variable in optimizer.variables if len(variable.shape)]
    values = [source[f"net/{v}/adam_{s}"] for v in "wb" for s in "mv"]
    for variable, value in zip(slots, values, strict=True):
        variable.assign(value)
    layer.kernel.assign(source["net/w"])
    layer.bias.assign(source["net/b"])
    optimizer.iterations.assign(1_000_007)
    record = continued(golden)
    return apart(record, train_on(tf, checkpoint, record)[1])


def test_the_same_without_decay_if_every_variable_has_its_ratio(tf):
    """So the slots mean the same, and what differs is what the refusal names."""
    assert gone_on(tf, "lamb_plain") < 1e-6


def test_another_with_decay_and_what_is_spared(tf):
    assert gone_on(tf, "lamb", weight_decay=0.01) > 0.01


def test_it_is_refused(tf):
    checkpoint = model_and(tf, tf.keras.optimizers.Adam())
    recipe = tcm.Recipe("optimizer", "LAMB", "optimizer")
    rules = [*RULES.items(), recipe]
    before = checkpoint.dense.kernel.numpy()
    with pytest.raises(tcm.errors.PlanError, match="outside of the trust ratio"):
        tcm.restore(prefix_of("lamb"), checkpoint, rules)
    assert np.array_equal(before, checkpoint.dense.kernel.numpy())
