"""Slots are found by role in every dress that TF1 gave them, in files it wrote."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import GOLDENS, built, flavors
from tf_ckpt_migrate.errors import PlanError


def golden(name):
    return tcm.load_checkpoint(str(GOLDENS / name))


class Dressed:
    """Variables of a checkpoint, and an optimizer of Keras that trains them.

    Args:
      tf: TensorFlow.
      source: The checkpoint.
      names: The variables that are wanted of it.
      optimizer: What trains them.
    """

    def __init__(self, tf, source, names, optimizer):
        self.source, self.optimizer = source, optimizer
        self.variables = {
            name: tf.Variable(np.zeros_like(source[name]), name=name.replace("/", "_"))
            for name in names
        }
        built(tf, optimizer, list(self.variables.values()))
        self.rules = {name: v.name.partition(":")[0] for name, v in
                      self.variables.items()}  # fmt: skip

    def slots(self, *slots):
        """What is remembered of each variable, by the names that legacy Keras has."""
        if hasattr(self.optimizer, "get_slot"):
            return {
                name: [self.optimizer.get_slot(v, slot).numpy() for slot in slots]
                for name, v in self.variables.items()
            }
        listed = self.optimizer.variables
        listed = listed() if callable(listed) else listed
        own = [v.numpy() for v in listed if len(v.shape)]
        assert len(own) == len(slots) * len(self.variables)
        return {
            name: own[number * len(slots) :][: len(slots)]
            for number, name in enumerate(self.variables)
        }

    def check(self, *slots, ends):
        """Compare slots with those of the checkpoint."""
        for name, found in self.slots(*slots).items():
            assert np.array_equal(self.variables[name].numpy(), self.source[name])
            for value, end in zip(found, ends, strict=True):
                key = end.format(name) if "{}" in end else f"{name}/{end}"
                assert np.array_equal(value, self.source[key]), key
                assert np.any(value), "all 0 would prove nothing"


@pytest.fixture(params=["keras_3", "tf_keras", "legacy"])
def module(request, tf):
    """The optimizers of one Keras."""
    found = flavors(tf).get(request.param)
    if found is None:
        pytest.skip(f"no {request.param} in this environment")
    return found


def adam(module, beta_1=0.9):
    return module.Adam(0.1, beta_1=beta_1, epsilon=1e-8)


def restore(tf, dressed, recipe, *more):
    checkpoint = tf.train.Checkpoint(
        vars=list(dressed.variables.values()), optimizer=dressed.optimizer
    )
    return tcm.restore(
        dressed.source, checkpoint, [*dressed.rules.items(), recipe, *more]
    )


def exact(report):
    return {verdict.kind for verdict in report.verdicts} == {"exact"}


NET = ("net/w", "net/b")


_SCOPED = ("train_op/{}/Adam", "train_op/{}/Adam_1")


@pytest.mark.parametrize(
    "case",
    [
        ("optimizer_adam", "Adam", ("Adam", "Adam_1"), 3),
        (
            "optimizer_adam_named",
            "generator_opt",
            ("generator_opt", "generator_opt_1"),
            3,
        ),
        ("optimizer_lazy_adam", "Adam", ("Adam", "Adam_1"), 3),
        ("optimizer_scoped", "train_op/Adam", _SCOPED, 1),
        ("optimizer_scoped", "Adam", _SCOPED, 1),
    ],
)
def test_names_and_scopes(tf, module, case):
    name, recipe, ends, steps = case
    dressed = Dressed(tf, golden(f"{name}/model.ckpt"), NET, adam(module))
    report = restore(tf, dressed, tcm.Recipe("optimizer", recipe, "optimizer"))
    assert exact(report)
    assert int(dressed.optimizer.iterations) == steps
    dressed.check("m", "v", ends=ends)


@pytest.mark.parametrize(
    ("instance", "ends"), [(0, ("Adam", "Adam_1")), (1, ("Adam_2", "Adam_3"))]
)
def test_in_the_order_of_creation(tf, module, instance, ends):
    source = golden("optimizer_two_adams/model.ckpt")
    dressed = Dressed(tf, source, NET, adam(module))
    recipe = tcm.Recipe("optimizer", "Adam", "optimizer", instance=instance)
    with pytest.raises(PlanError, match="instance=0"):
        restore(tf, dressed, tcm.Recipe("optimizer", "Adam", "optimizer"))
    report = restore(
        tf, dressed, recipe, tcm.Drop(role="slot"), tcm.Drop(role="optimizer")
    )
    assert exact(report)
    assert int(dressed.optimizer.iterations) == 1
    dressed.check("m", "v", ends=ends)


def test_a_gan(tf, module):
    """Two optimizers of one name, each with variables, betas and steps of its own."""
    source = golden("optimizer_gan/model.ckpt")
    names = {"discriminator": 0.5, "generator": 0.9}
    both = {
        name: Dressed(tf, source, [f"{name}/w"], adam(module, beta_1))
        for name, beta_1 in names.items()
    }
    checkpoint = tf.train.Checkpoint(
        vars=[v for each in both.values() for v in each.variables.values()],
        **{name: each.optimizer for name, each in both.items()},
    )
    rules = [pair for each in both.values() for pair in each.rules.items()]
    recipes = [
        tcm.Recipe("optimizer", "Adam", name, instance=number)
        for number, name in enumerate(names)
    ]
    report = tcm.restore(
        source, checkpoint, [*rules, *recipes, tcm.Drop("global_step")]
    )
    assert exact(report)
    assert [int(each.optimizer.iterations) for each in both.values()] == [3, 2]
    for each in both.values():
        each.check("m", "v", ends=("Adam", "Adam_1"))
    swapped = [
        tcm.Recipe("optimizer", "Adam", name, instance=1 - number)
        for number, name in enumerate(names)
    ]
    report = tcm.restore(
        source, checkpoint, [*rules, *swapped, tcm.Drop("global_step")]
    )
    doubtful = {v.into: v.what for v in report.verdicts if v.kind == "approximate"}
    assert doubtful == {"discriminator": "beta_1", "generator": "iterations"}


def test_one_that_scaled_the_loss(tf, module):
    source = golden("optimizer_loss_scale/model.ckpt")
    dressed = Dressed(tf, source, NET, adam(module))
    report = restore(tf, dressed, tcm.Recipe("optimizer", "Adam", "optimizer"))
    assert exact(report)
    assert int(dressed.optimizer.iterations) == 2
    dressed.check("m", "v", ends=("Adam", "Adam_1"))
    left = {entry.key: entry.reason for entry in report.left_behind}
    assert set(left) == {"current_loss_scale", "good_steps"}
    assert "scales no loss" in left["good_steps"]


def test_one_that_scales_the_loss_on(tf):
    """The scale, and how long it has held, go on too."""
    source = golden("optimizer_loss_scale/model.ckpt")
    keras = tf.keras
    inner = keras.optimizers.Adam(0.1, epsilon=1e-8)
    scaling = getattr(keras.optimizers, "LossScaleOptimizer", None)
    outer = (scaling or keras.mixed_precision.LossScaleOptimizer)(inner)
    names = ("net_w", "net_b")
    shapes = [source[key].shape for key in NET]
    variables = [
        tf.Variable(tf.zeros(shape), name=name)
        for name, shape in zip(names, shapes, strict=True)
    ]
    outer.build(variables)
    checkpoint = tf.train.Checkpoint(vars=variables, optimizer=outer)
    rules = [
        *zip(NET, names, strict=True),
        tcm.Recipe("optimizer", "Adam", "optimizer"),
    ]
    tcm.restore(source, checkpoint, rules)
    scale = getattr(outer, "dynamic_scale", None)
    scale = outer.loss_scale if scale is None else scale
    steps = getattr(outer, "step_counter", None)
    steps = outer.dynamic_counter if steps is None else steps
    assert float(scale) == float(source["current_loss_scale"]) != 2.0**15
    assert int(steps) == int(source["good_steps"])


DNN = "dnn/hiddenlayer_0"


def test_a_canned_dnn(tf, module):
    """Its slots are behind ``t_0``, its powers within ``dnn/head``."""
    source = golden("estimator_dnn/run")
    embedding = next(key for key in source if key.endswith("embedding_weights"))
    names = [f"{DNN}/kernel", f"{DNN}/bias", "dnn/logits/kernel", "dnn/logits/bias"]
    names += [f"{DNN}/batchnorm_0/{name}" for name in ("beta", "gamma")]
    dressed = Dressed(tf, source, [*names, embedding], adam(module))
    statistics = tcm.Drop(f"{DNN}/batchnorm_0/")
    report = restore(
        tf, dressed, tcm.Recipe("optimizer", "Adam", "optimizer"), statistics
    )
    assert exact(report)
    assert int(dressed.optimizer.iterations) == int(source["global_step"]) > 0
    dressed.check("m", "v", ends=("t_0/Adam", "t_0/Adam_1"))


def test_a_canned_linear_model(tf, module):
    """Its slots are behind ``part_0``, though nothing is parted."""
    source = golden("estimator_linear/run")
    names = [key for key in source if key.endswith("weights")]
    dressed = Dressed(tf, source, names, module.Ftrl(0.2))
    report = restore(tf, dressed, tcm.Recipe("optimizer", "Ftrl", "optimizer"))
    assert exact(report)
    assert int(dressed.optimizer.iterations) == int(source["global_step"]) > 0
    dressed.check("accumulator", "linear", ends=("part_0/Ftrl", "part_0/Ftrl_1"))


def test_a_canned_wide_and_deep_model_in_parts(tf, module):
    """Two optimizers of different names, over variables that were partitioned."""
    source = golden("estimator_partitioned/run")
    names = {
        "Adam": [key for key in source if f"{key}/Adam" in source],
        "Ftrl": [key for key in source if f"{key}/Ftrl" in source],
    }
    deep = Dressed(tf, source, names["Adam"], adam(module))
    wide = Dressed(tf, source, names["Ftrl"], module.Ftrl(0.1))
    checkpoint = tf.train.Checkpoint(
        vars=[*deep.variables.values(), *wide.variables.values()],
        deep=deep.optimizer,
        wide=wide.optimizer,
    )
    rules = [
        *{**deep.rules, **wide.rules}.items(),
        tcm.Recipe("optimizer", "Adam", "deep"),
        tcm.Recipe("optimizer", "Ftrl", "wide"),
    ]
    report = tcm.restore(source, checkpoint, rules)
    assert exact(report)
    steps = [int(each.iterations) for each in (deep.optimizer, wide.optimizer)]
    assert steps == [int(source["global_step"])] * 2 == [3, 3]
    deep.check("m", "v", ends=("Adam", "Adam_1"))
    wide.check("accumulator", "linear", ends=("Ftrl", "Ftrl_1"))
