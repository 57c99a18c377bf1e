"""Into ``tcm.keras.optimizers`` and not: who is taken for what, and what is told.

That they go on as TF1 does, the table of optimizers shows.
"""

import re

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import RULES, flavors, model_and, prefix_of
from tf_ckpt_migrate.errors import PlanError

OWN = "tcm.keras.optimizers"


@pytest.fixture
def own(tf):
    """The optimizers with the steps of TF1."""
    return tcm.keras.optimizers.of(tf.keras)


@pytest.fixture
def module(tf):
    """The optimizers of Keras, not the legacy ones."""
    return next(iter(flavors(tf).values()))


def scheduled(tf):
    return tf.keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)


def restore(tf, golden, optimizer, name, **told):
    recipe = tcm.Recipe("optimizer", name, "optimizer", **told)
    checkpoint = model_and(tf, optimizer)
    return tcm.restore(prefix_of(golden), checkpoint, [*RULES.items(), recipe])


def refused(tf, golden, optimizer, name, **told):
    with pytest.raises(PlanError) as caught:
        restore(tf, golden, optimizer, name, **told)
    return str(caught.value)


def verdicts(report):
    return {verdict.what: verdict for verdict in report.verdicts}


UNDER_A_SCHEDULE = {
    "Momentum": ("momentum", "SGD", {"momentum": 0.9, "nesterov": True}),
    "AdamWeightDecay": (
        "adam_weight_decay",
        "AdamW",
        {"weight_decay": 0.01, "epsilon": 1e-6},
    ),
}


@pytest.mark.parametrize("name", UNDER_A_SCHEDULE)
def test_a_refusal_names_the_call_that_goes_on(tf, module, name):
    golden, keras_class, settings = UNDER_A_SCHEDULE[name]
    optimizer = getattr(module, keras_class)(scheduled(tf), **settings)
    text = refused(tf, golden, optimizer, name)
    call = re.search(rf"go on with ({re.escape(OWN)}\.\w+\(.*\)), or set a", text)
    assert call, text
    made = eval(call[1], {"tcm": tcm, "learning_rate": scheduled(tf)})
    report = restore(tf, golden, made, name)
    assert {verdict.kind for verdict in report.verdicts} == {"exact"}
    if name == "Momentum":
        assert made.tf1.use_nesterov
    else:
        assert made.tf1.weight_decay_rate == 0.01
        assert "bias" in made.tf1.exclude_from_weight_decay


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("AdagradDA", f"go on with {OWN}.AdagradDAOptimizer("),
        ("LARSOptimizer", f"go on with {OWN}.LARSOptimizer("),
        ("LAMBOptimizer", f"go on with {OWN}.LAMBOptimizer("),
        ("Nadam", f"go on with {OWN}.NadamOptimizer("),
        ("NadamOptimizer", f"go on with {OWN}.NadamOptimizer("),
        ("Shampoo", "keep the optimizer of TF1"),
        ("GGT", "keep the optimizer of TF1"),
    ],
)
def test_what_keras_has_not(tf, module, name, instead):
    text = refused(tf, "adam", module.Adam(), name)
    assert instead in text
    assert "Drop(role='slot')" in text


@pytest.mark.parametrize(
    ("golden", "name", "told"),
    [
        ("adam", "Adam", {}),
        ("adam", "Nadam", {}),
        ("adam", "NadamOptimizer", {}),
        ("adam", "Adam", {"like": "Nadam"}),
        ("adam_named", "opt", {}),
    ],
)
def test_who_saves_under_the_name_of_another(tf, own, golden, name, told):
    optimizer = own.NadamOptimizer(0.1)
    found = verdicts(restore(tf, golden, optimizer, name, **told))
    assert found["class"].assumes == "Nadam"
    assert int(optimizer.iterations) == 7


def test_another_than_the_live_one(tf, own):
    text = refused(tf, "adam", own.MomentumOptimizer(0.1, 0.9), "Adam")
    assert f"the steps of {OWN}.MomentumOptimizer are not those of Adam" in text
    assert "go on with Adam" in text
    bert = own.AdamWeightDecayOptimizer(0.1)
    text = refused(tf, "lamb", bert, "AdamWeightDecay", like="LAMB")
    assert f"go on with {OWN}.LAMBOptimizer(learning_rate" in text


def test_a_class_that_is_only_called_so(tf, module):
    other = type("MomentumOptimizer", (module.SGD,), {})
    text = refused(tf, "momentum", other(0.05, momentum=0.9), "Momentum")
    assert "the steps of MomentumOptimizer are not those of Momentum" in text


OTHER_SETTINGS = {
    "MomentumOptimizer": ("momentum", "Momentum", {"momentum": 0.5}),
    "LAMBOptimizer": ("lamb", "AdamWeightDecay", {"epsilon": 1e-3}),
    "NadamOptimizer": ("adam", "Adam", {"beta1": 0.8}),
}


@pytest.mark.parametrize("keras_class", OTHER_SETTINGS)
def test_another_setting(tf, own, keras_class):
    golden, name, settings = OTHER_SETTINGS[keras_class]
    (what,) = settings
    told = {"momentum": 0.9} if what == "momentum" else {}
    optimizer = getattr(own, keras_class)(0.1, **settings)
    verdict = verdicts(restore(tf, golden, optimizer, name, **told))[what]
    assert (verdict.kind, verdict.how_far) == ("approximate", float("inf"))
    assert verdict.instead.startswith(f"set {what}=")


def test_another_epsilon_of_nadam_has_a_bound(tf, own):
    found = verdicts(restore(tf, "adam", own.NadamOptimizer(0.1, epsilon=1e-4), "Adam"))
    assert found["epsilon"].kind == "approximate"
    assert 1e-4 < found["epsilon"].how_far < 0.1


def test_slots_begin_as_in_tf1(tf, own):
    optimizer = own.AdagradDAOptimizer(0.1)
    optimizer.build([tf.Variable([1.0, 2.0], name="w")])
    variables = optimizer.variables
    listed = variables() if callable(variables) else variables
    slots = [each.numpy() for each in listed if len(each.shape)]
    np.testing.assert_allclose(slots, [[0, 0], [0.1, 0.1]], rtol=1e-7)
