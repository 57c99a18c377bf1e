"""Optimizers from file to file, without TensorFlow: into goldens that Keras saved."""

import re
import tracemalloc

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.conversion.optimizers.rules import with_optimizers_back
from tf_ckpt_migrate.errors import PlanError, RuleError

SHAPES = {"d1/kernel": [3, 2], "d1/bias": [2], "d2/kernel": [2, 1], "d2/bias": [1]}
KERASES = ["tf2_15/keras_optimizer", "tf2_15/keras_legacy", "tf2_21/keras_optimizer",
           "tf2_21/tf_keras_optimizer", "tf2_21/tf_keras_legacy"]  # fmt: skip
# The golden, TF1's name, its slots by number, what Keras calls them.
OPTIMIZERS = {
    "adam": ("Adam", ["m", "v"], ["m momentum", "v velocity"]),
    "adagrad": ("Adagrad", ["accumulator"], ["accumulator"]),
    "adadelta": (
        "Adadelta",
        ["accum", "accum_update"],
        ["accum_grad accumulated_grad", "accum_var accumulated_delta_var"],
    ),
    "rmsprop_centered": (
        "RMSProp",
        ["rms", "mg", "momentum"],
        ["rms velocity", "mg average_gradient", "momentum"],
    ),
    "ftrl": ("Ftrl", ["accum", "linear"], ["accumulator", "linear"]),
    "sgd_momentum": ("Momentum", ["momentum"], ["momentum m"]),
}


def keras(goldens, name):
    return goldens / name / "ckpt-1"


def tf1_tensors(name, slots):
    """What TF1 has saved after 5 steps, every slot of a number of its own."""
    number = 1.0
    found = {"global_step": np.int64(5)}
    for variable, shape in SHAPES.items():
        ends = ["", *(f"/{name}{f'_{n}' if n else ''}" for n in range(len(slots)))]
        for end in ends:
            found[f"net/{variable}{end}"] = np.full(shape, number, np.float32)
            number += 1
    if name == "Adam":
        for beta, key in ((0.9, "beta1_power"), (0.999, "beta2_power")):
            found[key] = np.multiply.accumulate(np.full(6, beta, np.float32))[-1]
    return found


def rules(reader, recipe):
    """Rules by the names of variables: Keras 3 keeps weights below the optimizer."""
    names = set(reader.object_graph.full_names().values())
    own = {v: next(n for n in names if re.fullmatch(f"(net/)?{v}", n)) for v in SHAPES}
    return [*((f"net/{v}", name) for v, name in own.items()), recipe]


def by_name(reader):
    names = reader.object_graph.full_names()
    return {name: reader[key] for key, name in names.items() if key in reader}


def slot_of(found, variable, words):
    """The slot of a variable in any Keras: ``Adam/d1/kernel/m``, ``m/d1/kernel``."""
    flat = variable.replace("/", "_")
    ends = [f"{variable}/{w}" for w in words.split()]
    ends += [f"{w}/{variable}" for w in words.split()]
    ends += [f"{flat}_{w}" for w in words.split()]
    (value,) = (v for name, v in found.items() if name.endswith(tuple(ends)))
    return value


@pytest.mark.parametrize("golden", OPTIMIZERS)
@pytest.mark.parametrize("flavor", KERASES)
def test_every_slot_finds_its_place_and_the_way_back(goldens, tmp_path, flavor, golden):
    name, slots, words = OPTIMIZERS[golden]
    like = tcm.load_checkpoint(keras(goldens, f"{flavor}_{golden}"))
    tensors = tf1_tensors(name, slots)
    told = {"momentum": 0.9, "keras_momentum": 0.9} if "momentum" in slots else {}
    if "legacy" in flavor:
        told.pop("keras_momentum", None)
    recipe = tcm.Recipe("optimizer", name, "optimizer", **told)
    with example_checkpoint(tensors) as prefix:
        plan = tcm.plan_migration(prefix, like, rules(like, recipe))
        again = tcm.MigrationPlan.from_yaml(plan.to_yaml())
        assert (again, again.notes) == (plan, plan.notes)
        result = tcm.convert(again, tmp_path / "new")
        back = tcm.convert(again.reversed(), tmp_path / "back", source=result)
    found = by_name(tcm.load_checkpoint(result))
    rate = -0.1 if name == "Momentum" else 1
    for variable, shape in SHAPES.items():
        for number, which in enumerate(words):
            key = f"net/{variable}/{name}{f'_{number}' if number else ''}"
            value = np.full(shape, tensors[key].flat[0] * np.float64(rate), np.float32)
            np.testing.assert_array_equal(slot_of(found, variable, which), value)
    returned = tcm.load_checkpoint(back)
    assert sorted(returned) == sorted(tensors)
    for key, value in tensors.items():
        np.testing.assert_allclose(returned[key], value, rtol=1e-7)


