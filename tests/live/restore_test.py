import json
import os

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import (
    WEIGHTS,
    legacy_adam,
    model_values,
    nested,
    sequential,
    shared,
    trained,
    with_table,
)
from tf_ckpt_migrate.conversion.dual_keys import add_name_keys
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import (
    CheckpointNotFoundError,
    ChecksumError,
    GraphModeError,
    MissingShardError,
    PlanError,
    RuleError,
    TargetError,
    TransformError,
    UnbuiltTargetError,
)
from tf_ckpt_migrate.transforms import Cast, Function, Slice, Transpose

EXPECTED = {name: value.tolist() for name, value in WEIGHTS.items()}


@pytest.fixture
def source():
    """A name-based checkpoint of a model, as TF1 would have saved it."""
    with example_checkpoint({**WEIGHTS, "global_step": 7}) as prefix:
        yield prefix


@pytest.fixture
def write():
    """Writes name-based checkpoints that last as long as the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda tensors: stack.enter_context(example_checkpoint(tensors))


def scoped(model):
    """Rules to the names of a model's variables: Keras 3 puts its own before them."""
    path = getattr(model.variables[0], "path", model.variables[0].name)
    rules = [tcm.Drop("global_step")]
    return [*rules, ("/", "net/")] if path.startswith("net/") else rules


class TestNameBased:
    def test_a_model_gets_every_value(self, tf, source):
        model = sequential(tf)
        report = tcm.restore(source, model, scoped(model))
        assert model_values(model) == EXPECTED
        assert report.totals["weight"] == (6, 21, 84)

    def test_a_layer(self, tf, write):
        layer = tf.keras.layers.Dense(3, name="d1")
        layer.build((None, 2))
        names = {"k": layer.kernel, "b": layer.bias}
        tcm.restore(write({"k": np.ones([2, 3], "f"), "b": np.ones(3, "f")}), names)
        assert layer.bias.numpy().tolist() == [1, 1, 1]

    def test_a_dict_a_list_and_one_variable(self, tf, write):
        prefix = write({"net/w": np.float32([1, 2])})
        a, b, c = (tf.Variable([0.0, 0.0], name="net/w") for _ in range(3))
        for target in ({"net/w": a}, [b], c):
            tcm.restore(prefix, target)
        assert [v.numpy().tolist() for v in (a, b, c)] == [[1, 2]] * 3

    def test_paths_and_names_both_serve(self, tf, write):
        prefix = write(
            {
                "net/kernel": np.float32([[5, 6]]),
                "x": np.float32(7),
                "items/1/deep": np.float32(8),
                "text": np.array([b"c", b"d"], object),
            }
        )
        module = nested(tf)
        tcm.restore(prefix, module, {"x": "items/0"})
        assert module.kernel.numpy().tolist() == [[5, 6]]
        assert float(module.items[0]) == 7
        assert float(module.items[1]["deep"]) == 8
        assert module.text.numpy().tolist() == [b"c", b"d"]

    def test_a_key_serves_too(self, tf, write):
        module = tf.Module()
        module.w = tf.Variable(0.0, name="v")
        key = "w/.ATTRIBUTES/VARIABLE_VALUE"
        tcm.restore(write({"old": np.float32(3)}), module, {"old": key})
        assert float(module.w) == 3

    def test_variables_in_the_map(self, tf, source):
        model = sequential(tf)
        variables = model_variables(model)
        rules = [*variables.items(), tcm.Drop("global_step")]
        tcm.restore(source, model, rules)
        assert model_values(model) == EXPECTED

    def test_one_tensor_for_several_variables(self, tf, write):
        pair = {"a": tf.Variable([0.0]), "b": tf.Variable([0.0])}
        rules = {"w": [pair["a"], pair["b"]]}
        tcm.restore(write({"w": np.float32([4])}), pair, rules)
        assert [v.numpy().tolist() for v in pair.values()] == [[4], [4]]

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "bool", "string"])
    def test_dtypes(self, tf, write, dtype):
        text = tf.constant([b"x", b""])
        value = text if dtype == "string" else tf.cast([0, 1], dtype)
        variable = tf.Variable(tf.zeros_like(value), name="v")
        tcm.restore(write({"v": value.numpy()}), [variable])
        assert variable.numpy().tolist() == value.numpy().tolist()

    def test_goldens_of_tensorflow_1(self, tf, goldens):
        prefix = goldens / "tf1_15/partitioned_axis_0/model.ckpt"
        reader = tcm.load_checkpoint(prefix)
        target = {
            name: tf.Variable(tf.zeros(spec.shape, spec.dtype.name))
            for name, spec in reader.specs.items()
        }
        tcm.restore(prefix, target)
        for name, variable in target.items():
            np.testing.assert_array_equal(variable.numpy(), reader[name])

    def test_what_is_restored_can_be_changed_and_the_file_stays(self, tf, write):
        prefix = write({"w": np.zeros(64, np.float32)})
        variable = tf.Variable(tf.ones(64), name="w")
        tcm.restore(prefix, [variable])
        variable.assign_add(tf.ones(64))
        tcm.verify_checkpoint(prefix)
        assert tcm.load_checkpoint(prefix)["w"].sum() == 0


