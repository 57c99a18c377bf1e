"""What needs no TensorFlow to know: who is who, how many steps, which verdict."""

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, TransformError
from tf_ckpt_migrate.recipes.epsilon import STEPS_AHEAD, Epsilons, step_fraction
from tf_ckpt_migrate.recipes.following import Unfollowable, slot_transform
from tf_ckpt_migrate.recipes.iterations import counted_steps, likely_beta
from tf_ckpt_migrate.recipes.optimizer_kinds import KINDS, kind_for
from tf_ckpt_migrate.recipes.optimizers import saved_optimizer
from tf_ckpt_migrate.recipes.verdicts import LiveSettings, judged
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
        assert (found.powers is not None) is (kind == "Adam")

    def test_the_second_of_two(self, goldens):
        specs = reader(goldens, "optimizer_two_adams").specs
        found = saved_optimizer("Adam", "Adam", specs, 1)
        assert found.slots["net/w"] == {"m": "net/w/Adam_2", "v": "net/w/Adam_3"}
        assert found.powers == ("beta1_power_1", "beta2_power_1")
        with pytest.raises(PlanError, match="2 optimizers called 'Adam'"):
            saved_optimizer("Adam", "Adam", specs)

    def test_one_that_is_not_there(self, goldens):
        specs = reader(goldens, "optimizer_ftrl").specs
        with pytest.raises(PlanError, match=r"no slots of an optimizer 'Adam'.*Ftrl"):
            saved_optimizer("Adam", "Adam", specs)

    def test_without_a_live_optimizer_it_is_refused(self, goldens):
        recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
        with pytest.raises(PlanError, match="depends on the settings"):
            tcm.plan_migration(reader(goldens, "optimizer_adam"), None, [recipe])

    def test_kinds(self):
        assert kind_for("opt", "RMSprop") == "RMSProp"
        assert kind_for("opt", "AdamW") == "AdamWeightDecay"
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
        assert likely_beta(power, [0.999, 0.99]) == 0.999

    def test_disagreements(self):
        first = PowerOfSteps(0.9)(np.int64(3))
        second = PowerOfSteps(0.999)(np.int64(5))
        betas = 0.9, 0.999
        assert counted_steps(first, second, betas, 5) == (
            5,
            (
                "beta1_power says 3 steps, beta2_power 5; the latter is taken",
            ),
        )  # fmt: skip
        zero = np.float32(0)
        assert counted_steps(zero, second, betas, None) == (5, ())
        assert counted_steps(zero, zero, betas, 9) == (None, ())
        (note,) = counted_steps(
            zero, PowerOfSteps(0.98)(np.int64(9)), betas, None
        ).notes
        assert "is no power of 0.999" in note

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
    return LiveSettings(name, flavor, values, rate)


class TestVerdicts:
    def test_exact_says_what_it_stands_on(self):
        live = keras("Adam", beta_1=0.9, beta_2=0.999, epsilon=1e-8)
        (verdict,) = judged("Adam", live, {"beta1": 0.9, "beta2": 0.999})
        assert str(verdict) == "Adam state exact: if TF1 had epsilon=1e-08"

    def test_a_beta_that_differs(self):
        live = keras("Adam", beta_1=0.5, beta_2=0.999, epsilon=1e-8)
        (verdict,) = judged("Adam", live, {"beta1": 0.9})
        assert verdict.kind == "approximate"
        assert verdict.how_far == float("inf")
        assert verdict.instead == "set beta_1=0.9, or say beta1=… as TF1 had it"

    def test_what_keras_does_besides(self):
        live = keras("SGD", momentum=0.0, weight_decay=0.1)
        (verdict,) = judged("GradientDescent", live, {})
        assert verdict.kind == "approximate"
        assert verdict.instead == "set weight_decay=None"

    def test_bert_under_a_schedule(self):
        live = keras("AdamW", rate=None, beta_1=0.9, beta_2=0.999, epsilon=1e-6)
        verdicts = judged("AdamWeightDecay", live, {})
        assert [v.kind for v in verdicts] == ["impossible"]

    def test_bert_with_a_beta_that_corrects_on(self):
        live = keras("AdamW", beta_1=0.9, beta_2=0.99999, epsilon=1e-6)
        verdicts = judged("AdamWeightDecay", live, {"beta_2": 0.99999})
        assert [v.kind for v in verdicts] == ["impossible"]

    def test_every_kind_has_names_in_every_keras(self):
        for kind in KINDS.values():
            for names in kind.slots.values():
                assert set(names) == {"legacy", "tf_keras", "keras_3"}


class TestEpsilon:
    def test_the_same_is_nothing(self):
        slots = {"v": np.float32([0.5, 0.1])}
        assert step_fraction("Adam", slots, Epsilons(1e-8, 1e-8)) == 0

    def test_what_had_no_gradient_counts_for_nothing(self):
        slots = {"v": np.float32([0, 1])}
        assert step_fraction("Adam", slots, Epsilons(0.0, 1e-3)) == pytest.approx(1e-3)

    def test_a_mean_that_decays(self):
        slots = {"rms": np.float32([1.0])}
        now = step_fraction("RMSProp", slots, Epsilons(0.0, 1e-3))
        later = step_fraction("RMSProp", slots, Epsilons(0.0, 1e-3, decay=0.9))
        assert now == pytest.approx(0.5e-3, rel=1e-2)
        assert later == pytest.approx(0.5e-3 / 0.9**STEPS_AHEAD, rel=1e-2)

    def test_outside_the_root(self):
        slots = {"rms": np.float32([1.0])}
        found = step_fraction("RMSProp", slots, Epsilons(1.0, 1.0, outside=True))
        assert found == pytest.approx(2 / 2**0.5 - 1)
