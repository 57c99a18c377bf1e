"""Averages of variables: taken, left, or carried over."""

import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.names.resolution import resolve
from tf_ckpt_migrate.recipes.averages import averages_in

EMA = "ExponentialMovingAverage"
SPEC = TensorSpec(DType.float32, (2,))


def specs(*names):
    return dict.fromkeys(names, SPEC)


def moves(rules, source, target=None, **options):
    found = resolve(rules, source, target, **options)
    return {move.target: move.sources[0] for move in found.moves}


class TestFinding:
    def test_below_the_variable(self):
        assert averages_in(specs("a/w", f"a/w/{EMA}", "b")) == {"a/w": f"a/w/{EMA}"}

    def test_below_a_scope_of_its_own(self):
        names = specs("a/w", f"train/ema/a/w/{EMA}", "w")
        assert averages_in(names) == {"a/w": f"train/ema/a/w/{EMA}"}

    def test_of_another_name(self):
        assert averages_in(specs("w", "w/avg"), "avg") == {"w": "w/avg"}
        assert averages_in(specs("w", "w/avg")) == {}

    def test_of_keras_optimizers(self):
        names = specs("net/d/w", "adam/net_d_w_average", "b", "average/b", "Adam/m/b")
        found = averages_in(names)
        assert found == {"net/d/w": "adam/net_d_w_average", "b": "average/b"}

    def test_what_only_looks_like_one(self):
        assert averages_in(specs(f"w/{EMA}", "moving_average", "average/x")) == {}

    def test_two_of_one_variable(self):
        with pytest.raises(PlanError, match=r"'w' has two averages, .*'b/w/E"):
            averages_in(specs("w", f"a/w/{EMA}", f"b/w/{EMA}"))


NAMES = specs("net/w", f"net/w/{EMA}", "net/b", "step")


class TestUse:
    @pytest.mark.parametrize(
        ("use", "expected"),
        [
            ("average", {"m/w": f"net/w/{EMA}", "m/b": "net/b"}),
            ("raw", {"m/w": "net/w", "m/b": "net/b"}),
            (
                "both",
                {"m/w": "net/w", f"m/w/{EMA}": f"net/w/{EMA}", "m/b": "net/b"},
            ),
        ],
    )
    def test_what_goes_where(self, use, expected):
        rules = [
            tcm.Recipe("averages", "net/", "m/", use=use),
            tcm.RenameScope("net/", "m/"),
            tcm.Drop("step"),
        ]
        assert moves(rules, NAMES) == expected

    def test_names_may_stay(self):
        rules = [tcm.Recipe("averages", "/", "/")]
        target = specs("net/w", "net/b", "step")
        found = moves(rules, NAMES, target)
        assert found == {"net/w": f"net/w/{EMA}", "net/b": "net/b", "step": "step"}

    @pytest.mark.parametrize("place", ["adam/m_w_average", "average/m/w", f"m/w/{EMA}"])
    def test_into_the_averages_of_a_target(self, place):
        rules = [
            tcm.Recipe("averages", "net/", "m/", use="both"),
            tcm.Drop("/"),
        ]
        found = moves(rules, NAMES, specs("m/w", place))
        assert found == {"m/w": "net/w", place: f"net/w/{EMA}"}

    def test_from_keras_to_tf1(self):
        names = specs("net/d/w", "adam/net_d_w_average")
        rules = [tcm.Recipe("averages", "net/", "/", use="both", name="avg")]
        expected = {"d/w": "net/d/w", "d/w/avg": "adam/net_d_w_average"}
        assert moves(rules, names) == expected

    def test_the_plan_says_why_a_value_is_left(self):
        found = resolve([tcm.Recipe("averages", "net/", "m/"), tcm.Drop("/")], NAMES)
        assert ("net/w", "its average is taken") in found.dropped


