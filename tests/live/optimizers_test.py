from typing import Any

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.resumed import (
    GOLDENS,
    RULES,
    apart,
    continued,
    flavors,
    longest_step,
    model_and,
    prefix_of,
    train_on,
)
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.conversion.optimizers.keras import keras_optimizer
from tf_ckpt_migrate.errors import GraphModeError, PlanError, RuleError
from tf_ckpt_migrate.live.variables import name_of

FLAVORS = ["keras_3", "tf_keras", "legacy"]


def restore(prefix, checkpoint, name, **told):
    recipe = tcm.Recipe("optimizer", name, "optimizer", **told)
    return tcm.restore(prefix, checkpoint, [*RULES.items(), recipe])


def test_without_the_state_the_steps_are_others(tf):
    """What the table of the page measures is worth measuring."""
    module = next(iter(flavors(tf).values()))
    checkpoint = model_and(tf, module.Adam(0.1, epsilon=1e-8))
    tcm.restore(
        prefix_of("adam"),
        checkpoint,
        RULES,
        unused="drop",
        missing=["slot", "optimizer", "step"],
    )
    record = continued("adam")
    _, weights = train_on(tf, checkpoint, record)
    assert apart(record, weights) > 0.01


def test_a_model_that_was_built_by_being_called(tf, tmp_path):
    """Keras 3 then calls variables in the graph otherwise than its slots do."""

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.hidden = tf.keras.layers.Dense(3, name="hidden")
            self.top = tf.keras.layers.Dense(1, name="top")

        def call(self, inputs):
            return self.top(self.hidden(inputs))

    net, optimizer = Net(), tf.keras.optimizers.Adam(0.1)
    net(tf.zeros([1, 2]))
    optimizer.build(net.trainable_variables)
    checkpoint = tf.train.Checkpoint(net=net, optimizer=optimizer)
    rules = [(f"tf1/{i}", v) for i, v in enumerate(net.trainable_variables)]
    tensors = {}
    for number, variable in enumerate(net.trainable_variables):
        for at, end in enumerate(["", "/Adam", "/Adam_1"]):
            value = np.full(variable.shape, 10 * number + at, "float32")
            tensors[f"tf1/{number}{end}"] = value
    powers = {f"beta{i}_power": np.float32(b**2) for i, b in ((1, 0.9), (2, 0.999))}
    recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
    with example_checkpoint({**tensors, **powers}) as prefix:
        tcm.restore(prefix, checkpoint, [*rules, recipe])
    saved = tcm.load_checkpoint(checkpoint.write(str(tmp_path / "m")))
    found = keras_optimizer(saved, "optimizer")
    assert found.unknown == ()
    numbers = {
        float(saved[key].flat[0]): sorted(float(saved[s].flat[0]) for s in by.values())
        for key, by in found.slots.items()
    }
    assert numbers == {10.0 * i: [10.0 * i + 1, 10.0 * i + 2] for i in range(4)}


