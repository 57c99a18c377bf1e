"""Plans for who asks by name, whatever kind of checkpoint is asked."""

import re
from collections import Counter

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden, write
from tf_ckpt_migrate.bundle.dtypes import DType, TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader
from tf_ckpt_migrate.conversion.by_names import plan_by_names, plan_by_rules
from tf_ckpt_migrate.conversion.layout import is_object_key
from tf_ckpt_migrate.errors import PlanError, RuleError
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.transforms import Transpose

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
W, B = TensorSpec(DType.float32, (2, 3)), TensorSpec(DType.float32, (3,))


@pytest.fixture
def reader(tmp_path):
    values = {
        "net/w": np.ones((2, 3), "f"),
        "net/w/ExponentialMovingAverage": np.ones((2, 3), "f"),
        "net/b": np.ones(3, "f"),
    }
    return CheckpointReader(write(tmp_path / "model", values))


def moved(plan):
    return {move.target: move.sources[0] for move in plan.moves}


def refused(reader, asked, rules=None, error=PlanError, **options):
    with pytest.raises(error) as caught:
        plan_by_names(reader, asked, rules, **options)
    return caught.value


class TestNames:
    def test_what_is_asked_for_is_taken_and_nothing_else(self, reader):
        plan = plan_by_names(reader, {"net/b": B})
        assert moved(plan) == {"net/b": "net/b"}
        assert {each.key for each in plan.dropped} == {*reader} - {"net/b"}

    def test_a_map_goes_before_the_same_name(self, reader):
        average = {"net/w/ExponentialMovingAverage": "net/w"}
        plan = plan_by_names(reader, {"net/w": W, "net/b": B}, average)
        assert moved(plan) == {
            "net/w": "net/w/ExponentialMovingAverage",
            "net/b": "net/b",
        }

    def test_a_tensor_that_a_rule_took_or_dropped_has_no_other_place(self, reader):
        asked = {"net/w": W, "copy": W}
        for rules in ({"net/w": "copy"}, [("net/w", "copy"), tcm.Drop("net/b")]):
            error = refused(reader, asked, rules)
            assert error.problems == ("missing target: 'net/w' float32[2, 3]",)

    def test_keep_is_the_name_itself(self, reader):
        asked = {"net/w": W, "net/b": B}
        plan = plan_by_names(reader, asked, [tcm.Keep("net/")])
        assert moved(plan) == {"net/w": "net/w", "net/b": "net/b"}

    def test_scopes_patterns_and_several_places(self, reader):
        asked = {"a/w": W, "a/b": B, "c": B}
        split = [tcm.Split("net/b", ["a/b", "c"]), ("net/", "a/")]
        assert moved(plan_by_names(reader, asked, split))["c"] == "net/b"
        regex = [tcm.RenameRegex("net/([wb])", r"a/\1")]
        assert moved(plan_by_names(reader, {"a/w": W, "a/b": B}, regex)) == {
            "a/w": "net/w",
            "a/b": "net/b",
        }

    def test_a_transform_makes_what_is_asked_for(self, reader):
        asked = {"t": TensorSpec(DType.float32, (3, 2))}
        rule = tcm.Rename("net/w", "t", transform=Transpose((1, 0)))
        [move] = plan_by_names(reader, asked, [rule]).moves
        assert move.transform == Transpose((1, 0))

    def test_where_nothing_is_known_anything_fits(self, reader):
        assert moved(plan_by_names(reader, {"net/w": None, "x": None}, {"net/b": "x"}))

    def test_a_checkpoint_of_exactly_these_names_needs_no_map(self, reader):
        asked = {name: reader.specs[name] for name in reader}
        for rules in (
            {"old/": "net/"},
            {"/": "net/"},
            {"net/b": "net/b", "x": "net/w"},
        ):
            assert all(m.is_kept for m in plan_by_names(reader, asked, rules).moves)
        del asked["net/w/ExponentialMovingAverage"]
        assert "matches nothing" in str(refused(reader, asked, {"old/": "net/"}))


class TestRefusals:
    def test_all_is_said_at_once(self, reader):
        asked = {"b": TensorSpec(DType.float32, (9,)), "w": W, "net/w": B, "net/b": B}
        error = refused(reader, asked)
        assert [problem.partition(":")[0] for problem in error.problems] == [
            "missing target",
            "missing target",
            "dtype or shape differs",
        ]
        text = str(error)
        assert "has no tensor for 2 of 4 variables" in text
        assert "variable 'net/w' float32[3] would get 'net/w' float32[2, 3]" in text

    def test_the_map_that_would_do(self, reader):
        text = str(refused(reader, {"w": W, "b": B}))
        assert "in a scope 'net/' that the model lacks" in text
        assert "assignment_map={'net/': '/'}" in text
        assert moved(plan_by_names(reader, {"w": W, "b": B}, {"net/": "/"}))

    def test_the_transform_that_would_do(self, reader):
        text = str(refused(reader, {"net/w": TensorSpec(DType.float32, (3, 2))}))
        rule = "Rename('net/w', 'net/w', transform=Transpose(perm=(1, 0)))"
        assert f"assignment_map=[{rule}]" in text

    @pytest.mark.parametrize(
        ("rules", "words"),
        [
            ({"old/": "net/"}, "matches nothing"),
            ({"net/": "nte/"}, "nothing that is asked for.*'net/w'"),
            ({"net/b": "net/bias"}, "does not have"),
            ({"net/w": "net/b", "net/b": "net/b"}, "from two sources"),
        ],
    )
    def test_a_rule_must_lead_somewhere(self, reader, rules, words):
        error = refused(reader, {"net/w": W, "net/b": B}, rules)
        assert re.search(f"(?s){words}", str(error)), str(error)

    def test_strict_means_every_tensor(self, reader):
        asked = {"net/w": W, "net/b": B}
        error = refused(reader, asked, unused="error")
        assert error.problems == ("unused source: 'net/w/ExponentialMovingAverage'",)
        rules = [tcm.Drop(role="average")]
        assert plan_by_names(reader, asked, rules, unused="error").moves

    def test_a_variable_object_needs_a_model(self, reader):
        refused(reader, {"net/w": W}, {"net/w": object()}, error=RuleError)


