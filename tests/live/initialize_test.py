import gc
import tempfile

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.live.models import WEIGHTS, model_values, sequential
from tf_ckpt_migrate.conversion.example import example_checkpoint
from tf_ckpt_migrate.errors import PlanError, RuleError, TargetError, UnbuiltTargetError
from tf_ckpt_migrate.transforms import Transpose

OLD = {
    "old/w": np.float32([1, 2]),
    "old/b": np.float32([3]),
    "e": np.arange(6, dtype=np.float32).reshape(3, 2),
}


@pytest.fixture
def write():
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda tensors: stack.enter_context(example_checkpoint(tensors))


@pytest.fixture
def source(write):
    return write(OLD)


class InGraph:
    """A graph under construction, and what its variables are initialized to."""

    def __init__(self, tf):
        self.v1 = tf.compat.v1
        self.graph = tf.Graph()

    def variable(self, name, shape, **keywords):
        zeros = self.v1.zeros_initializer()
        return self.v1.get_variable(name, shape, initializer=zeros, **keywords)

    def values(self):
        with self.v1.Session(graph=self.graph) as session:
            session.run(self.v1.global_variables_initializer())
            variables = self.v1.global_variables()
            return {v.op.name: session.run(v).tolist() for v in variables}


@pytest.fixture
def graph(tf):
    built = InGraph(tf)
    with built.graph.as_default():
        yield built


class TestInAGraph:
    def test_scopes_names_and_variables(self, graph, source):
        graph.variable("new/w", [2])
        b = graph.variable("b", [1])
        graph.variable("other", [2])
        tcm.init_from_checkpoint(source, {"old/w": "other", "old/b": b})
        assert graph.values() == {"new/w": [0, 0], "b": [3], "other": [1, 2]}

    def test_a_scope(self, graph, source):
        graph.variable("new/w", [2])
        graph.variable("new/b", [1])
        tcm.init_from_checkpoint(source, {"old/": "new/"})
        assert graph.values() == {"new/w": [1, 2], "new/b": [3]}

    def test_parts_by_name_and_as_a_list(self, graph, source, tf):
        axis = tf.compat.v1.fixed_size_partitioner(3)
        first = graph.variable("p", [3, 2], partitioner=axis)
        graph.variable("q", [3, 2], partitioner=axis)
        tcm.init_from_checkpoint(source, [("e", list(first)), ("e", "q")])
        rows = OLD["e"].tolist()
        expected = {f"{name}/part_{n}": [rows[n]] for name in "pq" for n in range(3)}
        assert graph.values() == expected

    def test_one_tensor_for_several_variables(self, graph, source):
        pair = [graph.variable("x", [2]), graph.variable("y", [2])]
        graph.variable("z", [2])
        tcm.init_from_checkpoint(source, [("old/w", pair), ("old/w", ["z"])])
        assert set(map(tuple, graph.values().values())) == {(1, 2)}

    def test_rules(self, graph, source):
        for name, shape in {"n/w": [2], "n/b": [1], "left": [3]}.items():
            graph.variable(name, shape)
        rule = tcm.RenameRegex(r"old/(\w)", r"n/\1")
        tcm.init_from_checkpoint(source, [rule, tcm.Drop("e")])
        assert graph.values() == {"n/w": [1, 2], "n/b": [3], "left": [0, 0, 0]}

    def test_a_rule_to_no_variable_or_another_shape(self, graph, source):
        graph.variable("n/w", [3])
        rule = tcm.RenameRegex(r"old/(\w)", r"n/\1")
        with pytest.raises(PlanError, match=r"(?s)'n/b'.*float32\[3\]"):
            tcm.init_from_checkpoint(source, [rule])

    def test_a_rule_that_transforms(self, tf, graph, source):
        rule = tcm.Rename("e", "t", transform=Transpose((1, 0)))
        axis = tf.compat.v1.fixed_size_partitioner(2)
        graph.variable("t", [2, 3], partitioner=axis)
        graph.variable("w", [2])
        tcm.init_from_checkpoint(source, [rule, ("old/w", "w")])
        first, second = OLD["e"].T.tolist()
        values = {"t/part_0": [first], "t/part_1": [second], "w": [1, 2]}
        assert graph.values() == values

    def test_state_of_optimizers_that_the_original_forgets(self, tf, graph, write):
        axis = tf.compat.v1.fixed_size_partitioner(2)
        graph.variable("emb", [2, 2], partitioner=axis)
        graph.variable("w", [2])
        v1 = tf.compat.v1
        with v1.variable_scope("", reuse=True):
            emb = v1.get_variable("emb", [2, 2], partitioner=axis)
            w = v1.get_variable("w", [2])
        loss = tf.reduce_sum(tf.convert_to_tensor(emb) ** 2) + tf.reduce_sum(w**2)
        v1.train.AdamOptimizer().minimize(loss)
        tensors = {
            "emb": np.full([2, 2], 1, "f"),
            "emb/Adam": np.full([2, 2], 2, "f"),
            "emb/Adam_1": np.full([2, 2], 3, "f"),
            "w": np.float32([4, 4]),
            "w/Adam": np.float32([5, 5]),
            "w/Adam_1": np.float32([6, 6]),
            "beta1_power": np.float32(0.5),
            "beta2_power": np.float32(0.25),
        }
        tcm.init_from_checkpoint(write(tensors), {"/": "/"})
        values = graph.values()
        assert values["beta1_power"] == 0.5
        assert values["beta2_power"] == 0.25
        assert values["w/Adam_1"] == [6, 6]
        parts = {n: v for n, v in values.items() if n.startswith("emb/")}
        assert len(parts) == 6
        for name, value in parts.items():
            expected = 3 if "Adam_1" in name else 2 if "Adam" in name else 1
            assert value == [[expected, expected]], name

    @pytest.mark.parametrize(
        "arguments",
        [
            lambda path: (path, {"missing": "w"}),
            lambda path: (path, {"old/": "new/"}),
            lambda path: (path, {"old/b": "w"}),
            lambda path: (path, {"old/w": "no_such_variable"}),
            lambda path: (path + "-gone", {"old/w": "w"}),
        ],
        ids=["tensor", "scope", "shape", "variable", "checkpoint"],
    )
    def test_errors_are_those_of_tensorflow(self, tf, graph, source, arguments):
        graph.variable("w", [2])
        graph.variable("new/w", [2])
        graph.variable("new/more", [2])
        with pytest.raises(Exception) as theirs:  # noqa: PT011 of TensorFlow's choice
            tf.compat.v1.train.init_from_checkpoint(*arguments(source))
        with pytest.raises(type(theirs.value)) as ours:
            tcm.init_from_checkpoint(*arguments(source))
        assert str(ours.value) == str(theirs.value)