class TestImpossible:
    def refused(self, tf, flavor, case):
        golden, name, keras_class, settings, told = case
        module = flavors(tf).get(flavor)
        if module is None:
            pytest.skip(f"no {flavor} in this environment")
        checkpoint = model_and(tf, getattr(module, keras_class)(**settings))
        before = checkpoint.dense.kernel.numpy()
        with pytest.raises(PlanError) as caught:
            restore(prefix_of(golden), checkpoint, name, **told)
        assert np.array_equal(before, checkpoint.dense.kernel.numpy())
        return str(caught.value)

    @pytest.mark.parametrize("flavor", FLAVORS)
    def test_momentum_under_a_schedule(self, tf, flavor):
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
        settings = {"learning_rate": schedule, "momentum": 0.9}
        case = ("momentum", "Momentum", "SGD", settings, {})
        text = self.refused(tf, flavor, case)
        assert "under a schedule" in text
        assert "go on with tcm.keras.optimizers.MomentumOptimizer(" in text

    def test_momentum_without_momentum(self, tf):
        flavor = "tf_keras" if "tf_keras" in flavors(tf) else "keras_3"
        case = ("momentum", "Momentum", "SGD", {"learning_rate": 0.05}, {})
        text = self.refused(tf, flavor, case)
        assert "momentum" in text

    @pytest.mark.parametrize("flavor", FLAVORS)
    def test_adam_into_another_class(self, tf, flavor):
        case = ("adam", "Adam", "Adagrad", {}, {})
        assert "go on with Adam" in self.refused(tf, flavor, case)

    @pytest.mark.parametrize("flavor", FLAVORS)
    def test_amsgrad(self, tf, flavor):
        case = ("adam", "Adam", "Adam", {"amsgrad": True}, {})
        assert "set amsgrad=False" in self.refused(tf, flavor, case)

    @pytest.mark.parametrize("flavor", FLAVORS)
    def test_centered_where_tf1_was_not(self, tf, flavor):
        settings = {"centered": True, "momentum": 0.9}
        case = ("rmsprop_momentum", "RMSProp", "RMSprop", settings, {})
        assert "set centered=False" in self.refused(tf, flavor, case)

    def test_what_keras_has_not(self, tf):
        module = next(iter(flavors(tf).values()))
        checkpoint = model_and(tf, module.Adagrad())
        with pytest.raises(PlanError, match="Keras has no dual averaging"):
            restore(prefix_of("adagrad"), checkpoint, "AdagradDA")


@pytest.mark.parametrize(
    ("steps", "kind", "most"), [(6000, "approximate", 2e-2), (20_000, "exact", 1e-6)]
)
@pytest.mark.parametrize("flavor", ["keras_3", "tf_keras"])
def test_bert_late_under_a_schedule(tf, flavor, steps, kind, most):
    """After many steps AdamW corrects hardly any bias, then none."""
    if flavor not in flavors(tf):
        pytest.skip(f"no {flavor} in this environment")
    source = tcm.load_checkpoint(prefix_of("adam_weight_decay"))
    tensors = {key: source[key] for key in source} | {"global_step": np.int64(steps)}
    rate = tf.keras.optimizers.schedules.PolynomialDecay(0.05, 10**6, 0.05)
    made = tf.keras.optimizers.AdamW(rate, weight_decay=0.01, epsilon=1e-6)
    made.exclude_from_weight_decay(var_names=["bias"])
    checkpoint = model_and(tf, made)
    with example_checkpoint(tensors) as prefix:
        report = restore(prefix, checkpoint, "AdamWeightDecay")
    assert int(made.iterations) == steps
    judged = {verdict.what: verdict for verdict in report.verdicts}
    assert judged["iterations"].kind == kind
    record = continued("adam_weight_decay")
    far = apart(record, train_on(tf, checkpoint, record)[1])
    told = judged["iterations"].how_far * len(record["losses"]) * longest_step(record)
    assert far <= told + 1e-6
    assert far <= most


@pytest.fixture
def adam(tf):
    """A layer with an Adam that goes on as TF1's."""
    module = next(iter(flavors(tf).values()))
    return model_and(tf, module.Adam(0.1, epsilon=1e-8))


def tensors(**more):
    """What TF1 saves of a dense layer and an Adam after one step."""
    found = {
        "net/w": np.zeros([3, 2], np.float32),
        "net/b": np.zeros(2, np.float32),
        "beta1_power": np.float32(0.9) * np.float32(0.9),
        "beta2_power": np.float32(0.999) * np.float32(0.999),
        "global_step": 1,
    }
    for number, end in enumerate(["Adam", "Adam_1"], 1):
        found[f"net/w/{end}"] = np.full([3, 2], number, np.float32)
        found[f"net/b/{end}"] = np.full(2, number, np.float32)
    return {**found, **more}


def variables_of(optimizer) -> Any:
    """The variables of an optimizer of any Keras."""
    variables = optimizer.variables
    return variables() if callable(variables) else variables


def slot_values(checkpoint):
    """The sorted sums of the slots."""
    listed = variables_of(checkpoint.optimizer)
    return sorted(float(np.sum(v.numpy())) for v in listed if len(v.shape))


