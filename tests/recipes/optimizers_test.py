"""What needs no TensorFlow to know: who is who, how many steps, which verdict."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, TransformError
from tf_ckpt_migrate.recipes.epsilon import STEPS_AHEAD, Epsilons, step_fraction
from tf_ckpt_migrate.recipes.iterations import Power, counted_steps, likely_beta
from tf_ckpt_migrate.recipes.judging import judged
from tf_ckpt_migrate.recipes.keras_kinds import KINDS_OF_KERAS
from tf_ckpt_migrate.recipes.known import Known
from tf_ckpt_migrate.recipes.layer_defaults import KerasSettings
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, kind_for
from tf_ckpt_migrate.recipes.optimizers import keras_scope, saved_optimizer
from tf_ckpt_migrate.recipes.slot_variables import Unfollowable, slot_transform
from tf_ckpt_migrate.transforms import (
    AddToBlock,
    Blocks,
    Chain,
    Function,
    Join,
    Pad,
    PowerOfSteps,
    Scale,
    Shift,
    StepsOfPowers,
    Transform,
    Transpose,
)
from tf_ckpt_migrate.transforms.steps import steps_of_power

# Golden of TF1: the optimizer in it and the slots that it has.
SAVED = {
    "optimizer_adadelta": ("Adadelta", "Adadelta", {"accum", "accum_update"}),
    "optimizer_adagrad": ("Adagrad", "Adagrad", {"accumulator"}),
    "optimizer_adam": ("Adam", "Adam", {"m", "v"}),
    "optimizer_adam_named": ("generator_opt", "Adam", {"m", "v"}),
    "optimizer_ftrl": ("Ftrl", "Ftrl", {"accum", "linear"}),
    "optimizer_lazy_adam": ("Adam", "Adam", {"m", "v"}),
    "optimizer_momentum": ("Momentum", "Momentum", {"momentum"}),
    "optimizer_nesterov": ("Momentum", "Momentum", {"momentum"}),
    "optimizer_rmsprop": ("RMSProp", "RMSProp", {"rms", "momentum"}),
    "optimizer_rmsprop_centered": ("RMSProp", "RMSProp", {"rms", "mg", "momentum"}),
    "optimizer_scoped": ("train_op/Adam", "Adam", {"m", "v"}),
    "resume_adam_weight_decay": ("AdamWeightDecay", "AdamWeightDecay", {"m", "v"}),
    "resume_adam_gs": ("Adam", "AdamGS", {"m", "v"}),
    "resume_adamax": ("AdaMax", "AdaMax", {"m", "v"}),
    "resume_adamw": ("AdamW", "AdamW", {"m", "v"}),
    "resume_lazy_adam": ("Adam", "LazyAdam", {"m", "v"}),
    "resume_momentumw": ("MomentumW", "MomentumW", {"momentum"}),
    "resume_keras_adadelta": ("Adadelta", "Adadelta", {"accum_grad", "accum_var"}),
    "resume_keras_adagrad": ("Adagrad", "Adagrad", {"accumulator"}),
    "resume_keras_adam": ("Adam", "Adam", {"m", "v"}),
    "resume_keras_adamax": ("Adamax", "Adamax", {"m", "v"}),
    "resume_keras_amsgrad": ("ams", "Adam", {"m", "v", "vhat"}),
    "resume_keras_compiled": ("Adam", "Adam", {"m", "v"}),
    "resume_keras_ftrl": ("Ftrl", "Ftrl", {"accumulator", "linear"}),
    "resume_keras_nadam": ("Nadam", "Nadam", {"m", "v"}),
    "resume_keras_rmsprop_centered": ("RMSprop", "RMSprop", {"rms", "mg", "momentum"}),
    "resume_keras_sgd": ("SGD", "SGD", {"momentum"}),
}
# What an optimizer of tf.keras saves of its settings, beside learning rate and decay.
SETTINGS = {
    "adadelta": {"rho"},
    "adagrad": set(),
    "adam": {"beta_1", "beta_2"},
    "ftrl": {
        *("l1_regularization_strength", "l2_regularization_strength"),
        "learning_rate_power",
    },
    "nadam": {"beta_1", "beta_2"},
    "rmsprop": {"rho", "momentum"},
    "sgd": {"momentum"},
}


def reader(goldens, name):
    return tcm.load_checkpoint(str(goldens / "tf1_15" / name / "model.ckpt"))


class TestFinding:
    @pytest.mark.parametrize("golden", SAVED)
    def test_every_optimizer_that_tf1_saved(self, goldens, golden):
        name, kind, slots = SAVED[golden]
        found = saved_optimizer(name, kind, reader(goldens, golden).specs)
        assert {v: set(s) for v, s in found.slots.items()} == {
            "net/b": slots,
            "net/w": slots,
        }
        powers = {"Adam": 2, "AdamW": 2, "LazyAdam": 2, "AdaMax": 1}.get(kind, 0)
        is_of_keras = golden.startswith("resume_keras")
        assert len(found.powers) == (0 if is_of_keras else powers)
        assert (found.step is not None) is is_of_keras

    @pytest.mark.parametrize("name", SETTINGS)
    def test_what_one_of_keras_saves_of_its_settings(self, goldens, name):
        source = reader(goldens, f"resume_keras_{name}")
        (scope,) = {key.partition("/")[0] for key in source if key.endswith("/iter")}
        found = saved_optimizer(scope, scope, source.specs)
        assert set(found.settings) == {"learning_rate", "decay", *SETTINGS[name]}
        assert found.step == f"{scope}/iter"
        assert set(found.scalars) == ({"momentum_cache"} if name == "nadam" else set())

    @pytest.mark.parametrize("golden", ["resume_keras_adagrad", "resume_keras_ftrl"])
    def test_sums_of_keras_do_not_start_at_0(self, goldens, golden):
        """A bias whose gradients were small has hardly more than it began with."""
        source = reader(goldens, golden)
        name = "Adagrad" if "adagrad" in golden else "Ftrl"
        (start,) = KINDS_OF_KERAS[name].starts.values()
        sums = np.concatenate(
            [source[f"{name}/net/{v}/accumulator"].ravel() for v in "wb"]
        )
        assert start <= sums.min() < 10 * start

    def test_a_scope_is_whole(self, goldens):
        """The slots of another that begins alike are not taken for its own."""
        spec = TensorSpec(DType.float32, ())
        names = ["w", "train/w/Adam", "train/w/Adam_1", "train2/w/Adam"]
        found = saved_optimizer("train/Adam", "Adam", dict.fromkeys(names, spec))
        assert found.slots == {"w": {"m": "train/w/Adam", "v": "train/w/Adam_1"}}

    def test_powers_of_others_only(self):
        spec = TensorSpec(DType.float32, ())
        names = ["w", "train/w/Adam", "train/w/Adam_1", "beta1_power", "beta2_power"]
        with pytest.raises(PlanError, match="none of the counts of steps"):
            saved_optimizer("train/Adam", "Adam", dict.fromkeys(names, spec))

    def test_the_scope_of_one_of_keras(self):
        specs = dict.fromkeys(
            ["a/Adam/iter", "b/Adam/iter", "w", "Adam/w/m", "c/SGD/iter"],
            TensorSpec(DType.int64, ()),
        )
        assert keras_scope("a/Adam", specs) == "a/Adam"
        assert keras_scope("SGD", specs) == "c/SGD"
        assert keras_scope("RMSprop", specs) is None
        with pytest.raises(PlanError, match=r"several .*'a/Adam', 'b/Adam'"):
            keras_scope("Adam", specs)

    def test_the_second_of_two(self, goldens):
        specs = reader(goldens, "optimizer_two_adams").specs
        found = saved_optimizer("Adam", "Adam", specs, 1)
        assert found.slots["net/w"] == {"m": "net/w/Adam_2", "v": "net/w/Adam_3"}
        assert found.powers == {"beta1": "beta1_power_1", "beta2": "beta2_power_1"}
        with pytest.raises(PlanError, match="2 optimizers called 'Adam'"):
            saved_optimizer("Adam", "Adam", specs)

    def test_one_that_is_not_there(self, goldens):
        specs = reader(goldens, "optimizer_ftrl").specs
        with pytest.raises(PlanError, match=r"no slots of an optimizer 'Adam'.*Ftrl"):
            saved_optimizer("Adam", "Adam", specs)

    def test_without_an_optimizer_of_keras_it_is_refused(self, goldens):
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        with pytest.raises(PlanError, match="cannot translate the state"):
            tcm.plan_migration(reader(goldens, "optimizer_adam"), None, [recipe])

    def test_kinds(self):
        assert kind_for("opt", "RMSprop") == "RMSProp"
        assert kind_for("opt", "AdamW") == "AdamW"
        assert kind_for("opt", "Adam") == "Adam"
        assert kind_for("opt", "SGD") == "Momentum"
        assert kind_for("opt", "Lion") is None


class TestSteps:
    @pytest.mark.parametrize("golden", ["optimizer_adam", "resume_adam"])
    def test_powers_that_tf1_saved(self, goldens, golden):
        source = reader(goldens, golden)
        for key, beta in (("beta1_power", 0.9), ("beta2_power", 0.999)):
            count = steps_of_power(source[key], beta)
            assert count == (int(source["global_step"]), True)

    @pytest.mark.parametrize("steps", [0, 1, 827, 1000, 40_000, 87_000])
    def test_there_and_back(self, steps):
        power = PowerOfSteps(0.999)(np.int64(steps))
        assert power.dtype == np.float32
        assert int(StepsOfPowers((0.999,))(power)) == steps

    def test_a_logarithm_would_be_off(self):
        """What makes the products worth their while."""
        power = PowerOfSteps(0.999)(np.int64(80_000))
        by_logarithm = np.log(float(power)) / np.log(0.999) - 1
        assert abs(by_logarithm - 80_000) > 0.5

    def test_when_a_power_is_0(self):
        """TF1 flushes what has become denormal: 0.9 after 828 steps."""
        assert float(PowerOfSteps(0.9)(np.int64(827))) > 0
        assert float(PowerOfSteps(0.9)(np.int64(828))) == 0
        assert steps_of_power(np.float32(0), 0.9) is None
        both = StepsOfPowers((0.9, 0.999))
        power = PowerOfSteps(0.999)(np.int64(5000))
        assert int(both(np.float32(0), power)) == 5000
        with pytest.raises(TransformError, match="every power is 0"):
            both(np.float32(0), np.float32(0))

    def test_another_beta_does_not_fit(self):
        power = PowerOfSteps(0.98)(np.int64(10))
        count = steps_of_power(power, 0.999)
        assert count is not None
        assert not count.fits
        assert likely_beta(power, [0.999, 0.98]) == 0.98
        assert likely_beta(power, [0.999, 0.99]) is None

    def test_disagreements(self):
        first = PowerOfSteps(0.9)(np.int64(3))
        second = PowerOfSteps(0.999)(np.int64(5))
        zero = np.float32(0)

        def of(first, second, step):
            powers = [Power("a/beta1_power", first, 0.9), Power("b", second, 0.999)]
            return counted_steps(powers, step)

        assert of(first, second, 5) == (
            5,
            ("beta1_power says 3 steps, b 5; the latter is taken",),
            True,
            True,
        )
        assert of(zero, second, None) == (5, (), True, True)
        assert of(zero, zero, 9) == (None, (), True, True)
        _, (note,), fits, agree = of(zero, PowerOfSteps(0.98)(np.int64(9)), None)
        assert "is no power of 0.999" in note
        assert (fits, agree) == (False, False)

    @pytest.mark.parametrize("power", [1.5, -0.1, float("nan")])
    def test_what_is_no_power(self, power):
        with pytest.raises(TransformError, match="is no power"):
            steps_of_power(np.float32(power), 0.9)


class TestTransforms:
    @pytest.mark.parametrize(
        "transform",
        [Scale(-0.05), Shift(7), StepsOfPowers((0.999, 0.9)), PowerOfSteps(0.9)],
    )
    def test_as_plain_data(self, transform):
        assert Transform.from_config(transform.to_config()) == transform

    def test_inverses(self):
        spec, count = TensorSpec(DType.float32, ()), TensorSpec(DType.int64, ())
        assert Scale(-0.5).inverse(spec) == Scale(-2.0)
        assert Shift(3).inverse(count) == Shift(-3)
        powers = StepsOfPowers((0.999, 0.9)).inverses(spec, spec)
        assert powers == (PowerOfSteps(0.999), PowerOfSteps(0.9))

    def test_scale_rounds_but_by_powers_of_2(self):
        assert Scale(-0.5).exact
        assert not Scale(-0.05).exact
        assert Scale(-0.5)(np.float32(3)).shape == ()

    @pytest.mark.parametrize("factor", [0.0, float("inf"), float("nan")])
    def test_no_factor(self, factor):
        with pytest.raises(TransformError):
            Scale(factor)

    def test_slots_follow(self):
        turn, gates = Transpose((1, 0)), Blocks(1, (0, 2, 1, 3))
        assert slot_transform(None) is None
        assert slot_transform(Chain((turn, AddToBlock(4, 2, 1.0)))) == turn
        assert slot_transform(Chain((turn, gates))) == Chain((turn, gates))
        joined = Join(0, (turn, AddToBlock(2, 0, 1.0)), (0, 0))
        assert slot_transform(joined) == Join(0, (turn, None), (0, 0))
        for other in (Function(np.sqrt), Pad((1,), (0,)), Scale(2.0)):
            with pytest.raises(Unfollowable):
                slot_transform(other)


def keras(name, flavor="keras_3", rate=0.1, **values):
    return KerasSettings(name, flavor, values, rate)


def verdicts(kind, live, told=None, kinds=KINDS, **more):
    known = Known(kind, kinds[kind], told or {}, **more)
    return {verdict.what: verdict for verdict in judged(known, live)}


ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


class TestVerdicts:
    def test_exact_says_what_it_stands_on(self):
        found = verdicts(
            "Adam", keras("Adam", **ADAM), {"beta1": 0.9}, saved={"beta2": 0.999}
        )
        assert {verdict.kind for verdict in found.values()} == {"exact"}
        sparse = found.pop("sparse gradients")
        assert sparse.why.startswith("if there are none: of a row looked up twice")
        assert {what: verdict.why for what, verdict in found.items()} == {
            "beta_1": "0.9, as you say",
            "beta_2": "0.999, as the checkpoint tells",
            "epsilon": "if TF1 had epsilon=1e-08, its default",
            "learning_rate": "if TF1 had learning_rate=0.1 at this step",
        }
        assumed = [verdict.assumes for verdict in found.values() if verdict.assumes]
        assert assumed == ["epsilon=1e-08", "learning_rate=0.1"]

    def test_a_beta_that_differs(self):
        live = keras("Adam", **{**ADAM, "beta_1": 0.5})
        verdict = verdicts("Adam", live)["beta_1"]
        assert verdict.kind == "approximate"
        assert verdict.how_far == float("inf")
        assert verdict.as_row()["how_far"] is None
        assert verdict.instead == "set beta_1=0.9, or say beta1=… as TF1 had it"

    def test_what_keras_does_besides(self):
        live = keras("SGD", momentum=0.0, weight_decay=0.1)
        verdict = verdicts("GradientDescent", live)["weight_decay"]
        assert verdict.kind == "approximate"
        assert verdict.instead == "set weight_decay=None"

    def test_bert_under_a_schedule(self):
        live = keras("AdamW", rate=None, **{**ADAM, "epsilon": 1e-6})
        assert verdicts("AdamWeightDecay", live)["iterations"].kind == "impossible"
        late = verdicts("AdamWeightDecay", live, steps=6000)["iterations"]
        assert late.kind == "approximate"
        assert late.how_far == pytest.approx(0.999**6001 / 2, rel=1e-2)
        assert "iterations" not in verdicts("AdamWeightDecay", live, steps=20_000)

    def test_bert_with_a_beta_that_corrects_on(self):
        live = keras("AdamW", **{**ADAM, "beta_2": 0.99999})
        found = verdicts("AdamWeightDecay", live, {"beta_2": 0.99999})
        assert found["iterations"].kind == "impossible"

    def test_berts_slots_are_those_of_lamb(self):
        live = keras("AdamW", **{**ADAM, "epsilon": 1e-6})
        assert verdicts("AdamWeightDecay", live)["class"].assumes == "no LAMB"

    def test_an_epsilon_of_keras_that_differs_is_no_matter_of_place(self):
        live = keras("RMSprop", "legacy", rho=0.9, momentum=0.0, epsilon=1e-3)
        more = {"epsilon_fraction": 0.1, "flavor": "legacy"}
        verdict = verdicts("RMSprop", live, {"epsilon": 0.5}, KINDS_OF_KERAS, **more)
        assert verdict["epsilon"].instead == "set epsilon=0.5"

    @pytest.mark.parametrize("kinds", [KINDS, KINDS_OF_KERAS], ids=["tf1", "keras"])
    def test_every_kind_has_names_in_every_keras(self, kinds):
        for kind in kinds.values():
            for names in kind.slots.values():
                assert set(names) == {"legacy", "tf_keras", "keras_3"}
            assert set(kind.powers) <= set(kind.settings)


class TestRates:
    def rate(self, live, told=None, kinds=KINDS, **more):
        return verdicts("Adam", live, told, kinds, **more)["learning_rate"]

    def test_one_that_is_told(self):
        verdict = self.rate(keras("Adam", **ADAM), {"learning_rate": 0.08})
        assert verdict.kind == "approximate"
        assert verdict.how_far == pytest.approx(0.25)
        assert verdict.instead == "set learning_rate=0.08"

    def test_a_bound_only_where_steps_are_in_proportion(self):
        live = keras("Ftrl")
        verdict = verdicts("Ftrl", live, {"learning_rate": 0.2})["learning_rate"]
        assert verdict.how_far == float("inf")

    def test_a_schedule(self):
        live = keras("Adam", rate=None, **ADAM)
        assert self.rate(live).assumes == "the same schedule"
        verdict = self.rate(live, {"learning_rate": 0.1})
        assert (verdict.kind, verdict.how_far) == ("approximate", float("inf"))

    @pytest.mark.parametrize(
        ("config", "kind"),
        [
            ({}, "exact"),
            ({"decay_rate": 0.2}, "approximate"),
            ({"staircase": True}, "approximate"),
            ({"decay_steps": 2}, "approximate"),
        ],
    )
    def test_a_decay_in_the_checkpoint(self, config, kind):
        whole = {
            "initial_learning_rate": 0.1,
            "decay_steps": 1,
            "decay_rate": 0.5,
            "staircase": False,
        }
        schedule = {"class_name": "InverseTimeDecay", "config": {**whole, **config}}
        live = keras("Adam", rate=None, learning_rate=schedule, **ADAM)
        saved = {"learning_rate": 0.1, "decay": 0.5}
        verdict = self.rate(live, None, KINDS_OF_KERAS, saved=saved)
        assert verdict.kind == kind
        if kind == "approximate":
            assert "InverseTimeDecay(0.1, 1, 0.5)" in verdict.instead


class TestDecayOfWeights:
    def decay(self, told=None, flavor="keras_3", rate=0.1, **values):
        live = keras("SGD", flavor, rate, momentum=0.9, **values)
        return verdicts("MomentumW", live, told)["weight_decay"]

    def test_tf1_took_it_without_the_rate(self):
        assert self.decay({"weight_decay": 0.01}, weight_decay=0.1).kind == "exact"
        verdict = self.decay({"weight_decay": 0.01}, weight_decay=0.01)
        assert verdict.kind == "approximate"
        assert verdict.instead.startswith("set weight_decay=0.1,")

    def test_one_that_is_not_told(self):
        assert self.decay(weight_decay=0.1).assumes == "weight_decay=0.01"

    def test_none_where_tf1_had_one(self):
        verdict = self.decay()
        assert verdict.kind == "impossible"
        assert "say weight_decay=0.0" in verdict.instead
        assert self.decay({"weight_decay": 0.0}).kind == "exact"

    def test_legacy_optimizers_have_none(self):
        verdict = self.decay({"weight_decay": 0.01}, "legacy")
        assert verdict.kind == "impossible"
        assert verdict.instead == (
            "go on with tf.keras.optimizers.SGD, and set weight_decay=0.1"
        )

    def test_a_schedule(self):
        verdict = self.decay({"weight_decay": 0.01}, rate=None, weight_decay=0.1)
        assert verdict.kind == "approximate"


class TestSparse:
    def sparse(self, kind, live, kinds=KINDS, **more):
        return verdicts(kind, live, None, kinds, **more).get("sparse gradients")

    def test_embeddings_are_named(self):
        live = keras("SGD", momentum=0.9)
        verdict = self.sparse("Momentum", live, embeddings=("words/embeddings",))
        assert verdict.kind == "approximate"
        assert "'words/embeddings'" in verdict.why
        assert verdict.instead.endswith("legacy.SGD")

    def test_without_any_it_is_assumed(self):
        live = keras("SGD", momentum=0.9)
        assert self.sparse("Momentum", live).assumes == "no sparse gradients"

    def test_legacy_optimizers_do_as_tf1(self):
        live = keras("SGD", "legacy", momentum=0.9)
        verdict = self.sparse("Momentum", live, embeddings=("words",))
        assert (verdict.kind, verdict.assumes) == ("exact", "")
        plain = keras("RMSprop", "legacy", momentum=0.0, epsilon=1e-10)
        verdict = self.sparse("RMSProp", plain, embeddings=("words",))
        assert verdict.kind == "approximate"

    def test_keras_3_squares_each_gradient_of_a_row(self):
        live = keras("Adam", **ADAM)
        verdict = self.sparse("Adam", live, embeddings=("words",))
        assert verdict.kind == "approximate"
        assert "sparse=False" in verdict.instead
        dense = live._replace(dense_gradients=True)  # as without TensorFlow
        assert self.sparse("Adam", dense, embeddings=("words",)) is None
        told = self.sparse("Adam", live, embeddings=("words",), is_sparse=False)
        assert (told.kind, told.why) == ("exact", "none, as you say")

    def test_adam_moves_all_rows_on_both_sides(self):
        assert self.sparse("Adam", keras("Adam", "tf_keras", **ADAM)) is None
        dense = keras("Adam", **ADAM)._replace(dense_gradients=True)
        lazy = self.sparse("LazyAdam", dense, embeddings=("words",))
        assert "tf.keras" not in lazy.instead
        lazy = self.sparse("LazyAdam", keras("Adam", **ADAM), embeddings=("words",))
        assert lazy.kind == "approximate"


class TestEpsilon:
    def test_the_same_is_nothing(self):
        slots = {"v": np.float32([0.5, 0.1])}
        assert step_fraction(slots, Epsilons(1e-8, 1e-8, 1, True, True)) == 0

    def test_what_had_no_gradient_counts_for_nothing(self):
        slots = {"v": np.float32([0, 1])}
        assert step_fraction(
            slots, Epsilons(0.0, 1e-3, 1, True, True)
        ) == pytest.approx(1e-3)

    def test_a_mean_that_decays(self):
        slots = {"rms": np.float32([1.0])}
        now = step_fraction(slots, Epsilons(0.0, 1e-3))
        later = step_fraction(slots, Epsilons(0.0, 1e-3, decay=0.9))
        assert now == pytest.approx(0.5e-3, rel=1e-2)
        assert later == pytest.approx(0.5e-3 / 0.9**STEPS_AHEAD, rel=1e-2)

    def test_outside_the_root(self):
        slots = {"rms": np.float32([1.0])}
        found = step_fraction(slots, Epsilons(1.0, 1.0, live_outside=True))
        assert found == pytest.approx(2 / 2**0.5 - 1)