class Objects:
    """Object-based checkpoints of OLD, with names of variables and paths."""

    PATHS = ("m/items/0", "m/items/1", "m/items/2")
    KEYS = tuple(f"{path}/.ATTRIBUTES/VARIABLE_VALUE" for path in PATHS)

    @staticmethod
    def saved(tf, folder, *, dual=False):
        module = tf.Module()
        module.m = tf.Module()
        module.m.items = [tf.Variable(v, name=name) for name, v in OLD.items()]
        prefix = tf.train.Checkpoint(root=module).write(str(folder / "objects"))
        if dual:
            tcm.add_name_keys(prefix)
        return prefix


@pytest.fixture(params=[False, True], ids=["object-based", "dual-keyed"])
def objects(tf, tmp_path, request):
    return Objects.saved(tf, tmp_path, dual=request.param)


@pytest.mark.parametrize("name", ["sliced_v1_axis_0", "sliced_v1_axis_1"])
def test_slices_of_a_v1_file(tf, goldens, name):
    prefix = str(goldens / "tf1_15" / name / "model.ckpt")
    expected = tcm.load_checkpoint(prefix)["emb"]
    for parts in (1, 2):
        graph = InGraph(tf)
        with graph.graph.as_default():
            axis = tf.compat.v1.fixed_size_partitioner(parts)
            dtype = tf.as_dtype(expected.dtype)
            graph.variable("n/e", expected.shape, dtype=dtype, partitioner=axis)
            tcm.init_from_checkpoint(prefix, {"emb": "n/e"})
            values = list(graph.values().values())
        assert np.concatenate(values).tolist() == expected.tolist()