class TestFinding:
    def test_a_scope_before_the_variable(self, adam):
        moved = {
            key
            if key in ("net/w", "net/b", "global_step")
            else f"train_op/{key}": value
            for key, value in tensors().items()
        }
        with example_checkpoint(moved) as prefix:
            restore(prefix, adam, "train_op/Adam")
        assert slot_values(adam) == [2, 4, 6, 12]

    def test_the_second_of_two(self, adam):
        second = {
            "net/w/Adam_2": np.full([3, 2], 3, np.float32),
            "net/w/Adam_3": np.full([3, 2], 4, np.float32),
            "net/b/Adam_2": np.full(2, 3, np.float32),
            "net/b/Adam_3": np.full(2, 4, np.float32),
            "beta1_power_1": np.float32(0.9),
            "beta2_power_1": np.float32(0.999),
        }
        with example_checkpoint(tensors(**second)) as prefix:
            with pytest.raises(PlanError, match="instance=0"):
                restore(prefix, adam, "Adam")
            rules = [
                *RULES.items(),
                tcm.Recipe("optimizer", "Adam", "optimizer", instance=1),
                tcm.Drop("net/w/"),
                tcm.Drop("net/b/"),
                tcm.Drop("beta1_power"),
                tcm.Drop("beta2_power"),
            ]
            tcm.restore(prefix, adam, rules)
        assert slot_values(adam) == [6, 8, 18, 24]
        assert int(adam.optimizer.iterations) == 0

    def test_two_of_different_variables(self, tf, adam):
        """As those of a generator and a discriminator, both called Adam."""
        own = {
            "d/w": np.zeros(1, np.float32),
            "d/w/Adam": np.ones(1, np.float32),
            "d/w/Adam_1": np.ones(1, np.float32),
            "beta1_power_1": np.float32(0.9),
            "beta2_power_1": np.float32(0.999),
        }
        module = next(iter(flavors(tf).values()))
        variable = tf.Variable([0.0], name="dis")
        other = module.Adam(0.1, epsilon=1e-8)
        if hasattr(other, "get_slot"):
            other.apply_gradients([(tf.zeros(1), variable)])
        else:
            other.build([variable])
        both = tf.train.Checkpoint(
            dense=adam.dense, optimizer=adam.optimizer, dis=variable, other=other
        )
        rules = [
            *RULES.items(),
            ("d/w", "dis"),
            tcm.Recipe("optimizer", "Adam", "optimizer", instance=0),
            tcm.Recipe("optimizer", "Adam", "other", instance=1),
        ]
        with example_checkpoint(tensors(**own)) as prefix:
            report = tcm.restore(prefix, both, rules)
        counts = [int(o.iterations) for o in (adam.optimizer, other)]
        assert counts == [1, 0]
        assert slot_values(adam) == [2, 4, 6, 12]
        assert {verdict.into for verdict in report.verdicts} == {"optimizer", "other"}

    def test_slots_follow_a_transposed_kernel(self, adam):
        turned = {
            key: np.arange(6, dtype=np.float32).reshape(2, 3)
            for key in ("net/w", "net/w/Adam", "net/w/Adam_1")
        }
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        kernel = tcm.Rename("net/w", "dense/kernel", tcm.transforms.Transpose((1, 0)))
        with example_checkpoint(tensors(**turned)) as prefix:
            tcm.restore(prefix, adam, [kernel, ("net/b", "dense/bias"), recipe])
        assert slot_values(adam) == [2, 4, 15, 15]

    def test_slots_follow_the_gates_of_an_lstm(self, tf):
        """As the kernel is parted and its gates reordered, so are m and v."""
        source = tcm.load_checkpoint(str(GOLDENS / "rnn_bidirectional" / "model.ckpt"))
        layer = tf.keras.layers.LSTM(2, name="lstm")
        layer.build((None, None, 4))
        optimizer = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
        optimizer.build(layer.trainable_variables)
        checkpoint = tf.train.Checkpoint(lstm=layer, optimizer=optimizer)
        first = name_of(layer.trainable_variables[0]).rpartition("/")[0]
        rules = [
            tcm.Recipe("lstm", "bidirectional_rnn/fw/basic_lstm_cell/", f"{first}/"),
            tcm.Recipe("optimizer", "Adam", "optimizer"),
            tcm.Drop("bidirectional_rnn/bw/"),
        ]
        tcm.restore(source, checkpoint, rules)
        found = [v.numpy() for v in variables_of(optimizer) if len(v.shape)]
        cell = "bidirectional_rnn/fw/basic_lstm_cell"
        for number, end in enumerate(["Adam", "Adam_1"]):
            kernel = source[f"{cell}/kernel/{end}"]
            gates = np.concatenate([np.split(kernel, 4, 1)[i] for i in (0, 2, 1, 3)], 1)
            bias = np.split(source[f"{cell}/bias/{end}"], 4)
            wanted = [
                gates[:4],
                gates[4:],
                np.concatenate([bias[i] for i in (0, 2, 1, 3)]),
            ]
            for each, known in zip(found[number::2], wanted, strict=True):
                assert np.array_equal(each, known)

    def test_one_that_scales_the_loss(self, tf):
        inner = tf.keras.optimizers.Adam(0.1, epsilon=1e-8)
        keras = tf.keras
        scaling = getattr(keras.optimizers, "LossScaleOptimizer", None)
        scaling = scaling or keras.mixed_precision.LossScaleOptimizer
        layer = keras.layers.Dense(2, name="dense")
        layer.build((None, 3))
        outer = scaling(inner)
        outer.build(layer.trainable_variables)
        checkpoint = tf.train.Checkpoint(dense=layer, optimizer=outer)
        with example_checkpoint(tensors()) as prefix:
            report = restore(prefix, checkpoint, "Adam")
        assert int(inner.iterations) == 1
        assert slot_values(tf.train.Checkpoint(optimizer=inner)) == [2, 4, 6, 12]
        assert {verdict.kind for verdict in report.verdicts} == {"exact"}

    def test_a_graph(self, tf, adam):
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        with (
            tf.Graph().as_default(),
            tf.compat.v1.Session(),
            pytest.raises(GraphModeError, match="only in eager mode"),
        ):
            tcm.restore(prefix_of("adam"), {"w": tf.Variable(1.0)}, [recipe])

    def test_no_such_optimizer(self, adam):
        with (
            example_checkpoint(tensors()) as prefix,
            pytest.raises(PlanError, match=r"no slots of an optimizer 'Adm'.*Adam"),
        ):
            restore(prefix, adam, "Adm")

    def test_no_such_place(self, adam):
        recipe = tcm.Recipe("optimizer", "Adam", "optimiser")
        with (
            example_checkpoint(tensors()) as prefix,
            pytest.raises(PlanError, match="no Keras optimizer at 'optimiser'"),
        ):
            tcm.restore(prefix, adam, [*RULES.items(), recipe])

    def test_no_such_option(self, adam):
        with (
            example_checkpoint(tensors()) as prefix,
            pytest.raises(RuleError, match="did you mean 'epsilon'"),
        ):
            restore(prefix, adam, "Adam", epsilom=1.0)

    def test_one_of_keras_tells_its_settings(self, tf):
        module = next(iter(flavors(tf).values()))
        checkpoint = model_and(tf, module.Adam(0.2))
        prefix = prefix_of("keras_compiled")
        with pytest.raises(RuleError, match="in 'training/Adam/beta_1'"):
            restore(prefix, checkpoint, "Adam", beta_1=0.9)
        report = restore(prefix, checkpoint, "training/Adam")
        judged = {verdict.what: verdict for verdict in report.verdicts}
        assert judged["learning_rate"].instead == "set learning_rate=0.1"
        assert judged["learning_rate"].how_far == pytest.approx(1)
        assert judged["beta_1"].why == "0.9, as the checkpoint tells"
        assert judged["iterations"].why == "7, by 'training/Adam/iter'"

    def test_a_model_that_is_compiled(self, tf):
        keras = tf.keras
        model = keras.Sequential([keras.layers.Dense(2, name="dense")], name="net")
        model.build((None, 3))
        model.compile(keras.optimizers.Adam(0.1, epsilon=1e-8), "mse")
        model.optimizer.build(model.trainable_variables)
        names = [getattr(v, "path", v.name.partition(":")[0]) for v in model.weights]
        rules = dict(zip(("net/w", "net/b"), names, strict=True))
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        tcm.restore(prefix_of("adam"), model, [*rules.items(), recipe])
        assert int(model.optimizer.iterations) == 7