class TestRulesAlone:
    def test_lead_to_places_and_leave_the_others(self, reader):
        places = {"a/w": W, "a/b": B, "net/b": B}
        rules = [tcm.RenameRegex("net/([wb])", r"a/\1")]
        plan = plan_by_rules(reader, places, rules)
        assert moved(plan) == {"a/w": "net/w", "a/b": "net/b"}

    def test_must_fit(self, reader):
        for rule in (tcm.Rename("x", "a"), tcm.RenameScope("net", "a")):
            with pytest.raises(PlanError):
                plan_by_rules(reader, {"a/w": B, "a/b": B}, [rule])


class TestObjects:
    def test_names_are_tried_before_paths_and_keys(self):
        reader = golden("tf2_21/checkpoint_names")
        catalog = catalog_of(reader)
        by_variable, by_path, _ = catalog.names_by_kind
        keys = {key: [key] for key in catalog}
        for names in (keys, by_variable, by_path):
            single = {keys[0]: name for name, keys in names.items() if len(keys) == 1}
            own = {name: key for key, name in single.items()}
            asked = {name: reader.specs[key] for name, key in own.items()}
            assert asked
            assert moved(plan_by_names(reader, asked)) == own

    def test_the_guides_layout_has_names(self, reader, tmp_path):
        tcm.convert_tf1_to_tf2(reader, tmp_path / "tf2")
        objects = CheckpointReader(tmp_path / "tf2")
        plan = plan_by_names(objects, {"net/b": B}, unused="drop")
        assert moved(plan) == {"net/b": f"vars/net.Sb{VALUE}"}
        strict = plan_by_names(
            objects, {n: reader.specs[n] for n in reader}, unused="error"
        )
        assert len(strict.moves) == 3  # and the counter of saves is no variable

    def test_of_a_dual_keyed_checkpoint_the_names_come_first(self):
        reader = golden("tf2_21/dual_keyed")
        plain = [key for key in catalog_of(reader) if not is_object_key(key)]
        asked = {name: reader.specs[name] for name in plain}
        plan = plan_by_names(reader, asked, unused="error")
        assert all(move.is_kept for move in plan.moves)

    def test_rules_speak_of_names_of_paths_or_of_keys(self, reader, tmp_path):
        out = tmp_path / "tf2"
        tcm.convert(
            tcm.plan_migration(reader, None, {"net/w": f"m/k{VALUE}"}, unused="drop"),
            out,
        )
        objects = CheckpointReader(out)
        for rules in ({"net/": "x/"}, {"net/w": "x/w"}, {"m/k": "x/w"}):
            assert moved(plan_by_names(objects, {"x/w": W}, rules)) == {
                "x/w": f"m/k{VALUE}"
            }
        assert moved(plan_by_names(objects, {"x": W}, {f"m/k{VALUE}": "x"}))
        assert moved(plan_by_names(objects, {"m/k": W}))

    def test_names_and_paths_together(self, reader, tmp_path):
        rules = {"net/w": f"m/k{VALUE}", "net/b": f"m/b{VALUE}"}
        plan = tcm.plan_migration(reader, None, rules, unused="drop")
        objects = CheckpointReader(tcm.convert(plan, tmp_path / "objects"))
        plan = plan_by_names(objects, {"net/w": W, "m/b": B}, unused="error")
        assert moved(plan) == {"net/w": f"m/k{VALUE}", "m/b": f"m/b{VALUE}"}

    def test_a_name_of_several_is_not_taken(self):
        reader = golden("tf2_21/checkpoint_names")
        graph = reader.object_graph
        assert graph is not None
        names = Counter(graph.full_names().values())
        twice = next(name for name, count in names.items() if count > 1)
        error = refused(reader, {twice: None})
        assert (
            f"variable {twice!r}; {names[twice]} variables in it have this name"
            in str(error)
        )

    def test_the_error_speaks_of_the_way_that_fits_best(self, reader, tmp_path):
        tcm.convert_tf1_to_tf2(reader, tmp_path / "tf2")
        objects = CheckpointReader(tmp_path / "tf2")
        error = refused(objects, {"net/w": W, "net/bias": B})
        assert error.problems == ("missing target: 'net/bias' float32[3]",)
        assert "(object-based) has no tensor for 1 of 2" in str(error)