class TestObjectsInAGraph:
    @pytest.mark.parametrize(
        "names", [tuple(OLD), Objects.PATHS, Objects.KEYS], ids=["name", "path", "key"]
    )
    def test_every_name(self, objects, tf, names):
        graph = InGraph(tf)
        with graph.graph.as_default():
            axis = tf.compat.v1.fixed_size_partitioner(3)
            graph.variable("w", [2])
            e = graph.variable("e", [3, 2], partitioner=axis)
            tcm.init_from_checkpoint(objects, {names[0]: "w", names[2]: list(e)})
            rows = OLD["e"].tolist()
            expected = {f"e/part_{n}": [row] for n, row in enumerate(rows)}
            assert graph.values() == {"w": [1, 2], **expected}

    @pytest.mark.parametrize("scope", ["old/", "m/items/"])
    def test_a_scope(self, tf, tmp_path, scope):
        prefix = Objects.saved(tf, tmp_path)
        graph = InGraph(tf)
        names = ["new/w", "new/b"] if scope == "old/" else ["new/0", "new/1"]
        with graph.graph.as_default():
            for name, shape in zip(names, ([2], [1]), strict=True):
                graph.variable(name, shape)
            tcm.init_from_checkpoint(prefix, {scope: "new/"})
            assert list(graph.values().values()) == [[1, 2], [3]]

    def test_rules(self, objects, tf):
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("n/w", [2])
            graph.variable("n/b", [1])
            graph.variable("t", [2, 3])
            regex = tcm.RenameRegex(r"old/(\w)", r"n/\1")
            tcm.init_from_checkpoint(objects, [regex])
            transposed = tcm.Rename("e", "t", transform=Transpose((1, 0)))
            tcm.init_from_checkpoint(objects, [transposed])
            expected = {"n/w": [1, 2], "n/b": [3], "t": OLD["e"].T.tolist()}
            assert graph.values() == expected

    def test_what_initializers_read_lasts_as_long_as_the_graph(
        self, tf, tmp_path, monkeypatch
    ):
        prefix = Objects.saved(tf, tmp_path)
        folder = tmp_path / "scratch"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("w", [2])
            tcm.init_from_checkpoint(prefix, {"old/w": "w"})
        gc.collect()
        assert len(list(folder.iterdir())) == 1
        assert graph.values() == {"w": [1, 2]}
        del graph
        gc.collect()
        assert not list(folder.iterdir())

    def test_errors_name_the_checkpoint(self, tf, tmp_path):
        prefix = Objects.saved(tf, tmp_path)
        graph = InGraph(tf)
        with graph.graph.as_default():
            graph.variable("w", [2])
            with pytest.raises(ValueError, match="old/x is not found in") as caught:
                tcm.init_from_checkpoint(prefix, {"old/x": "w"})
        assert f"found in {prefix} checkpoint" in str(caught.value)