class TestIterations:
    def test_a_power_of_0_leaves_it_to_global_step(self, adam):
        gone = {"beta1_power": np.float32(0), "beta2_power": np.float32(0)}
        with example_checkpoint(tensors(**gone, global_step=99_999)) as prefix:
            report = restore(prefix, adam, "Adam")
        assert int(adam.optimizer.iterations) == 99_999
        assert "global_step tells the steps" in report.plan.notes[0]

    def test_nothing_tells(self, adam):
        gone = {"beta1_power": np.float32(0), "beta2_power": np.float32(0)}
        known = tensors(**gone)
        del known["global_step"]
        with (
            example_checkpoint(known) as prefix,
            pytest.raises(PlanError, match=r"nothing in .* tells how many steps"),
        ):
            restore(prefix, adam, "Adam")

    @pytest.mark.parametrize("scheduled", [False, True])
    def test_nothing_need_tell_those_without_betas(self, tf, scheduled):
        """Programs that had no global_step have none in their checkpoints."""
        source = tcm.load_checkpoint(prefix_of("adagrad"))
        known = {key: source[key] for key in source if key != "global_step"}
        rate = tf.keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
        module = next(iter(flavors(tf).values()))
        made = module.Adagrad(rate if scheduled else 0.5, epsilon=1e-30)
        checkpoint = model_and(tf, made)
        with example_checkpoint(known) as prefix:
            report = restore(prefix, checkpoint, "Adagrad")
        judged = {verdict.what: verdict for verdict in report.verdicts}
        kind = "approximate" if scheduled else "exact"
        assert judged["iterations"].kind == kind
        assert "nothing in the checkpoint counts" in judged["iterations"].why

    def test_without_powers_it_is_assumed_that_global_step_counted(self, adam):
        known = tensors(global_step=5)
        del known["beta1_power"], known["beta2_power"]
        with example_checkpoint(known) as prefix:
            report = restore(prefix, adam, "Adam")
        judged = {verdict.what: verdict for verdict in report.verdicts}
        assert int(adam.optimizer.iterations) == 5
        assert "global_step" in judged["iterations"].assumes
        with example_checkpoint(known) as prefix:
            report = restore(prefix, adam, "Adam", like="AdamGS")
        judged = {verdict.what: verdict for verdict in report.verdicts}
        assert judged["iterations"].assumes == ""

    def test_disagreement_is_told(self, adam):
        with example_checkpoint(tensors(global_step=5)) as prefix:
            report = restore(prefix, adam, "Adam")
        assert int(adam.optimizer.iterations) == 1
        (note,) = report.plan.notes
        assert "has taken 1 steps, global_step says 5" in note
        assert note in str(report)

    def test_global_step_may_go_to_a_variable_too(self, tf, adam):
        step = tf.Variable(0, dtype=tf.int64, name="step")
        gone = {"beta1_power": np.float32(0), "beta2_power": np.float32(0)}
        both = tf.train.Checkpoint(
            dense=adam.dense, optimizer=adam.optimizer, step=step
        )
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        rules = [*RULES.items(), ("global_step", "step"), recipe]
        with example_checkpoint(tensors(**gone, global_step=42)) as prefix:
            tcm.restore(prefix, both, rules)
        assert (int(step), int(adam.optimizer.iterations)) == (42, 42)