def model_variables(model):
    """Return the variables of a model by the names of WEIGHTS."""
    paths = [getattr(v, "path", v.name).partition(":")[0] for v in model.variables]
    names = (path.removeprefix("net/") for path in paths)
    return dict(zip(names, model.variables, strict=True))


class TestObjectBased:
    @pytest.mark.parametrize(
        "kind", [trained, nested, shared, legacy_adam], ids=lambda kind: kind.__name__
    )
    def test_what_tensorflow_saved_comes_back(self, tf, tmp_path, kind):
        first, second = kind(tf), kind(tf)
        saved = first if isinstance(first, tf.train.Checkpoint) else None
        path = (saved or tf.train.Checkpoint(first)).save(str(tmp_path / "c"))
        variables = tcm.load_checkpoint(path)
        for variable in all_variables(tf, second):
            variable.assign(tf.zeros_like(variable))
        report = tcm.restore(path, second)
        for move in report.restored:
            assert move.target in variables
        check = second if saved else tf.train.Checkpoint(second)
        again = tcm.load_checkpoint(check.write(str(tmp_path / "again")))
        assert {k for k in variables if not k.startswith(("save_counter", "_C"))} == {
            move.target for move in report.restored
        }
        for move in report.restored:
            np.testing.assert_array_equal(again[move.target], variables[move.target])

    @pytest.mark.parametrize(
        "rules",
        [
            {"old/w": "kernel", "old/b": "bias"},  # the variables' own names
            {"old/": "classifier/"},
            {"net/w": "kernel", "net/b": "bias"},  # the paths of the objects
            [("old/w", "kernel"), ("net/b", "bias")],
        ],
        ids=["names", "a scope of them", "paths", "both"],
    )
    def test_what_the_map_calls_the_sources(self, tf, tmp_path, rules):
        old, new = tf.train.Checkpoint(), tf.Module()
        old.net = tf.Module()
        old.net.w = tf.Variable([1.0, 2.0], name="old/w")
        old.net.b = tf.Variable([3.0], name="old/b")
        new.kernel = tf.Variable([0.0, 0.0], name="classifier/w")
        new.bias = tf.Variable([0.0], name="classifier/b")
        tcm.restore(old.save(str(tmp_path / "ckpt")), new, rules)
        assert (new.kernel.numpy().tolist(), float(new.bias[0])) == ([1.0, 2.0], 3.0)

    def test_tables_and_iterators_keep_what_they_have(self, tf, tmp_path):
        path = with_table(tf).save(str(tmp_path / "c"))
        target = with_table(tf)
        for rules in (None, [tcm.Drop(pattern="table/.*")]):
            report = tcm.restore(path, target, rules)
            kept = {entry.name.partition("/")[0] for entry in report.kept}
            assert kept == {"table", "iterator"}

    def test_of_dual_keys_the_ones_that_fit(self, tf, source, tmp_path):
        model = sequential(tf)
        tcm.restore(source, model, scoped(model))
        prefix = tf.train.Checkpoint(model).save(str(tmp_path / "c"))
        names = tcm.load_checkpoint(prefix).object_graph.full_names()
        del names["save_counter/.ATTRIBUTES/VARIABLE_VALUE"]
        add_name_keys(prefix)
        again = sequential(tf)
        tcm.restore(prefix, again)
        assert model_values(again) == EXPECTED
        by_name = {name: tf.zeros_like(v) for name, v in by_full_name(model).items()}
        by_name = {name: tf.Variable(value) for name, value in by_name.items()}
        assert set(by_name) == set(names.values())
        tcm.restore(prefix, by_name, [tcm.Drop(pattern="save_counter.*")])
        for name, variable in by_full_name(model).items():
            np.testing.assert_array_equal(by_name[name].numpy(), variable.numpy())


