"""Optimizers of one TF1 program that share a step; and what is not translated."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError

NAMES = ("deep", "wide")


def slots(variable, *ends):
    values = enumerate(["", *(f"/{end}" for end in ends)])
    return {
        f"{variable}/w{end}": np.full(SHAPES[variable], n + 1.0, "f")
        for n, end in values
    }


SHAPES = {"deep": (2, 3), "wide": (3, 1)}


class Two:
    """Two variables, each with an optimizer."""

    def __init__(self, tf, *optimizers):
        self.variables = [tf.Variable(tf.zeros(SHAPES[n]), name=n) for n in NAMES]
        self.optimizers = optimizers
        for variable, optimizer in zip(self.variables, optimizers, strict=True):
            optimizer.build([variable])
        parts = dict(zip(NAMES, self.variables, strict=True))
        of = {f"of_{n}": o for n, o in zip(NAMES, optimizers, strict=True)}
        self.checkpoint = tf.train.Checkpoint(**parts, **of)

    def rules(self, *named):
        recipes = [
            tcm.Recipe("optimizer", name, f"of_{layer}", **told)
            for layer, (name, told) in zip(NAMES, named, strict=True)
        ]
        return [*((f"{name}/w", name) for name in NAMES), *recipes]


def powers(steps, end=""):
    of = {"beta1": 0.9, "beta2": 0.999}
    many = {b: np.full(steps + 1, v, np.float32) for b, v in of.items()}
    return {f"{b}_power{end}": np.multiply.accumulate(v)[-1] for b, v in many.items()}


@pytest.fixture
def module(tf):
    return tf.keras.optimizers


@pytest.mark.parametrize("steps", [(5, 5), (5, 6)])
def test_a_step_for_both(tf, module, tmp_path, steps):
    two = Two(tf, module.Adagrad(0.1, epsilon=1e-30), module.Ftrl(0.1))
    rules = two.rules(("Adagrad", {}), ("Ftrl", {}))
    tensors = {**slots("deep", "Adagrad"), **slots("wide", "Ftrl", "Ftrl_1")}
    tensors["global_step"] = np.int64(3)
    with example_checkpoint(tensors) as prefix:
        tcm.restore(prefix, two.checkpoint, rules)
        assert [int(each.iterations) for each in two.optimizers] == [3, 3]
        for optimizer, count in zip(two.optimizers, steps, strict=True):
            optimizer.iterations.assign(count)
        made = tcm.save_like(
            prefix, two.checkpoint, rules, output_prefix=tmp_path / "back"
        )
    found = int(tcm.load_checkpoint(made)["global_step"])
    told = [note for note in made.notes if note.startswith("'global_step' is as it")]
    if steps == (5, 5):
        assert (found, told) == (5, [])
    else:
        assert found == 3
        assert "the optimizers have taken 5 and 6 steps" in told[0]


@pytest.mark.parametrize("step", [4, 9])
def test_powers_of_each_and_one_step(tf, module, tmp_path, step):
    """A step that was none of theirs stays, and a note says so."""
    two = Two(tf, *(module.Adam(0.1, epsilon=1e-8) for _ in NAMES))
    rules = two.rules(*(("Adam", {"instance": n}) for n in (0, 1)))
    tensors = {**slots("deep", "Adam", "Adam_1"), **slots("wide", "Adam", "Adam_1")}
    tensors["global_step"] = np.int64(step)
    tensors |= {**powers(4), **powers(4, "_1")}
    with example_checkpoint(tensors) as prefix:
        tcm.restore(prefix, two.checkpoint, rules)
        for optimizer in two.optimizers:
            assert int(optimizer.iterations) == 4
            optimizer.iterations.assign(7)
        made = tcm.save_like(
            prefix, two.checkpoint, rules, output_prefix=tmp_path / "back"
        )
        saved = two.checkpoint.save(str(tmp_path / "two"))
        recipes = [
            tcm.Recipe("optimizer", f"of_{n}", "Adam", instance=i)
            for i, n in enumerate(NAMES)
        ]
        back = [*((n, f"{n}/w") for n in NAMES), *recipes]
        by_file = tcm.convert_tf2_to_tf1(
            saved, tmp_path / "file", like=prefix, names=back
        )
        by_file = tcm.load_checkpoint(by_file)
    assert int(by_file["global_step"]) == (7 if step == 4 else 9)
    found = tcm.load_checkpoint(made)
    assert int(found["global_step"]) == (7 if step == 4 else 9)
    assert float(found["beta1_power_1"]) == float(powers(7)["beta1_power"])
    is_told = any("steps of its own" in note for note in made.notes)
    assert is_told is (step == 9)


def with_one_adam(tf, module, tensors, trained, **options):
    variables = {n: tf.Variable(tf.zeros(SHAPES[n]), name=n) for n in NAMES}
    optimizer = module.Adam(0.1, epsilon=1e-8)
    optimizer.build([variables[n] for n in trained])
    checkpoint = tf.train.Checkpoint(**variables, optimizer=optimizer)
    rules = [(f"{n}/w", n) for n in NAMES]
    rules.append(tcm.Recipe("optimizer", "Adam", "optimizer"))
    tensors = {**tensors, "global_step": np.int64(4), **powers(4)}
    with example_checkpoint(tensors) as prefix:
        report = tcm.restore(prefix, checkpoint, rules, **options)
    assert "as in TF1: slot m, slot v" in str(report)
    return {each.what: each.why for each in report.verdicts if each.kind != "exact"}


def test_a_variable_that_is_not_trained_on_is_told(tf, module):
    tensors = {k: v for n in NAMES for k, v in slots(n, "Adam", "Adam_1").items()}
    doubtful = with_one_adam(tf, module, tensors, NAMES[:1])
    assert set(doubtful) == {"slot m", "slot v"}
    assert "does not train 'wide'" in doubtful["slot m"]


def test_a_variable_that_was_not_trained_is_told(tf, module):
    tensors = {**slots("deep", "Adam", "Adam_1"), **slots("wide")}
    with pytest.raises(PlanError, match="targets have no source"):
        with_one_adam(tf, module, tensors, NAMES)
    doubtful = with_one_adam(tf, module, tensors, NAMES, missing=["slot"])
    assert set(doubtful) == {"slot m", "slot v"}
    assert "did not train 'wide'" in doubtful["slot v"]


@pytest.mark.parametrize(
    ("settings", "told", "doubtful"),
    [
        ({"clipnorm": 0.1}, {}, {"clipnorm"}),
        ({"clipvalue": 0.1}, {"clipvalue": 0.1}, set()),
        ({"global_clipnorm": 1.0}, {"global_clipnorm": 2.0}, {"global_clipnorm"}),
        ({}, {"clipnorm": 1.0}, {"clipnorm"}),
        ({"use_ema": True}, {}, {"ema_momentum"}),
        ({"use_ema": True, "ema_momentum": 0.9}, {"ema_momentum": 0.9}, set()),
    ],
)
def test_what_is_done_beside_the_optimizer(tf, module, settings, told, doubtful):
    variable = tf.Variable([1.0], name="w")
    optimizer = module.SGD(0.1, **settings)
    optimizer.build([variable])
    checkpoint = tf.train.Checkpoint(w=variable, o=optimizer)
    recipe = tcm.Recipe("optimizer", "GradientDescent", "o", **told)
    with example_checkpoint({"w": np.zeros(1, "f"), "global_step": np.int64(3)}) as p:
        report = tcm.restore(p, checkpoint, [recipe], missing=["slot", "average"])
    found = {each.what for each in report.verdicts if each.kind != "exact"}
    assert found == doubtful


OWN = {
    "AdagradDAOptimizer": ("AdagradDA", ("AdagradDA", "AdagradDA_1")),
    "AdamWeightDecayOptimizer": ("AdamWeightDecay", ("adam_m", "adam_v")),
    "LAMBOptimizer": ("LAMB", ("adam_m", "adam_v")),
    "LARSOptimizer": ("LARSOptimizer", ("LARSOptimizer",)),
    "MomentumOptimizer": ("Momentum", ("Momentum",)),
    "ProximalAdagradOptimizer": ("ProximalAdagrad", ("ProximalAdagrad",)),
}


@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("own", OWN)
def test_our_own_by_files_as_live(tf, tmp_path, own, by_step):
    name, ends = OWN[own]
    shape, settings = (2, 3), {}
    if own == "MomentumOptimizer":
        settings = {"momentum": 0.9}

    def training():
        layer = tf.keras.layers.Dense(3, use_bias=False, name="deep")
        layer.build((None, 2))
        optimizer = getattr(tcm.keras.optimizers, own)(0.1, **settings)
        if by_step:
            pairs = [(tf.ones_like(v), v) for v in layer.trainable_variables]
            optimizer.apply_gradients(pairs)
        else:
            optimizer.build(layer.trainable_variables)
        return tf.train.Checkpoint(deep=layer, optimizer=optimizer)

    kernel = getattr(training().deep.kernel, "path", "")
    rules = [("deep/w", "deep/kernel"), tcm.Recipe("optimizer", name, "optimizer")]
    tensors = {**slots("deep", *ends), "global_step": np.int64(7)}
    assert tensors["deep/w"].shape == shape
    with example_checkpoint(tensors) as prefix:
        live = training()
        tcm.restore(prefix, live, rules)
        known = tcm.load_checkpoint(live.save(str(tmp_path / "live")))
        like = training().save(str(tmp_path / "like"))
        made = tcm.convert_tf1_to_tf2(
            prefix, tmp_path / "new", like=like, assignment_map=rules
        )
        found = tcm.load_checkpoint(made)
        values = [key for key in known if "OBJECT_GRAPH" not in key]
        for key in (key for key in values if "save_counter" not in key):
            np.testing.assert_array_equal(found[key], known[key], err_msg=key)
        there = [(kernel or "deep/kernel", "deep/w")]
        recipe = tcm.Recipe("optimizer", "optimizer", name)
        back = tcm.convert_tf2_to_tf1(
            made, tmp_path / "back", like=prefix, names=[*there, recipe]
        )
    returned = tcm.load_checkpoint(back)
    for key, value in tensors.items():
        np.testing.assert_array_equal(returned[key], value, err_msg=key)
