"""Whole networks go on in Keras as in TF1, and in TF1 again as in Keras."""

import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.whole.going_on import (
    apart,
    optimizers,
    prefix_of,
    record_of,
    saved_like,
    tf1_trains_on,
    train_on,
)
from tests.whole.networks import NETWORKS

FLAVORS = ["keras_3", "tf_keras", "legacy"]
# Of each tensor's largest value, after 20 steps: both add up float32 in another order.
CLOSE = 2e-4
# TF1 and Keras 2 keep the variance of a population of which a batch is a sample, Keras
# 3 that of the batch: of 4 images of 6 by 6.
BATCH = 4 * 6 * 6


def resumed(tf, name, flavor):
    """The network with what TF1 left, and the report."""
    module = optimizers(tf).get(flavor)
    if module is None or (name, flavor) == ("bert", "legacy"):
        pytest.skip(f"no {flavor} optimizer for it in this environment")
    case = NETWORKS[name]
    network = case.make(tf, record_of(name).data, module)
    rules = case.rules_for(flavor)
    return network, tcm.restore(prefix_of(name), network.checkpoint, rules)


def far_off(name, flavor, known, found):
    """The tensors that are off, of those that are more than rounding in TF1."""
    case = NETWORKS[name]
    left = ".*/Expo.*" if flavor == "legacy" else ".*/moving_.*/Expo.*"
    aside = re.compile(f"({case.noise}|{left})")
    meant = {key: value for key, value in known.items() if not aside.fullmatch(key)}
    is_keras_3 = flavor == "keras_3"
    return {
        key: far
        for key, far in apart(meant, found).items()
        if far > (1 / BATCH if is_keras_3 and "/moving_variance" in key else CLOSE)
    }


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("name", NETWORKS)
def test_there(tf, tmp_path, name, flavor):
    network, report = resumed(tf, name, flavor)
    assert {verdict.kind for verdict in report.verdicts} == {"exact"}
    losses, known = train_on(tf, network), record_of(name)
    np.testing.assert_allclose(losses, known.losses, rtol=1e-5)
    rules = NETWORKS[name].rules_for(flavor)
    _, values = saved_like(name, network, rules, tmp_path)
    assert set(values) == set(known.values)
    assert far_off(name, flavor, known.values, values) == {}


@pytest.mark.every_keras
@pytest.mark.parametrize("name", NETWORKS)
def test_and_back(tf, tf1_python, tmp_path, name):
    """After 20 steps in Keras, 20 more in both."""
    flavor = "keras_3" if "keras_3" in optimizers(tf) else "tf_keras"
    network, _ = resumed(tf, name, flavor)
    train_on(tf, network)
    prefix, _ = saved_like(name, network, NETWORKS[name].rules, tmp_path)
    losses, values = tf1_trains_on(tf1_python, name, prefix, tmp_path)
    np.testing.assert_allclose(train_on(tf, network), losses, rtol=1e-5)
    (later := tmp_path / "later").mkdir()
    _, mine = saved_like(name, network, NETWORKS[name].rules, later)
    assert far_off(name, flavor, values, mine) == {}


@pytest.mark.parametrize("name", NETWORKS)
def test_with_the_weights_only_it_does_not(tf, name):
    module = next(iter(optimizers(tf).values()))
    known, case = record_of(name), NETWORKS[name]
    network = case.make(tf, known.data, module)
    rules = [rule for rule in case.rules if getattr(rule, "kind", "") != "optimizer"]
    drops = [tcm.Drop(role=role) for role in ("slot", "optimizer", "step")]
    states = ["slot", "optimizer", "step"]
    tcm.restore(prefix_of(name), network.checkpoint, [*drops, *rules], missing=states)
    off = np.abs(np.array(train_on(tf, network)) / known.losses - 1)
    assert off.max() > 1e-3