class TestWithOtherRules:
    """An average goes where other rules take its variable, in the same way."""

    SOURCE = specs("net/w", f"net/w/{EMA}", "net/b", f"net/b/{EMA}", "step")

    def test_a_rename_behind_or_before(self):
        recipe, rename = tcm.Recipe("averages", "/", "/"), tcm.RenameScope("net/", "m/")
        expected = {f"m/{name}": f"net/{name}/{EMA}" for name in "wb"}
        for rules in ([recipe, rename], [rename, recipe]):
            assert moves([*rules, tcm.Drop("step")], self.SOURCE) == expected

    def test_what_is_done_to_a_variable_is_done_to_its_average(self):
        add = tcm.transforms.AddToBlock(2, 1, 1.0)
        rules = [
            tcm.Recipe("averages", "/", "/", use="both"),
            tcm.Rename("net/b", "m/b", add),
            ("net/w", "m/w"),
            tcm.Drop("step"),
        ]
        found = {m.target: m for m in resolve(rules, self.SOURCE).moves}
        assert found["m/b"].transform == found[f"m/b/{EMA}"].transform == add

    def test_a_joined_variable(self):
        join = tcm.transforms.Concat(0)
        rules = [
            tcm.Recipe("averages", "/", "/"),
            tcm.Combine(["net/w", "net/b"], "all", join),
            tcm.Drop("step"),
        ]
        (move,) = resolve(rules, self.SOURCE).moves
        assert move.sources == (f"net/w/{EMA}", f"net/b/{EMA}")
        both = [tcm.Recipe("averages", "/", "/", use="both"), *rules[1:]]
        found = {m.target: m.sources for m in resolve(both, self.SOURCE).moves}
        assert found == {"all": ("net/w", "net/b"), f"all/{EMA}": move.sources}
        one = specs("net/w", f"net/w/{EMA}", "net/b", "step")
        (mixed,) = resolve(rules, one).moves
        assert mixed.sources == (f"net/w/{EMA}", "net/b")
        with pytest.raises(PlanError, match="but none of 'net/b'"):
            resolve(both, one)

    def test_what_is_dropped_before(self):
        rules = [tcm.Drop("net/"), tcm.Recipe("averages", "/", "/"), tcm.Keep("/")]
        assert moves(rules, self.SOURCE) == {"step": "step"}

    def test_the_rest_may_be_dropped_behind(self):
        rules = [tcm.Recipe("averages", "/", "/"), ("net/w", "m"), tcm.Drop("/")]
        assert moves(rules, self.SOURCE) == {"m": f"net/w/{EMA}"}
        rules.pop()
        source, target = self.SOURCE, specs("m")
        assert moves(rules, source, target, unused="drop") == {"m": f"net/w/{EMA}"}

    def test_a_scope_to_which_nothing_is_left(self):
        """It is no error, though the averages take all that it is for."""
        source = {**self.SOURCE, **specs("net/w/Adam", "net/w/Adam_1")}
        rest = [tcm.Drop(role="slot"), tcm.RenameScope("net/", "m/"), tcm.Drop("step")]
        for use, count in (("average", 2), ("raw", 2), ("both", 4)):
            recipe = tcm.Recipe("averages", "/", "/", use=use)
            for rules in ([recipe, *rest], [*rest, recipe]):
                assert len(moves(rules, source)) == count

    def test_a_scope_may_lead_nowhere(self):
        rules = [tcm.Recipe("averages", "/", "/"), tcm.RenameScope("net/", "m/")]
        rules.append(tcm.Drop("step"))
        target = specs("m/w")
        found = moves(rules, self.SOURCE, target, unused="drop")
        assert found == {"m/w": f"net/w/{EMA}"}
        with pytest.raises(PlanError, match="'m/b'"):
            moves(rules, self.SOURCE, target)

    def test_a_rule_for_the_average_itself(self):
        rules = [
            tcm.Recipe("averages", "/", "/"),
            (f"net/w/{EMA}", "m/w"),
            ("net/b", "m/b"),
            tcm.Drop("step"),
        ]
        expected = {"m/w": f"net/w/{EMA}", "m/b": f"net/b/{EMA}"}
        assert moves(rules, self.SOURCE) == expected

    def test_names_of_an_older_version(self):
        source = specs("a/weights", f"a/weights/{EMA}")
        rules = [tcm.Recipe("layer_names", "/", "/")]
        for use, expected in (
            ("average", {"a/kernel": f"a/weights/{EMA}"}),
            ("raw", {"a/kernel": "a/weights"}),
            (
                "both",
                {"a/kernel": "a/weights", f"a/kernel/{EMA}": f"a/weights/{EMA}"},
            ),
        ):
            recipe = tcm.Recipe("averages", "/", "/", use=use)
            assert moves([recipe, *rules], source) == expected
            assert moves([*rules, recipe], source) == expected


class TestRefusals:
    @pytest.mark.parametrize(
        ("rule", "error", "message"),
        [
            (("net/", "m/", {"use": "mean"}), RuleError, "use='mean'; expected one of"),
            (("net", "m/", {}), RuleError, "'net' is no scope"),
            (("other/", "m/", {}), PlanError, "no variable below 'other/' has an"),
            (("net/", "m/", {"name": "avg"}), PlanError, "an average called 'avg'"),
        ],
    )
    def test_what_is_wrong(self, rule, error, message):
        source, target, options = rule
        with pytest.raises(error, match=message):
            resolve([tcm.Recipe("averages", source, target, **options)], NAMES)

    def test_one_without_a_place_is_left_to_other_rules(self):
        source = {**NAMES, **specs(f"net/b/{EMA}")}
        target = specs("m/w", f"m/w/{EMA}", "m/b")
        rules = [tcm.Recipe("averages", "net/", "m/", use="both"), tcm.Drop("step")]
        with pytest.raises(PlanError, match=f"net/b/{EMA}"):
            resolve(rules, source, target)
        rules.append(tcm.Drop(f"net/b/{EMA}"))
        assert set(moves(rules, source, target)) == set(target)

    def test_a_target_without_averages(self):
        rules = [tcm.Recipe("averages", "net/", "m/", use="both"), tcm.Drop("/")]
        with pytest.raises(PlanError, match="no variable of the target has an average"):
            resolve(rules, NAMES, specs("m/w"))


@pytest.mark.parametrize(
    ("name", "options"), [("ema", {}), ("ema_scoped", {"name": "avg"})]
)
def test_what_tensorflow_1_has_saved(tmp_path, name, options):
    """By file: the averages become the variables, and no byte of them moves."""
    reader = golden(f"tf1_15/{name}")
    rules = [
        tcm.Recipe("averages", "net/", "model/", **options),
        tcm.Drop(role="slot"),
        tcm.Drop(role="optimizer"),
    ]
    plan = tcm.plan_migration(reader, None, rules)
    assert tcm.MigrationPlan.from_yaml(plan.to_yaml()).moves == plan.moves
    made = tcm.load_checkpoint(tcm.convert(plan, tmp_path / "m"))
    averages = averages_in(reader, options.get("name", EMA))
    assert set(made) == {"model/w", "model/b"}
    for variable in ("w", "b"):
        average = reader[averages[f"net/{variable}"]]
        assert made[f"model/{variable}"].tobytes() == average.tobytes()
    if name == "ema":  # of a model that has learned meanwhile
        assert made["model/w"].tobytes() != reader["net/w"].tobytes()