def by_full_name(model):
    return {getattr(v, "path", v.name).partition(":")[0]: v for v in model.variables}


def all_variables(tf, target):
    from tf_ckpt_migrate.live.target import LiveTarget

    return LiveTarget(target).variables.values()


class TestClosedWorld:
    """Whatever is unaccounted for is in one error, and no variable has changed."""

    @pytest.fixture
    def pair(self, tf):
        return {"a": tf.Variable([0.0, 0.0]), "b": tf.Variable(0.0)}

    def refused(self, prefix, target, *arguments, error=PlanError, **keywords):
        before = [v.numpy().tolist() for v in target.values()]
        with pytest.raises(error) as caught:
            tcm.restore(prefix, target, *arguments, **keywords)
        assert [v.numpy().tolist() for v in target.values()] == before
        return str(caught.value)

    def test_all_findings_at_once(self, pair, write):
        prefix = write({"a": np.float32([1, 2]), "c": np.float32(1), "d": [1]})
        text = self.refused(prefix, pair)
        assert "2 source keys have no place" in text
        assert "1 target has no source" in text
        assert "'b' float32[]" in text

    def test_shapes_and_dtypes(self, pair, write):
        text = self.refused(write({"a": np.float32([[1], [2]]), "b": 1}), pair)
        assert "'a' -> 'a' float32[2, 1], but the target has float32[2]" in text
        assert "Reshape(shape=(2,))" in text
        assert "Cast" in text

    def test_an_old_scope_is_seen(self, pair, write):
        prefix = write({"x/a": np.float32([1, 2]), "x/b": np.float32(1)})
        text = self.refused(prefix, pair)
        assert "RenameScope('x/', '/')" in text

    def test_a_map_in_the_wrong_direction(self, pair, write):
        prefix = write({"old": np.float32([1, 2]), "b": np.float32(1)})
        text = self.refused(prefix, pair, {"a": "old"})
        assert "rule matches nothing in the source" in text

    def test_damage_is_found_before_the_first_assignment(self, pair, write):
        prefix = write({"a": np.float32([1, 2]), "b": np.float32(1)})
        shard = f"{prefix}.data-00000-of-00001"
        with open(shard, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")
        self.refused(prefix, pair, error=ChecksumError)

    def test_a_function_that_fails(self, pair, write):
        def fail(array):
            raise ZeroDivisionError

        prefix = write({"a": np.float32([1, 2]), "b": np.float32(1)})
        rules = [tcm.Rename("b", "b", transform=Function(fail))]
        self.refused(prefix, pair, rules, error=ZeroDivisionError)

    def test_a_function_that_makes_something_else(self, pair, write):
        prefix = write({"a": np.float32([1, 2]), "b": np.float32(1)})
        rules = [tcm.Rename("b", "b", transform=Function(lambda b: b[None]))]
        self.refused(prefix, pair, rules, error=TransformError)

    def test_a_variable_of_something_else(self, tf, pair, write):
        prefix = write({"a": np.float32([1, 2]), "b": np.float32(1)})
        text = self.refused(
            prefix, pair, {"a": tf.Variable(0.0, name="stray")}, error=RuleError
        )
        assert "stray" in text

    def test_nothing_can_be_kept_that_has_no_variable(self, pair, write):
        prefix = write({"a": np.float32([1, 2]), "b": np.float32(1), "c": [1]})
        text = self.refused(prefix, pair, [tcm.Keep("c")])
        assert "'c' is kept, but no variable has it" in text
        text = self.refused(prefix, pair, unused="keep", error=RuleError)
        assert "nowhere to go" in text

    def test_what_is_left_out_on_purpose(self, pair, write):
        prefix = write({"a": np.float32([1, 2]), "c": [1]})
        report = tcm.restore(prefix, pair, unused="drop", missing="keep")
        assert pair["a"].numpy().tolist() == [1, 2]
        assert [entry.key for entry in report.left_behind] == ["c"]
        assert [entry.name for entry in report.kept] == ["b"]

    def test_an_unbuilt_model(self, tf, source):
        model = sequential(tf, built=False)
        with pytest.raises(UnbuiltTargetError, match="Build first"):
            tcm.restore(source, model)

    def test_no_target(self, source):
        with pytest.raises(TargetError):
            tcm.restore(source, "model")

    def test_a_graph(self, tf, source):
        with tf.Graph().as_default(), pytest.raises(GraphModeError, match="graph"):
            tcm.restore(source, {})


class TestTransforms:
    def test_values_are_computed(self, tf, write):
        prefix = write({"w": np.float32([[1, 2, 3]]), "step": 3})
        target = {"w": tf.Variable(tf.zeros([3, 1])), "n": tf.Variable(0)}
        rules = [
            tcm.Rename("w", "w", transform=Transpose((1, 0))),
            tcm.Rename("step", "n", transform=Cast("int32")),
        ]
        report = tcm.restore(prefix, target, rules)
        assert target["w"].numpy().tolist() == [[1], [2], [3]]
        assert int(target["n"]) == 3
        assert [move.target for move in report.inexact] == ["n"]

    def test_one_tensor_in_parts(self, tf, write):
        target = {"q": tf.Variable([0.0]), "k": tf.Variable([0.0])}
        rule = tcm.Split("qk", {"q": Slice([0], [1]), "k": Slice([1], [1])})
        tcm.restore(write({"qk": np.float32([1, 2])}), target, [rule])
        assert [v.numpy().tolist() for v in target.values()] == [[1], [2]]


class TestReport:
    @pytest.fixture
    def report(self, tf, write):
        prefix = write({"w": np.float32([1, 2]), "w/Momentum": np.float32([3, 4])})
        target = {"w": tf.Variable([0.0, 0.0]), "kept": tf.Variable(1.0)}
        return tcm.restore(
            prefix, target, [tcm.Drop(role="slot", reason="slots")], missing="keep"
        )

    def test_in_words(self, report):
        first, *others = str(report).splitlines()
        assert first.startswith(
            "restored 1 variable (2 parameters, 8 bytes) of a dict of 2 variables from "
        )
        assert others == [
            "role    variables  parameters    bytes",
            "weight          1           2  8 bytes",
            "left behind: 'w/Momentum': slots",
            "kept: 'kept': no source is assigned to it",
        ]

    def test_as_json(self, report):
        data = json.loads(report.to_json())
        assert data["restored"] == [
            {
                "variable": "w",
                "sources": ["w"],
                "transform": None,
                "exact": True,
                "dtype": "float32",
                "shape": [2],
            }
        ]
        assert data["left_behind"] == [{"key": "w/Momentum", "reason": "slots"}]
        assert data["totals"] == {
            "weight": {"variables": 1, "parameters": 2, "nbytes": 8}
        }

    def test_many_lines_are_capped(self, tf, write):
        prefix = write({f"w{n}": [n] for n in range(60)})
        report = tcm.restore(
            prefix, {"w1": tf.Variable([0], dtype=tf.int64)}, unused="drop"
        )
        assert len(str(report).splitlines()) < 20
        assert len(report.left_behind) == 59


def test_variables_under_a_strategy(tf, write):
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        variable = tf.Variable([0.0, 0.0], name="w")
    assert type(variable).__name__ == "MirroredVariable"
    tcm.restore(write({"w": np.float32([1, 2])}), [variable])
    assert variable.numpy().tolist() == [1, 2]


class TestRoles:
    """What may keep its value is named by what it is to training."""

    STATE = ("slot", "optimizer", "step")

    def test_weights_into_a_model_that_is_trained(self, tf, source):
        checkpoint = trained(tf)
        rules = [tcm.Drop("global_step")]
        model = checkpoint.model
        rules += scoped(model)[1:]
        report = tcm.restore(source, checkpoint, rules, missing=self.STATE)
        assert model_values(model) == EXPECTED
        assert len(report.kept) > 8
        kept = {entry.name.removeprefix("net/") for entry in report.kept}
        assert not kept & WEIGHTS.keys()

    def test_a_missing_weight_is_still_an_error(self, tf, write):
        checkpoint = trained(tf)
        rules = scoped(checkpoint.model)[1:]
        values = {k: v for k, v in WEIGHTS.items() if k != "d1/bias"}
        with pytest.raises(PlanError, match="1 target has no source") as missing:
            tcm.restore(write(values), checkpoint, rules, missing=self.STATE)
        assert "d1/bias" in missing.value.problems[0]
        with pytest.raises(PlanError, match=r'missing=\["slot", "optimizer", "step"\]'):
            tcm.restore(write(values), checkpoint, rules)

    def test_a_word_that_is_no_role(self, tf, write):
        w = tf.Variable([0.0], dtype=tf.float64)
        with pytest.raises(RuleError, match=r"\['slots'\]; the roles are weight, slot"):
            tcm.restore(write({"w": [1.0]}), {"w": w}, missing=["slots"])


class TestObjectsIntoMereVariables:
    @pytest.mark.parametrize("name", ["kernel", "net/w", "m/kernel"])
    def test_by_name_or_path(self, tf, tmp_path, name):
        module = tf.Module()
        module.kernel = tf.Variable([1.0, 2.0], name="net/w")
        module.bias = tf.Variable([3.0], name="net/b")
        given = {} if name == "m/kernel" else {"root": module}
        saved = tf.train.Checkpoint(**given) if given else tf.train.Checkpoint(m=module)
        path = saved.save(str(tmp_path / "m"))
        w, b = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
        tcm.restore(path, {name: w, "net/b": b})
        assert (w.numpy().tolist(), float(b[0])) == ([1.0, 2.0], 3.0)
        key = "bias" if given else "m/bias"
        w.assign([0.0, 0.0])
        rules = {f"{key}/.ATTRIBUTES/VARIABLE_VALUE": "other"}
        tcm.restore(path, {name: w, "other": b}, rules)
        assert w.numpy().tolist() == [1.0, 2.0]
        with pytest.raises(PlanError, match="1 source key has no place"):
            tcm.restore(path, {name: w})


class TestSeeds:
    def test_keras_3_keeps_the_state_of_its_generators(self, tf, write):
        state = tf.Variable([1, 2], name="net/drop/seed_generator_state")
        w = tf.Variable([0.0], name="net/w")
        report = tcm.restore(write({"net/w": np.float32([1])}), [w, state])
        assert float(w[0]) == 1.0
        assert [entry.name for entry in report.kept] == [
            "net/drop/seed_generator_state"
        ]

    def test_a_word_that_is_none(self, tf, write):
        with pytest.raises(RuleError, match="missing must be 'error', 'keep' or roles"):
            tcm.restore(write({"w": [1]}), {"w": tf.Variable(1)}, missing="drop")


class TestTransformsByName:
    def test_by_variable_or_by_tensor_after_the_rule(self, tf, write):
        a = tf.Variable(tf.zeros([3, 2]))
        b, c = tf.Variable([0.0, 0.0]), tf.Variable([[0.0]])
        values = {
            "old/a": np.float64([[1, 2, 3], [4, 5, 6]]),
            "old/b": np.float32([1, 2]),
            "c": np.float32([7]),
        }
        report = tcm.restore(
            write(values),
            {"a": a, "b": b, "c": c},
            [tcm.Rename("old/a", "a", Cast("float32")), ("old/b", "b")],
            transforms={
                "a": Transpose((1, 0)),
                "old/b": lambda array: -array,
                "c": lambda array: array[None],
            },
        )
        assert a.numpy().tolist() == [[1, 4], [2, 5], [3, 6]]
        assert b.numpy().tolist() == [-1, -2]
        assert c.numpy().tolist() == [[7]]
        assert "computed" in str(report)
        assert "Transpose" in str(report)

    def test_a_variable_may_go_by_its_key(self, tf, write):
        module = tf.Module()
        module.w = tf.Variable([0.0], dtype=tf.float32, name="net/w")
        for name in ("net/w", "w", "w/.ATTRIBUTES/VARIABLE_VALUE"):
            module.w.assign([0.0])
            tcm.restore(
                write({"net/w": np.float64([2.0])}),
                module,
                transforms={name: Cast("float32")},
            )
            assert float(module.w[0]) == 2.0

    @pytest.mark.parametrize(
        ("transforms", "text"),
        [
            ({"none": Cast("float32")}, r"transforms\['none'\]"),
            ({"w": Transpose((1, 0))}, "Transpose"),
            ({"w": Cast("int32")}, r"int32\[2\].*float32\[2\]"),
        ],
    )
    def test_what_does_not_fit_is_told_before_any_change(
        self, tf, write, transforms, text
    ):
        w, v = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
        values = {"v": np.float32([1]), "w": np.float32([1, 2])}
        with pytest.raises(PlanError, match=rf"(?s){text}"):
            tcm.restore(write(values), {"v": v, "w": w}, transforms=transforms)
        assert float(v[0]) == 0.0

    @pytest.mark.parametrize("wrong", [lambda a: a[:1], lambda a: a.astype("int32")])
    def test_a_function_that_gives_something_else(self, tf, write, wrong):
        w, v = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
        values = {"v": np.float32([1]), "w": np.float32([1, 2])}
        with pytest.raises(TransformError, match=r"float32\[2\]"):
            tcm.restore(write(values), {"v": v, "w": w}, transforms={"w": wrong})
        assert float(v[0]) == 0.0


class TestWhatUsersGetWrong:
    """One error names the variable, what is nearest, the cause, and what would do."""

    def refused(self, tf, write, tensors, variables, rules=None):
        given = {name: np.ones(shape, np.float32) for name, shape in tensors.items()}
        target = {name: tf.Variable(tf.zeros(s)) for name, s in variables.items()}
        with pytest.raises(PlanError) as refusal:
            tcm.restore(write(given), target, rules)
        assert not any(variable.numpy().any() for variable in target.values())
        return str(refusal.value)

    def test_an_outer_scope_is_lost(self, tf, write):
        text = self.refused(
            tf,
            write,
            {"model/dense/w": (2,), "model/dense/b": ()},
            {"dense/w": (2,), "dense/b": ()},
        )
        assert "nearest in the source: 'model/dense/w'" in text
        assert "Likely cause: the checkpoint has them in a scope 'model/'" in text
        assert "RenameScope('model/', '/')," in text

    def test_layers_are_numbered_otherwise(self, tf, write):
        text = self.refused(tf, write, {"dense/w": (2,)}, {"dense_1/w": (2,)})
        assert "Likely cause: numbers in names differ, 'dense/' and 'dense_1/'" in text
        assert "Rename('dense/w', 'dense_1/w')," in text

    def test_a_cell_was_run_once_more(self, tf, write):
        text = self.refused(tf, write, {"v1": (2,)}, {"v1_5": (2,)})
        assert "or once more in one process" in text
        assert "Rename('v1', 'v1_5')," in text

    def test_a_map_that_matches_nothing(self, tf, write):
        text = self.refused(tf, write, {"a/w": (2,)}, {"b/w": (2,)}, {"c/": "b/"})
        assert (
            "1 rule matches nothing in the source:\n  RenameScope('c/', 'b/')" in text
        )
        assert "turned around" not in text
        assert "Rename('a/w', 'b/w')," in text

    @pytest.mark.parametrize("rules", [{"new/w": "old/w"}, {"new/": "old/"}])
    def test_a_map_in_the_wrong_direction(self, tf, write, rules):
        text = self.refused(tf, write, {"old/w": (2,)}, {"new/w": (2,)}, rules)
        assert "turned around it would fit: a map leads from the source" in text

    def test_a_checkpoint_that_disappears_midway(self, tf, write):
        target = {name: tf.Variable([0.0]) for name in ("a", "b")}
        prefix = write({"a": np.float32([1]), "b": np.float32([2])})
        reader = tcm.load_checkpoint(prefix)
        os.remove(f"{prefix}.data-00000-of-00001")
        with pytest.raises(MissingShardError, match="is missing; beside it there are"):
            tcm.restore(reader, target)
        os.remove(f"{prefix}.index")
        with pytest.raises(CheckpointNotFoundError):
            tcm.restore(prefix, target)
        assert [float(variable[0]) for variable in target.values()] == [0.0, 0.0]
