"""What is proposed, how sure it is said to be, and what is left open."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml

import tf_ckpt_migrate as tcm
from tests.conversion.checkpoints import golden, write
from tests.conversion.suggestion.files import write_graph, write_shapes
from tf_ckpt_migrate.conversion.layout import guide_key
from tf_ckpt_migrate.names.rules import Drop, Recipe, Rename, RenameRegex


@pytest.fixture
def suggest(tmp_path):
    """Return what suggests a map between names and shapes."""

    def made(source, target, **options):
        prefixes = [write_shapes(tmp_path / n, s) for n, s in
                    (("source", source), ("target", target))]  # fmt: skip
        return tcm.suggest_assignment_map(*prefixes, **options)

    return made


def layer(scope, rows, columns, kernel="kernel", bias="bias"):
    return {f"{scope}/{kernel}": (rows, columns), f"{scope}/{bias}": (columns,)}


def by_source(suggestion):
    return {match.source: match for match in suggestion.matches}


OLD = {"kernel": "weights", "bias": "biases"}


class TestWhatSpeaksForAPair:
    def test_layers_counted_from_another_number(self, suggest):
        source = {f"net/layer_{i}/w": (4, 4) for i in range(11)}
        target = {f"model/block_{i + 3}/kernel": (4, 4) for i in range(11)}
        found = by_source(suggest(source, target))
        for i in range(11):
            assert found[f"net/layer_{i}/w"].target == f"model/block_{i + 3}/kernel"

    def test_the_first_of_a_series_has_no_number(self, suggest):
        source = {n: s for i in range(4) for n, s in layer(f"fc{i + 1}", 5, 5).items()}
        names = ["dense", "dense_1", "dense_2", "dense_3"]
        target = {n: s for name in names for n, s in layer(name, 5, 5).items()}
        found = by_source(suggest(source, target))
        assert found["fc1/kernel"].target == "dense/kernel"
        assert found["fc4/bias"].target == "dense_3/bias"

    def test_names_of_other_eras(self, suggest):
        norm = ["beta", "gamma", "moving_mean", "moving_variance"]
        source = {f"net/BatchNorm/{name}": (6,) for name in norm}
        source |= layer("net/fully_connected", 6, 6, **OLD)
        sonnet = ["offset", "scale", "moving_mean", "moving_var"]
        target = {f"module/batch_norm/{name}": (6,) for name in sonnet}
        target |= layer("module/linear", 6, 6, "w", "b")
        found = by_source(suggest(source, target))
        assert found["net/BatchNorm/beta"].target == "module/batch_norm/offset"
        assert found["net/BatchNorm/gamma"].target == "module/batch_norm/scale"
        assert found["net/fully_connected/biases"].target == "module/linear/b"
        assert len(found) == 6

    def test_what_stands_beside_it(self, suggest):
        source = layer("foo", 3, 7, "x", "y") | layer("bar", 5, 7, "x", "y")
        target = layer("one", 3, 7, "x", "y") | layer("two", 5, 7, "x", "y")
        found = by_source(suggest(source, target))
        assert (found["foo/y"].target, found["bar/y"].target) == ("one/y", "two/y")

    @pytest.mark.parametrize(
        ("old", "new", "change"),
        [
            ((1, 1, 6, 3), (6, 3), "Reshape(shape=(6, 3))"),
            ((6, 6), (6, 2, 3), "Reshape(shape=(6, 2, 3))"),
            ((2, 2, 3, 5), (12, 5), "Reshape(shape=(12, 5))"),
            ((3, 6), (6, 3), "Transpose(perm=(1, 0))"),
        ],
    )
    def test_a_change_of_shape(self, suggest, old, new, change):
        suggestion = suggest({"head/weights": old}, {"logits/kernel": new})
        (match,) = suggestion.matches
        assert match.change == change
        (rule,) = suggestion.assignment_map
        assert repr(rule.transform) == change

    def test_another_dtype_or_size_is_no_pair(self, suggest):
        suggestion = suggest({"w": (6,), "global_step": ()}, {"w": (7,), "step": ()})
        assert suggestion.matches == ()
        assert suggestion.unmatched == (("w",), ("step", "w"))


class TestConfidence:
    def test_numbers_alone_make_nothing_certain(self, suggest):
        source = {f"a{i}": (4, 4) for i in range(5)}
        target = {f"model/dense_{i}/kernel": (4, 4) for i in range(5)}
        assert suggest(source, target).totals["certain"] == 0

    def test_a_gamma_becomes_no_beta(self, suggest):
        suggestion = suggest({"norm/gamma": (3,)}, {"norm/beta": (3,)})
        assert suggestion.matches == ()
        assert suggestion.ambiguities == ()
        assert suggestion.unmatched.source == ("norm/gamma",)

    def test_of_two_alike_neither_is_chosen(self, suggest):
        source = layer("foo", 4, 4) | layer("bar", 4, 4)
        target = layer("one", 4, 4) | layer("two", 4, 4)
        suggestion = suggest(source, target)
        assert suggestion.matches == ()
        assert len(suggestion.assignment_map) == 0
        assert {
            each.source: set(each.candidates) for each in suggestion.ambiguities
        } == {
            f"{scope}/{name}": {f"one/{name}", f"two/{name}"}
            for scope in ("foo", "bar")
            for name in ("kernel", "bias")
        }

    def test_of_three_for_two_none_is_left_out_in_silence(self, suggest):
        source = {f"{name}/w": (4, 5) for name in ("foo", "bar", "baz")}
        target = {f"{name}/w": (4, 5) for name in ("one", "two")}
        suggestion = suggest(source, target)
        assert {each.source for each in suggestion.ambiguities} == {*source}
        assert {c for each in suggestion.ambiguities for c in each.candidates} == {
            *target
        }
        accepted = suggestion.accepting()
        assert len({match.target for match in accepted.matches}) == 2

    def test_what_is_proposed_first_goes_together(self, suggest):
        source = layer("foo", 4, 4) | layer("bar", 4, 4)
        target = layer("one", 4, 4) | layer("two", 4, 4)
        first = {a.source: a.candidates[0] for a in suggest(source, target).ambiguities}
        assert first["foo/kernel"].split("/")[0] == first["foo/bias"].split("/")[0]
        assert len(set(first.values())) == 4

    def test_a_square_among_transposed_is_open(self, suggest):
        sizes = [(3, 5), (5, 4), (4, 4)]
        source = {f"out_{i}/weights": size for i, size in enumerate(sizes)}
        target = {f"head_{i}/kernel": size[::-1] for i, size in enumerate(sizes)}
        suggestion = suggest(source, target)
        (open_,) = suggestion.ambiguities
        assert open_.source == "out_2/weights"
        assert "transpose" in open_.settle

    def test_two_models_that_have_little_in_common(self, suggest):
        source = {n: s for i in range(6) for n, s in layer(f"fc_{i}", 4, i + 2).items()}
        target = {f"net/conv_{i}/kernel": (3, 3, 2, i + 2) for i in range(6)}
        target |= {f"net/conv_{i}/bias": (i + 2,) for i in range(2)}
        suggestion = suggest(source, target)
        assert suggestion.totals["certain"] == 0
        assert "the two have little in common" in str(suggestion)

    def test_of_more_layers_those_of_the_same_numbers_are_taken(self, suggest):
        source = {n: s for i in range(6) for n, s in layer(f"net/fc_{i}", 4, 4).items()}
        target = {
            n: s for i in range(4) for n, s in layer(f"m/dense_{i}", 4, 4).items()
        }
        suggestion = suggest(source, target)
        found = {match.source: match.target for match in suggestion.matches}
        assert found == {f"net/fc_{i}/{n}": f"m/dense_{i}/{n}" for i in range(4)
                         for n in ("kernel", "bias")}  # fmt: skip
        assert set(suggestion.unmatched.source) == {*source} - {*found}

    def test_too_many_to_compare(self, suggest):
        many = {f"w_{i}": (1,) for i in range(5001)}
        with pytest.raises(
            tcm.errors.PlanError, match="5,001 weights, and layers are compared"
        ):
            suggest(many, {"w": (1,)})


class TestEqualBytes:
    """Checksums in the indexes tell, and no tensor is read."""

    @pytest.fixture
    def twins(self, tmp_path):
        random = np.random.default_rng(0)
        values = {name: random.normal(size=(3, 3)).astype(np.float32) for name in "xyz"}
        source = write(tmp_path / "source", {f"s/{n}": v for n, v in values.items()})
        names = dict(zip("xyz", ("t/c", "t/a", "t/b"), strict=True))
        target = {names[n]: v for n, v in values.items()}
        return source, target, {f"s/{n}": name for n, name in names.items()}

    def test_they_decide(self, twins, tmp_path):
        source, target, truth = twins
        prefix = write(tmp_path / "target", target)
        for path in tmp_path.glob("*.data-*"):
            path.unlink()
        found = by_source(tcm.suggest_assignment_map(source, prefix))
        assert {s: match.target for s, match in found.items()} == truth
        assert {match.confidence for match in found.values()} == {"certain"}
        assert all("equal bytes" in match.evidence for match in found.values())

    def test_a_few_equal_ones_say_nothing(self, twins, tmp_path):
        source, target, _ = twins
        others = {n: v if n == "t/a" else v + 1 for n, v in target.items()}
        suggestion = tcm.suggest_assignment_map(source, write(tmp_path / "t", others))
        assert len(suggestion.ambiguities) == 3


WEIGHTS = {"net/w": (2, 3), "net/b": (3,)}
OF_ADAM = {"beta1_power": (), "beta2_power": (), "global_step": ()}


class TestWhatTrainingKeeps:
    def trained(self, scope):
        weights = {f"{scope}/w": (2, 3), f"{scope}/b": (3,)}
        slots = {f"{name}/{slot}": shape for name, shape in weights.items()
                 for slot in ("Adam", "Adam_1")}  # fmt: skip
        return weights | slots | OF_ADAM

    def test_slots_follow_their_variables(self, suggest, tmp_path):
        suggestion = suggest(self.trained("net"), self.trained("model/dense"))
        plan = tcm.plan_migration(
            tmp_path / "source", tmp_path / "target", suggestion.assignment_map
        )
        assert {m.sources[0]: m.target for m in plan.moves} == {
            name: name.replace("net/", "model/dense/") for name in self.trained("net")
        }
        assert len(suggestion.assignment_map) == 1

    @pytest.mark.parametrize(
        ("old", "new"),
        [(("Ftrl", "Ftrl_1"), ("Adadelta", "Adadelta_1")),
         (("AdaMax", "AdaMax_1"), ("Adam", "Adam_1"))],
    )  # fmt: skip
    def test_slots_of_another_optimizer_are_not_followed(self, suggest, old, new):
        source = {"net/w": (2, 3)} | {f"net/w/{slot}": (2, 3) for slot in old}
        target = {"m/w": (2, 3)} | {f"m/w/{slot}": (2, 3) for slot in new}
        suggestion = suggest(source, target)
        assert [m.source for m in suggestion.matches] == ["net/w"]
        assert "those of the target are others" in suggestion.notes[0]

    def test_what_has_no_place_is_left_behind_and_said(self, suggest, tmp_path):
        suggestion = suggest(self.trained("net"), {"m/w": (2, 3), "m/b": (3,)})
        plan = tcm.plan_migration(
            tmp_path / "source", tmp_path / "target", suggestion.assignment_map
        )
        assert len(plan.moves) == 2
        assert len(plan.dropped) == 7
        assert "4 slots left behind" in suggestion.notes[0]

    def test_averages_are_not_taken_for_the_variables_in_silence(self, suggest):
        averages = {f"{n}/ExponentialMovingAverage": s for n, s in WEIGHTS.items()}
        suggestion = suggest(WEIGHTS | averages, {"m/w": (2, 3), "m/b": (3,)})
        assert Drop(role="average") in [
            Drop(role=rule.role) for rule in suggestion.assignment_map
            if isinstance(rule, Drop)
        ]  # fmt: skip
        assert 'Recipe("averages"' in suggestion.notes[0]

    def test_the_scope_of_a_compiled_model_is_in_no_name_twice(self, tmp_path):
        like = golden("tf2_21/keras_optimizer_adam_ema")
        weights = layer("net/d1", 3, 2) | layer("net/d2", 2, 1)
        slots = {f"training/Adam/{n}/{m}": s for n, s in weights.items() for m in "mv"}
        numbers = dict.fromkeys(["iter", "beta_1", "decay", "learning_rate"], ())
        settings = {f"training/Adam/{name}": s for name, s in numbers.items()}
        source = write_shapes(tmp_path / "source", weights | slots | settings)
        rules = tcm.suggest_assignment_map(source, like).assignment_map
        found = [rule.source for rule in rules if isinstance(rule, Recipe)]
        assert found == ["training/Adam"]

    @pytest.mark.parametrize("writer", ["tf2_15", "tf2_21"])
    def test_averages_go_to_those_of_an_optimizer_by_a_recipe(self, tmp_path, writer):
        like = golden(f"{writer}/keras_optimizer_adam_ema")
        layers = {"net/d1": (3, 2), "net/d2": (2, 1)}
        shapes = {
            n: s for k, shape in layers.items() for n, s in layer(k, *shape).items()
        }
        averages = {f"{n}/ExponentialMovingAverage": s for n, s in shapes.items()}
        source = write_shapes(tmp_path / "source", shapes | averages)
        suggestion = tcm.suggest_assignment_map(source, like)
        rules = suggestion.assignment_map
        plan = tcm.plan_migration(source, like, rules, missing="keep")
        assert {move.sources[0] for move in plan.moves} == {*shapes, *averages}


class TestCells:
    @pytest.mark.parametrize(
        ("kind", "source", "gates"),
        [
            ("lstm", {"kernel": (8, 20), "bias": (20,)}, 4),
            ("simple_rnn", {"kernel": (8, 5), "bias": (5,)}, 1),
            (
                "gru",
                {"gates/kernel": (8, 10), "gates/bias": (10,),
                 "candidate/kernel": (8, 5), "candidate/bias": (5,)},
                3,
            ),
        ],
    )  # fmt: skip
    def test_a_cell_is_a_recipe(self, suggest, tmp_path, kind, source, gates):
        scope = f"rnn/{'basic_lstm' if kind == 'lstm' else kind}_cell"
        target = {"kernel": (3, 5 * gates), "recurrent_kernel": (5, 5 * gates)}
        target |= {"bias": (5 * gates,)}
        suggestion = suggest(
            {f"{scope}/{n}": s for n, s in source.items()},
            {f"layer/cell/{n}": s for n, s in target.items()},
        )
        assert [*suggestion.assignment_map] == [
            Recipe(kind, f"{scope}/", "layer/cell/")
        ]
        plan = tcm.plan_migration(
            tmp_path / "source", tmp_path / "target", suggestion.assignment_map
        )
        assert {move.target for move in plan.moves} == {
            f"layer/cell/{n}" for n in target
        }
        assert ("forget_bias" in str(suggestion)) == (kind == "lstm")

    @pytest.mark.parametrize("scope", ["net/lstm", "net/gru_1", "rnn/lstm_cell"])
    def test_a_bias_never_goes_without_its_kernel(self, suggest, scope):
        source = {f"{scope}/w_gates": (7, 16), f"{scope}/b_gates": (16,)}
        target = {"lstm/w_i": (3, 16), "lstm/w_h": (4, 16), "lstm/b": (16,)}
        suggestion = suggest(source, target)
        assert suggestion.matches == ()
        assert set(suggestion.unmatched.source) == {*source}

    def test_the_scope_of_an_older_cell_stays_as_it_is(self, suggest):
        source = {"RNN/LSTMCell/W_0": (7, 16), "RNN/LSTMCell/B": (16,)}
        target = {"lstm/kernel": (3, 16), "lstm/recurrent_kernel": (4, 16)}
        target["lstm/bias"] = (16,)
        rules = suggest(source, target).assignment_map
        assert [*rules] == [Recipe("lstm", "RNN/LSTMCell/", "lstm/")]


class TestOrderOfCreation:
    """The graph next to a checkpoint of TF1 lists variables as they were made."""

    SIZES = (3, 4, 5, 3, 4, 5, 6, 3, 4, 6)

    @pytest.fixture
    def sides(self, tmp_path):
        names = ["kd", "zz", "aq", "pm", "bv", "tl", "mc", "fx", "ye", "gw"]
        made = dict(zip(names, self.SIZES, strict=True))
        source = write_shapes(
            tmp_path / "a", {f"net/{n}/kernel": (2, size) for n, size in made.items()}
        )
        dense = [f"m/dense_{at}" if at else "m/dense" for at in range(len(names))]
        target = write_shapes(
            tmp_path / "b", {f"{n}/kernel": (2, size)
                             for n, size in zip(dense, self.SIZES, strict=True)},
        )  # fmt: skip
        pairs = zip(names, dense, strict=True)
        return source, target, {f"net/{a}/kernel": f"{b}/kernel" for a, b in pairs}

    def test_it_tells_layers_without_names(self, sides):
        source, target, truth = sides
        assert tcm.suggest_assignment_map(source, target).matches == ()
        write_graph(source, truth)
        found = by_source(tcm.suggest_assignment_map(source, target))
        assert {s: match.target for s, match in found.items()} == truth
        assert {match.confidence for match in found.values()} == {"likely"}
        assert all("order of creation" in m.evidence for m in found.values())

    def test_another_order_tells_nothing(self, sides):
        source, target, truth = sides
        write_graph(source, sorted(truth))
        assert tcm.suggest_assignment_map(source, target).matches == ()

    def test_a_damaged_graph_is_said(self, sides):
        source, target, _ = sides
        Path(f"{source}.meta").write_bytes(b"\xff" * 9)
        notes = tcm.suggest_assignment_map(source, target).notes
        assert any("the order of creation is unknown" in note for note in notes)

    def test_of_equal_layers_it_is_not_enough(self, tmp_path):
        names = [f"{a}{b}" for a in "kzap" for b in "dzq"]
        source = write_shapes(tmp_path / "a", {f"{n}/kernel": (2, 2) for n in names})
        write_graph(source, [f"{n}/kernel" for n in names])
        target = write_shapes(
            tmp_path / "b", {f"m/dense_{n}/kernel": (2, 2) for n in range(12)}
        )
        assert tcm.suggest_assignment_map(source, target).matches == ()


class TestManyEqualLayers:
    """More pairs than can be compared one by one."""

    def test_numbers_alone_decide(self, suggest):
        source = {f"l_{i // 40}/e_{i % 40}/w": (2,) for i in range(1200)}
        target = {f"m/{i // 40}/e{i % 40}/kernel": (2,) for i in range(1200)}
        suggestion = suggest(source, target)
        truth = dict(zip(source, target, strict=True))
        assert {m.source: m.target for m in suggestion.matches} == truth

    def test_without_numbers_all_is_open(self, suggest):
        parts = "bcdfghjklm", "npqrstvwxz", "bcdfghjklmn"
        names = ["".join(each) for each in product(*parts)]
        source = {f"{n}/kernel": (2,) for n in names}
        target = {f"{n[::-1]}/z/kernel": (2,) for n in names}
        suggestion = suggest(source, target)
        assert suggestion.matches == ()
        assert len(suggestion.ambiguities) == len(names)
        assert {len(a.candidates) + a.more for a in suggestion.ambiguities} == {1100}


class TestAsAValue:
    @pytest.fixture
    def open_(self, suggest):
        source = (
            layer("foo", 4, 4) | layer("bar", 4, 4) | layer("out", 4, 9) | {"q": (77,)}
        )
        target = layer("one", 4, 4) | layer("two", 4, 4) | layer("out", 4, 9)
        return suggest(source, target)

    def test_a_choice_is_accepted(self, open_):
        chosen = {"foo/kernel": "two/kernel", "bar/kernel": "one/kernel"}
        decided = open_.accepting(chosen)
        assert {r.source: r.target for r in decided.assignment_map} == chosen
        assert {each.source for each in decided.ambiguities} == {"foo/bias", "bar/bias"}
        assert decided.totals["accepted"] == 2
        assert open_.totals["accepted"] == 0

    def test_all_first_candidates_are_accepted(self, open_):
        decided = open_.accepting()
        assert decided.ambiguities == ()
        assert len({match.target for match in decided.matches}) == 6

    def test_one_after_the_other(self, open_):
        once = open_.accepting({"foo/kernel": "two/kernel"})
        twice = once.accepting({"foo/bias": "two/bias"})
        assert {m.source: m.target for m in twice.matches}["foo/kernel"] == "two/kernel"
        assert len(twice.ambiguities) == 2

    def test_what_is_no_choice(self, open_):
        with pytest.raises(tcm.errors.RuleError, match="'foo/kernal' is not ambiguous"):
            open_.accepting({"foo/kernal": "one/kernel"})
        with pytest.raises(
            tcm.errors.RuleError, match="'out/kernel' is no candidate of"
        ):
            open_.accepting({"foo/kernel": "out/kernel"})

    def test_yaml_is_the_map_and_comments(self, open_):
        decided = open_.accepting({"bar/bias": "two/bias"})
        text = decided.to_yaml()
        config = yaml.safe_load(text)
        assert tcm.AssignmentMap.from_config(config) == decided.assignment_map
        for target in ("one", "two"):
            assert f"# - foo/kernel: {target}/kernel\n" in text
        assert "# - {rule: drop, source: q," in text

    def test_comments_made_rules(self, open_):
        text = open_.accepting({"bar/bias": "two/bias"}).to_yaml()
        text = text.replace("# - foo/kernel: two", "- foo/kernel: two")
        rules = tcm.AssignmentMap.from_config(yaml.safe_load(text))
        assert Rename("foo/kernel", "two/kernel") in list(rules)

    def test_yaml_of_no_rules_is_a_map_too(self, open_):
        rules = tcm.AssignmentMap.from_config(yaml.safe_load(open_.to_yaml()))
        assert len(rules) == 0

    def test_json(self, open_):
        content = json.loads(open_.to_json())
        assert content["totals"] == {
            "certain": 2, "likely": 0, "accepted": 0, "ambiguous": 4,
        }  # fmt: skip
        assert content["ambiguities"][0]["candidates"]
        assert content["unmatched"] == {"source": ["q"], "target": []}

    def test_text(self, open_):
        text = str(open_)
        assert text.startswith(
            "2 matched (2 certain); 4 ambiguous; 1 without a counter"
        )
        assert "'foo/kernel' float32[4, 4] -> " in text
        assert "without a counterpart in the target: 1\n  q" in text


def test_an_object_based_target_is_called_by_its_variables(tmp_path):
    shapes = {f"enc/layer_{i}/{n}": (3, 3) for i in range(4) for n in ("q", "k")}
    source = write(
        tmp_path / "a", {n: np.ones(s, np.float32) for n, s in shapes.items()}
    )
    like = tcm.convert_tf1_to_tf2(source, tmp_path / "b")
    suggestion = tcm.suggest_assignment_map(source, like)
    assert suggestion.totals["certain"] == 8
    assert len(suggestion.assignment_map) == 0  # the names are those of the variables
    result = tcm.convert_tf1_to_tf2(
        source, tmp_path / "c", like=like, assignment_map=suggestion.assignment_map
    )
    assert guide_key("enc/layer_3/q") in tcm.load_checkpoint(result)


def test_a_real_checkpoint_of_tf1_to_another_layout(tmp_path):
    source = golden("tf1_15/layers_contrib")
    shapes = {k: s.shape for k, s in source.specs.items()}
    names = {k: f"model/{k}".replace("weights", "kernel").replace("biases", "bias")
             for k in shapes}  # fmt: skip
    target = write_shapes(tmp_path / "t", {names[k]: s for k, s in shapes.items()})
    suggestion = tcm.suggest_assignment_map(source, target)
    wrong = [m for m in suggestion.matches if names[m.source] != m.target]
    assert wrong == []
    assert any(isinstance(rule, RenameRegex) for rule in suggestion.assignment_map)


def test_of_very_many_candidates_some_are_named(suggest):
    source = {f"{a}{b}": (3,) for a in "abcdefgh" for b in "stuvw"}
    target = {f"{a}{b}/x": (3,) for a in "klmnopqr" for b in "stuvw"}
    suggestion = suggest(source, target)
    assert len(suggestion.ambiguities) == 40
    assert {len(a.candidates) + a.more for a in suggestion.ambiguities} == {40}
    assert " or 36 more" in str(suggestion)
    assert "#   or 19 more" in suggestion.to_yaml()


def test_from_objects_to_names_the_rules_are_those_of_the_way_back(tmp_path):
    names = [f"enc/layer_{i}/{n}" for i in range(3) for n in ("query", "key")]
    values = {name: np.full((3, 3), at, np.float32) for at, name in enumerate(names)}
    objects = tcm.convert_tf1_to_tf2(write(tmp_path / "a", values), tmp_path / "b")
    renamed = {
        n: n.replace("enc/layer_", "net/block").replace("query", "q") for n in names
    }
    like = write(tmp_path / "like", {renamed[n]: v * 0 for n, v in values.items()})
    suggestion = tcm.suggest_assignment_map(objects, like)
    made = tcm.convert_tf2_to_tf1(
        objects, tmp_path / "out", names=suggestion.assignment_map, like=like
    )
    reader = tcm.load_checkpoint(made)
    for name, value in values.items():
        np.testing.assert_array_equal(reader[renamed[name]], value)
    assert len(suggestion.assignment_map) == 2


class TestIdentities:
    """What is the same on both sides is not weighed."""

    @pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
    def test_equal_names_are_the_pair_however_short(self, suggest, shape):
        names = dict.fromkeys(["a", "b", "W1", "x"], shape)
        suggestion = suggest(names, names)
        assert len(suggestion.assignment_map) == 0
        assert {m.source: m.target for m in suggestion.matches} == {n: n for n in names}
        assert suggestion.totals["certain"] == len(names)

    def test_a_count_of_steps_among_several_is_the_one_of_its_name(self, suggest):
        counts = {"it/step": (), "global_step": ()}
        suggestion = suggest({"net/w": (2, 3)} | counts, {"model/w": (2, 3)} | counts)
        assert [repr(r) for r in suggestion.assignment_map] == [
            "Rename('net/w', 'model/w')"
        ]
        assert suggestion.unmatched == ((), ())

    def test_what_keeps_its_name_is_dropped_by_no_rule_for_its_role(
        self, suggest, tmp_path
    ):
        target = {"w": (2, 3), "w/Adam": (2, 3), "b": (3,)}
        source = target | {"b/Adam": (3,)}
        suggestion = suggest(source, target)
        plan = tcm.plan_migration(
            tmp_path / "source", tmp_path / "target", suggestion.assignment_map
        )
        assert {m.sources[0]: m.target for m in plan.moves} == {n: n for n in target}
        assert [drop.key for drop in plan.dropped] == ["b/Adam"]

    def test_equal_objects_need_no_rule(self, tmp_path):
        values = {
            f"net/{n}": np.full((2, 2), i, np.float32) for i, n in enumerate("ab")
        }
        named = write(tmp_path / "named", values)
        objects = tcm.convert_tf1_to_tf2(named, tmp_path / "objects")
        suggestion = tcm.suggest_assignment_map(objects, objects)
        assert len(suggestion.assignment_map) == 0
        assert suggestion.totals["certain"] == 2