@pytest.mark.parametrize("flavor", KERASES)
def test_a_file_tells_what_it_has(goldens, flavor):
    name, slots, _ = OPTIMIZERS["adam"]
    refused = {"adam_amsgrad": "amsgrad=True", "adagrad": "no slots"}
    for golden, text in refused.items():
        like = tcm.load_checkpoint(keras(goldens, f"{flavor}_{golden}"))
        recipe = tcm.Recipe("optimizer", name, "optimizer")
        with (
            example_checkpoint(tf1_tensors(name, slots)) as prefix,
            pytest.raises(PlanError, match=text),
        ):
            tcm.plan_migration(prefix, like, rules(like, recipe))


class TestSettings:
    def planned(self, goldens, golden, name, slots, **told):
        like = tcm.load_checkpoint(goldens / golden / "ckpt-1")
        recipe = tcm.Recipe("optimizer", name, "optimizer", **told)
        with example_checkpoint(tf1_tensors(name, slots)) as prefix:
            return tcm.plan_migration(prefix, like, rules(like, recipe))

    def adam(self, goldens, **told):
        golden = "tf2_21/keras_optimizer_adam"
        return self.planned(goldens, golden, "Adam", ["m", "v"], **told)

    def test_what_nobody_tells_is_supposed(self, goldens):
        text = str(self.adam(goldens))
        assert "goes on in 'optimizer' as in TF1" in text
        assert "Keras has Adam, beta_1=0.9, beta_2=0.999, epsilon=1e-08" in text

    def test_what_is_told_of_keras_counts(self, goldens):
        plan = self.adam(goldens, keras_epsilon=1e-3)
        (doubtful,) = (each for each in plan.verdicts if each.kind != "exact")
        assert (doubtful.what, doubtful.kind) == ("epsilon", "approximate")
        assert 0 < doubtful.how_far < 1
        again = tcm.MigrationPlan.from_yaml(plan.to_yaml())
        assert again.verdicts == plan.verdicts
        assert again.reversed().verdicts == plan.verdicts

    def test_a_legacy_file_contradicts(self, goldens):
        with pytest.raises(RuleError, match=r"says .* beta_1=0.5, but it has 0.9"):
            self.planned(
                goldens,
                "tf2_15/keras_legacy_adam",
                "Adam",
                ["m", "v"],
                keras_beta_1=0.5,
            )

    def test_slots_for_momentum_contradict(self, goldens):
        with pytest.raises(RuleError, match="say keras_momentum="):
            self.planned(
                goldens,
                "tf2_21/keras_optimizer_rmsprop_centered",
                "RMSProp",
                ["rms", "mg", "momentum"],
                momentum=0.0,
            )

    def test_an_impossible_verdict_is_no_plan(self, goldens):
        plan = self.adam(goldens)
        text = plan.to_yaml().replace("kind: exact", "kind: impossible", 1)
        with pytest.raises(PlanError, match="impossible"):
            tcm.MigrationPlan.from_yaml(text)

    def test_no_verdict(self, goldens):
        text = self.adam(goldens).to_yaml().replace("kind: exact", "kind: fine", 1)
        with pytest.raises(PlanError, match="kind is one of exact"):
            tcm.MigrationPlan.from_yaml(text)