class TestInEagerMode:
    def test_every_name_of_objects(self, tf, objects):
        for names in (tuple(OLD), Objects.PATHS, Objects.KEYS):
            w, e = tf.Variable([0.0, 0.0]), tf.Variable(tf.zeros([3, 2]))
            tcm.init_from_checkpoint(objects, {names[0]: w, names[2]: e})
            assert w.numpy().tolist() == [1, 2]
            assert e.numpy().tolist() == OLD["e"].tolist()

    def test_variables_in_the_map(self, tf, source):
        variable = tf.Variable([0.0, 0.0])
        tcm.init_from_checkpoint(source, {"old/w": variable})
        assert variable.numpy().tolist() == [1, 2]

    def test_several_variables_for_one_tensor(self, tf, source):
        pair = [tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0])]
        tcm.init_from_checkpoint(source, {"old/w": pair})
        assert [v.numpy().tolist() for v in pair] == [[1, 2]] * 2

    def test_a_scope_of_a_model(self, tf, write):
        model = sequential(tf)
        names = [getattr(v, "path", v.name) for v in model.variables]
        scope = "net/" if names[0].startswith("net/") else "/"
        prefix = write({**{f"m/{k}": v for k, v in WEIGHTS.items()}, "more": [1]})
        tcm.init_from_checkpoint(prefix, {"m/": scope}, target=model)
        expected = {name: value.tolist() for name, value in WEIGHTS.items()}
        assert model_values(model) == expected

    def test_names_and_a_variable_of_keras(self, tf, write):
        model = sequential(tf)
        kernel, bias = model.variables[:2]
        rules = {"d1/kernel": kernel, "d1/bias": bias}
        tcm.init_from_checkpoint(write(WEIGHTS), rules, target=model)
        assert bias.numpy().tolist() == [1, 2, 3]
        tcm.init_from_checkpoint(write({"k": kernel.numpy() * 2}), {"k": kernel})
        assert kernel.numpy()[0].tolist() == [0, 2, 4]

    def test_a_later_pair_replaces_one_of_a_scope(self, tf, write):
        target = {"n/w": tf.Variable([0.0, 0.0]), "n/b": tf.Variable([0.0])}
        prefix = write({**OLD, "old/x": np.float32([7, 8])})
        more = {"old/x": target["n/w"], "old/": "n/"}
        tcm.init_from_checkpoint(prefix, more, target=target)
        assert target["n/w"].numpy().tolist() == [7, 8]
        assert target["n/b"].numpy().tolist() == [3]

    def test_what_get_variable_keeps_needs_no_target(self, tf, source):
        from tensorflow.python.ops.variable_scope import EagerVariableStore

        with EagerVariableStore().as_default():
            variable = tf.compat.v1.get_variable("new/w", [2])
            tcm.init_from_checkpoint(source, {"old/": "new/"})
        assert variable.numpy().tolist() == [1, 2]

    @pytest.mark.parametrize(
        "arguments",
        [
            lambda path, variable: (path, {"missing": variable}),
            lambda path, variable: (path, {"old/b": variable}),
            lambda path, variable: (path + "-gone", {"old/w": variable}),
        ],
        ids=["tensor", "shape", "checkpoint"],
    )
    def test_errors_of_the_originals_calls_are_the_originals(
        self, tf, source, arguments
    ):
        given = arguments(source, tf.Variable([0.0, 0.0]))
        with pytest.raises(Exception) as theirs:  # noqa: PT011 of TensorFlow's choice
            tf.compat.v1.train.init_from_checkpoint(*given)
        with pytest.raises(type(theirs.value)) as ours:
            tcm.init_from_checkpoint(*given)
        assert str(ours.value) == str(theirs.value)

    def test_rules_of_ours(self, tf, source):
        target = {"n/w": tf.Variable([0.0, 0.0]), "n/b": tf.Variable([0.0])}
        target["t"] = tf.Variable(tf.zeros([2, 3]))
        rules = [
            tcm.RenameRegex(r"old/(\w)", r"n/\1"),
            tcm.Rename("e", "t", transform=Transpose((1, 0))),
        ]
        tcm.init_from_checkpoint(source, rules, target=target)
        assert target["n/b"].numpy().tolist() == [3]
        assert target["t"].numpy().tolist() == OLD["e"].T.tolist()

    def refused(self, source, rules, target, error=PlanError):
        before = [v.numpy().tolist() for v in target.values()]
        with pytest.raises(error) as caught:
            tcm.init_from_checkpoint(source, rules, target=target)
        assert isinstance(caught.value, ValueError)
        assert [v.numpy().tolist() for v in target.values()] == before
        return str(caught.value)

    def test_what_is_missing_changes_nothing(self, tf, source):
        target = {"n/w": tf.Variable([0.0, 0.0]), "n/more": tf.Variable([0.0])}
        text = self.refused(source, {"old/": "n/"}, target)
        assert "'n/more' would get 'old/more', which is not there" in text
        text = self.refused(source, {"old/w": "n/more"}, target)
        assert "float32[2], but the target has float32[1]" in text
        text = self.refused(source, {"old/w": "n/v"}, target)
        assert "'n/w'" in text
        text = self.refused(source, {"old/": "m/"}, target)
        assert "nearest scopes are 'n/'" in text
        text = self.refused(source, {"old/w": "n/"}, target, RuleError)
        assert "'old/w/': 'n/'" in text

    def test_names_need_to_know_of_what(self, source):
        with pytest.raises(TargetError, match="target=model"):
            tcm.init_from_checkpoint(source, {"old/": "new/"})

    def test_an_unbuilt_model(self, tf, source):
        model = sequential(tf, built=False)
        with pytest.raises(UnbuiltTargetError):
            tcm.init_from_checkpoint(source, {"old/": "/"}, target=model)