class TestNoSides:
    def test_no_checkpoint_of_keras(self, goldens):
        with example_checkpoint(tf1_tensors("Adam", ["m", "v"])) as prefix:
            recipe = tcm.Recipe("optimizer", "Adam", "optimizer")
            with pytest.raises(PlanError, match="cannot translate the state"):
                tcm.convert_tf1_to_tf2(prefix, "no/where", assignment_map=[recipe])

    def test_no_such_path(self, goldens):
        like = goldens / "tf2_21/keras_optimizer_adam/ckpt-1"
        recipe = tcm.Recipe("optimizer", "Adam", "opt")
        with (
            example_checkpoint(tf1_tensors("Adam", ["m", "v"])) as prefix,
            pytest.raises(PlanError, match=r"no Keras optimizer at 'opt'.*'opti"),
        ):
            tcm.plan_migration(prefix, like, [recipe])

    def test_the_count_of_steps_may_have_a_name_of_its_own(self, goldens, tmp_path):
        source = goldens / "tf2_15/keras_optimizer_adam/ckpt-1"
        rules = [
            ("model/layer_with_weights-0/", "d1/"),
            ("model/layer_with_weights-1/", "d2/"),
            ("optimizer/_iterations", "net/step"),
            tcm.Recipe("optimizer", "optimizer", "Adam"),
        ]
        made = tcm.convert_tf2_to_tf1(source, tmp_path / "new", names=rules)
        found = tcm.load_checkpoint(made)
        assert int(found["net/step"]) == int(found["global_step"]) == 2

    @pytest.mark.parametrize("told", [False, True])
    def test_the_steps_that_several_agree_on_are_those_of_all(self, goldens, told):
        reader = tcm.load_checkpoint(goldens / "tf2_15/keras_optimizer_adam/ckpt-1")
        iterations = "optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE"
        rules = [tcm.Rename(iterations, "global_step")] if told else []
        moves = tcm.plan_migration(reader, None, rules, unused="keep").moves
        both = [
            tcm.Recipe("optimizer", "optimizer", "Adam", instance=n) for n in (0, 1)
        ]
        rules = tcm.AssignmentMap([*rules, *both])
        made = with_optimizers_back(reader, None, rules, lambda _: moves)
        targets = {to for rule in made.rules for to, _ in getattr(rule, "targets", ())}
        assert {"beta1_power", "beta1_power_1"} <= targets
        # The caller's own rule is one of the optimizers', which takes the count too.
        assert "global_step" in targets
        assert made.notes == ()

    def test_tf1_names_are_computed_next_to_the_objects(self, goldens, tmp_path):
        source = goldens / "tf2_21/keras_optimizer_sgd_momentum/ckpt-1"
        copy = tcm.compact(source, tmp_path / "copy")
        objects = dict(tcm.load_checkpoint(copy))
        recipe = tcm.Recipe("optimizer", "optimizer", "Momentum", momentum=0.9)
        rules = [("model/", "net/"), recipe]
        alone = tcm.load_checkpoint(
            tcm.convert_tf2_to_tf1(copy, tmp_path / "tf1", names=rules, unused="drop")
        )
        result = tcm.add_name_keys(copy, rules, unused="drop")
        assert {verdict.kind for verdict in result.verdicts} == {"exact"}
        assert result.computed
        both = tcm.load_checkpoint(copy)
        assert both.keys() == {*objects, *alone}
        for name, value in alone.items():
            np.testing.assert_array_equal(both[name], value)
        tcm.remove_name_keys(copy, rules, unused="drop")
        left = tcm.load_checkpoint(copy)
        assert left.keys() == objects.keys()
        for key, value in objects.items():
            np.testing.assert_array_equal(left[key], value)


def test_memory_is_that_of_the_largest_tensor(tmp_path):
    """40 tensors of 4 MB are computed, one after the other."""
    size = 2**20
    tensors = {f"w{n}": np.full(size, n, np.float32) for n in range(40)}
    scale = tcm.transforms.Scale(-0.05)
    with example_checkpoint(tensors) as prefix:
        del tensors
        names = [tcm.Rename(f"w{n}", f"v{n}", scale) for n in range(40)]
        plan = tcm.plan_migration(prefix, None, names)
        tracemalloc.start()
        try:
            result = tcm.convert(plan, tmp_path / "new")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(result.computed) == 40
    assert [shard.transfer.value for shard in result.shards] == ["written"]
    assert peak < 5 * 4 * size  # the tensor, in float64, as the result, and as bytes
